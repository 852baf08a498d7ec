"""The Predictions page by AppTest, and which rows its gallery shows."""

import os
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine.data.dataset import delete_dataset
from engine.evaluation import predictions
from engine.events import Progress
from engine.store.job_store import JobStore
from engine.store.run import Run
from engine.workspace import Workspace
from pages.ui import scores
from pages.ui.predictions import filters, row_selection
from pages.ui.predictions.row_selection import Selection
from tests.pages import made, prepared

PAGE = Path(__file__).resolve().parents[2] / "pages" / "predictions.py"


@pytest.fixture
def page(workspace: Workspace) -> AppTest:
    return AppTest.from_file(PAGE, default_timeout=30)


@pytest.fixture
def run(workspace: Workspace) -> Run:
    return made.finished_run(workspace, made.dataset(workspace), seed=2)


def test_the_accuracy_is_said_with_its_interval(page: AppTest, workspace: Workspace, run: Run) -> None:
    page.run()
    assert not page.exception
    report = scores.split_scores(workspace.run(run.id))["test"]
    said = next(element.value for element in page.markdown if element.value.startswith("Right for"))
    assert f"{round(report.accuracy * report.images)} of {report.images} images" in said
    assert f"{100 * report.accuracy_low:.0f} %" in said
    assert f"{100 * report.accuracy_high:.0f} %" in said


def test_every_class_is_in_the_table(page: AppTest, run: Run) -> None:
    page.run()
    table = page.dataframe[0].value
    assert sorted(table["Class"]) == sorted(made.CLASSES)
    assert table["Images"].sum() > 0


def test_the_filters_of_a_cell_leave_exactly_its_images(page: AppTest, workspace: Workspace, run: Run) -> None:
    page.run()
    table = predictions.read(workspace.run(run.id) / "predictions.csv")
    truth, guess = made.CLASSES[0], made.CLASSES[1]
    expected = table[(table["split"] == "test") & (table["label"] == truth) & (table["predict"] == guess)]
    page.session_state[f"{run.id}_truth"], page.session_state[f"{run.id}_guess"] = truth, guess
    page.session_state[f"{run.id}_split"] = "test"
    page.run()
    assert not page.exception
    assert any(element.value.startswith(f"{len(expected)} image") for element in page.caption)


def test_a_click_on_the_matrix_sets_the_filters_and_a_click_beside_it_clears_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state: dict = {"k_cell_test": {"selection": {"points": [{"customdata": [0, 2]}]}}, "k_outcome": "Right"}
    monkeypatch.setattr(filters.st, "session_state", state)
    filters._show_cell(made.CLASSES, "test", "k")
    assert (state["k_truth"], state["k_guess"], state["k_split"], state["k_outcome"]) == (
        made.CLASSES[0],
        made.CLASSES[2],
        "test",
        "All",
    )
    state["k_cell_test"] = {"selection": {"points": []}}
    filters._show_cell(made.CLASSES, "test", "k")
    assert (state["k_truth"], state["k_guess"], state["k_split"]) == (None, None, "unseen")


def test_the_matrix_has_a_clickable_square_for_every_cell_and_names_are_text(workspace: Workspace, run: Run) -> None:
    figure = scores.confusion_matrix(scores.split_scores(workspace.run(run.id))["test"], made.CLASSES)
    squares = figure.data[1]
    assert [list(cell) for cell in squares.customdata] == [[t, g] for t in range(3) for g in range(3)]
    assert [(g, t) for t, g in squares.customdata] == list(zip(squares.x, squares.y, strict=True))
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("predicted class", "true class")
    assert "<b>butterfly" not in figure.to_json() and "\\u003cb\\u003ebutterfly" not in figure.to_json()


def test_filters_and_orders(workspace: Workspace, run: Run) -> None:
    table = row_selection.prediction_table(workspace.run(run.id) / "predictions.csv")
    wrong = row_selection.select(table, Selection(outcome="Wrong"))
    right = row_selection.select(table, Selection(outcome="Right"))
    assert 0 < len(wrong) < len(table)
    assert len(wrong) + len(right) == len(table)
    assert (wrong["label"] != wrong["predict"]).all()
    assert (right["label"] == right["predict"]).all()
    assert set(row_selection.select(table, Selection(splits=("val",)))["split"]) == {"val"}
    assert row_selection.select(table, Selection(low=0.5))["confidence"].min() >= 0.495
    first = row_selection.ordered(table, "Most confident mistakes")
    assert list(first["correct"][: len(wrong)]) == [False] * len(wrong)
    assert first["confidence"].iloc[0] == wrong["confidence"].max()
    assert row_selection.ordered(table, "Least certain")["confidence"].is_monotonic_increasing
    assert list(row_selection.ordered(table, "File name")["file_dir"]) == sorted(table["file_dir"])


def test_the_true_class_is_always_among_the_top(workspace: Workspace, run: Run) -> None:
    table = row_selection.prediction_table(workspace.run(run.id) / "predictions.csv")
    for _, row in table.iterrows():
        top = row_selection.top_classes(row, limit=1)
        assert top[0] == (row["predict"], row["confidence"])
        assert row["label"] in dict(top)


def test_a_changed_table_is_read_again(workspace: Workspace, run: Run) -> None:
    path = workspace.run(run.id) / "predictions.csv"
    table = row_selection.prediction_table(path)
    predictions.write(path, table.iloc[:3])
    assert len(row_selection.prediction_table(path)) == 3


def test_new_images_show_predictions_and_list_the_unreadable(page: AppTest, workspace: Workspace, run: Run) -> None:
    predictions_id = made.new_predictions(workspace, run, made.CLASSES)
    arguments = {"run": run.id, "source": "upload-00000000", "name": "[new](x)"}
    prepared.job(workspace, "predict", arguments, result={"predictions": predictions_id})
    page.run()
    assert not page.exception
    failed = page.dataframe[1].value
    assert list(failed["File"]) == ["broken.jpg"]
    assert any("**2 images** predicted, 1 file unreadable" in element.value for element in page.markdown)


def test_training_images_are_shown_only_on_request(page: AppTest, workspace: Workspace, run: Run) -> None:
    path = workspace.run(run.id) / "predictions.csv"
    table = predictions.read(path)
    table.loc[table.index[:4], "split"] = "train"
    predictions.write(path, table)
    page.run()
    assert any(element.value.startswith(f"{len(table) - 4} images of {len(table)}") for element in page.caption)
    page.segmented_control(key=f"{run.id}_split").set_value("train").run()
    assert any(element.value.startswith(f"4 images of {len(table)}") for element in page.caption)


def test_a_running_prediction_shows_its_progress(page: AppTest, workspace: Workspace, run: Run) -> None:
    arguments = {"run": run.id, "source": "upload-00000000", "name": "holiday"}
    prepared.job(workspace, "predict", arguments, progress={"stage": "Predicting", "done": 5, "total": 9})
    page.run()
    assert not page.exception
    assert "5 of 9" in page.get("progress")[0].proto.text


def test_the_address_chooses_the_run(page: AppTest, workspace: Workspace, run: Run) -> None:
    made.finished_run(workspace, made.dataset(workspace), name="newer")
    page.query_params["run"] = run.id
    page.run()
    assert page.selectbox(key="_run").value == run.id


def test_closing_the_dialog_draws_the_page_again(workspace: Workspace, run: Run) -> None:
    """Otherwise what ticks in it ticks on behind it."""
    (dialog,) = large(workspace, run).get("dialog")
    assert dialog.proto.dialog.id


def large(workspace: Workspace, run: Run) -> AppTest:
    """The dialog alone."""

    def script(run_id: str, dataset_id: str, folder: str) -> None:
        from pathlib import Path

        from pages.ui.predictions import image_gallery, row_selection

        image_gallery._large(
            row_selection.prediction_table(Path(folder) / "predictions.csv"),
            image_gallery.ImageSource(run=run_id, dataset=dataset_id),
        )

    return prepared.alone(script, run_id=run.id, dataset_id=run.config.dataset, folder=str(workspace.run(run.id)))


def test_runs_without_predictions_and_deleted_datasets_are_no_defect(page: AppTest, workspace: Workspace) -> None:
    page.run()
    assert not page.exception
    assert "No run has predictions yet" in page.info[0].value
    dataset = made.dataset(workspace)
    made.finished_run(workspace, dataset)
    delete_dataset(workspace, dataset.id)
    page.run()
    assert not page.exception


def exported(page: AppTest) -> list[str]:
    """Labels of the links to a bundle."""
    links = prepared.components(page, "download")
    return [link["label"] for link in links if link["href"].endswith("/export.zip")]


def test_an_export_is_asked_for_once_and_followed(page: AppTest, workspace: Workspace, run: Run) -> None:
    page.run()
    assert "predict.py" in "\n".join(element.value for element in page.markdown)
    page.button(key="export").click().run()
    jobs = JobStore(workspace)
    assert [(job.status, job.arguments_as(dict)) for job in jobs.list("export")] == [("queued", {"run": run.id})]
    jobs.claim("1:1")
    jobs.record(jobs.list("export")[0].id, Progress(stage="Checking", done=3, total=10))
    page.run()
    assert "3 of 10" in page.get("progress")[0].proto.text
    assert "export" not in [button.key for button in page.button]


def test_a_finished_export_is_a_link_with_its_own_check(page: AppTest, workspace: Workspace, run: Run) -> None:
    bundle = workspace.run(run.id) / "export.zip"
    bundle.write_bytes(b"x" * 2000)
    checks = ["On *ten* images the bundle says the same.", "No model.onnx."]
    prepared.job(workspace, "export", {"run": run.id}, result={"file": str(bundle), "checks": checks})
    page.run()
    assert exported(page) == ["Download the bundle (2.0 KB)"]
    assert r"No model\.onnx\." in [element.value for element in page.caption]
    assert r"On \*ten\* images the bundle says the same\." in [element.value for element in page.success]


def test_a_bundle_older_than_the_weights_is_not_offered(page: AppTest, workspace: Workspace, run: Run) -> None:
    bundle, weights = (workspace.run(run.id) / name for name in ("export.zip", "best.safetensors"))
    bundle.write_bytes(b"x")
    weights.write_bytes(b"x")
    os.utime(bundle, (1000, 1000))
    assert exported(page.run()) == []
    os.utime(weights, (999, 999))
    assert exported(page.run()) == ["Download the bundle (1 B)"]


def test_a_failed_export_says_why_and_can_be_tried_again(page: AppTest, workspace: Workspace, run: Run) -> None:
    prepared.job(workspace, "export", {"run": run.id}, error="The weights of this run are gone.")
    page.run()
    assert any("weights of this run are gone" in element.value for element in page.error)
    page.button(key="export").click().run()
    assert [job.status for job in JobStore(workspace).list("export")] == ["queued", "failed"]
