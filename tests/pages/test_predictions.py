"""The Predictions page by AppTest, and which rows its gallery shows."""

import os

import pytest
from streamlit.testing.v1 import AppTest

from engine.data.dataset import delete_dataset, open_dataset
from engine.data.dataset_files import read_description, write_dataset
from engine.data.dataset_records import Dataset
from engine.evaluation import predictions
from engine.events import Progress
from engine.jobs import records
from engine.store.job_store import JobStore
from engine.store.run_record import Run
from engine.workspace import Workspace
from pages.ui.predictions import filters, scores
from pages.ui.predictions.predicted_images import Selection, ordered, predicted_images, run_table, select, top_classes
from tests.pages import made, prepared
from tests.pages.prepared import drawn

UPLOAD = "upload-00000000"


def opened(**query: str) -> AppTest:
    page = prepared.page("predictions", **query)
    assert not page.exception
    return page


def test_the_accuracy_is_said_with_its_interval(workspace: Workspace, run: Run) -> None:
    test = scores.split_scores(workspace.run(run.id))["test"]
    shown = drawn(opened())
    assert f"{round(test.accuracy * test.images)} of {test.images} images" in shown
    assert f"**{100 * test.accuracy_low:.0f} %** to **{100 * test.accuracy_high:.0f} %**" in shown


def test_every_class_is_in_the_table(run: Run) -> None:
    table = opened().dataframe[0].value
    assert sorted(table["Class"]) == sorted(made.CLASSES)
    assert table["Images"].sum() > 0 and table["Precision"].max() > 1  # percent


def test_the_filters_of_a_cell_leave_exactly_its_images(run: Run) -> None:
    page, table = opened(), run_table(run.id)
    truth, guess = made.CLASSES[:2]
    expected = table[(table["split"] == "test") & (table["label"] == truth) & (table["predict"] == guess)]
    for name, value in (("truth", truth), ("guess", guess), ("split", "test")):
        page.session_state[f"{run.id}_{name}"] = value
    page.run()
    assert not page.exception
    assert any(element.value.startswith(f"{len(expected)} image") for element in page.caption)


def test_a_click_on_the_matrix_sets_the_filters_and_a_click_beside_it_clears_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state: dict = {"k_outcome": "Right"}
    monkeypatch.setattr(filters.st, "session_state", state)
    for points, expected in (
        ([{"customdata": [0, 2]}], (made.CLASSES[0], made.CLASSES[2], "test", "All")),
        ([], (None, None, "unseen", "All")),
    ):
        state["k_cell_test"] = {"selection": {"points": points}}
        filters._show_cell(made.CLASSES, "test", "k")
        assert (state["k_truth"], state["k_guess"], state["k_split"], state["k_outcome"]) == expected


def test_the_matrix_has_a_clickable_square_for_every_cell_and_names_are_text(workspace: Workspace, run: Run) -> None:
    figure = scores.confusion_matrix(scores.split_scores(workspace.run(run.id))["test"], made.CLASSES)
    squares = figure.data[1]
    assert [list(cell) for cell in squares.customdata] == [[t, g] for t in range(3) for g in range(3)]
    assert [(g, t) for t, g in squares.customdata] == list(zip(squares.x, squares.y, strict=True))
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("predicted class", "true class")
    assert "<b>butterfly" not in figure.to_json() and "\\u003cb\\u003ebutterfly" not in figure.to_json()


def test_filters_and_orders(run: Run) -> None:
    table = run_table(run.id)
    wrong, right = (select(table, Selection(outcome=outcome)) for outcome in ("Wrong", "Right"))
    assert 0 < len(wrong) < len(table) == len(wrong) + len(right)
    assert (wrong["label"] != wrong["predict"]).all() and (right["label"] == right["predict"]).all()
    assert set(select(table, Selection(splits=("val",)))["split"]) == {"val"}
    assert select(table, Selection(low=0.5))["confidence"].min() >= 0.495
    first = ordered(table, "Most confident mistakes")
    assert list(first["correct"][: len(wrong)]) == [False] * len(wrong)
    assert first["confidence"].iloc[0] == wrong["confidence"].max()
    assert ordered(table, "Least certain")["confidence"].is_monotonic_increasing
    assert list(ordered(table, "File name")["file_dir"]) == sorted(table["file_dir"])


def test_the_true_class_is_always_among_the_top(run: Run) -> None:
    for image in predicted_images(run_table(run.id)):
        top = top_classes(image, limit=1)
        assert top[0] == (image.guess, image.confidence) and image.truth in dict(top)


def test_a_changed_table_is_read_again(workspace: Workspace, run: Run) -> None:
    predictions.write(workspace.run(run.id) / "predictions.csv", run_table(run.id).iloc[:3])
    assert len(run_table(run.id)) == 3


def test_new_images_show_predictions_and_list_the_unreadable(workspace: Workspace, run: Run) -> None:
    result = {"predictions": made.new_predictions(workspace, run)}
    prepared.job(workspace, "predict", {"run": run.id, "source": UPLOAD, "name": "[new](x)"}, result=result)
    page = opened()
    assert list(page.dataframe[1].value["File"]) == ["broken.jpg"]
    assert "**2 images** predicted, 1 file unreadable" in drawn(page)


def test_training_images_are_shown_only_on_request(workspace: Workspace, run: Run) -> None:
    path = workspace.run(run.id) / "predictions.csv"
    table = predictions.read(path)
    table.loc[table.index[:4], "split"] = "train"
    predictions.write(path, table)
    page = opened()
    assert f"{len(table) - 4} images of {len(table)}" in drawn(page)
    page.segmented_control(key=f"{run.id}_split").set_value("train").run()
    assert f"\n4 images of {len(table)}" in drawn(page)


def test_images_that_came_without_a_class_are_predicted_in_one_click(workspace: Workspace, run: Run) -> None:
    dataset = open_dataset(workspace, run.config.dataset)
    assert "Predict" not in " ".join(button.label for button in opened().button)
    write_dataset(dataset.folder, read_description(dataset.folder), dataset.images, unlabelled=dataset.images[:2])
    page = opened()
    next(button for button in page.button if "the 2 images without a class" in button.label).click().run()
    assert not page.exception
    (job,) = JobStore(workspace).list("predict")
    assert job.arguments_as(records.Predict) == records.Predict(run=run.id, name="Images without a class")


def test_a_running_prediction_shows_its_progress(workspace: Workspace, run: Run) -> None:
    progress = {"stage": "Predicting", "done": 5, "total": 9}
    prepared.job(workspace, "predict", {"run": run.id, "source": UPLOAD, "name": "holiday"}, progress=progress)
    page = opened()
    assert "5 of 9" in page.get("progress")[0].proto.text and "Predicting holiday" in drawn(page)


def test_the_address_chooses_the_run(workspace: Workspace, dataset: Dataset, run: Run) -> None:
    made.finished_run(workspace, dataset, name="newer")
    assert opened(run=run.id).selectbox(key="_run").value == run.id


def test_closing_the_dialog_draws_the_page_again(run: Run) -> None:
    """Otherwise what ticks in it ticks on behind it."""
    (dialog,) = prepared.prediction_dialog(run).get("dialog")
    assert dialog.proto.dialog.id


def test_runs_without_predictions_and_deleted_datasets_are_no_defect(workspace: Workspace, dataset: Dataset) -> None:
    assert "No run has predictions yet" in opened().info[0].value
    made.finished_run(workspace, dataset)
    delete_dataset(workspace, dataset.id)
    opened()


def export(run: Run) -> AppTest:
    """The page with this section unfolded."""
    return prepared.unfolded(opened(), f"fold_export_{run.id}")


def bundles(run: Run) -> list[str]:
    """Labels of the links to a bundle."""
    links = prepared.components(export(run), "download")
    return [link["label"] for link in links if link["href"].endswith("/export.zip")]


def test_an_export_is_asked_for_once_and_followed(workspace: Workspace, run: Run) -> None:
    page = export(run)
    assert "predict.py" in drawn(page)
    page.button(key="export").click().run()
    jobs = JobStore(workspace)
    (job,) = jobs.list("export")
    assert (job.status, job.arguments_as(dict)) == ("queued", {"run": run.id})
    jobs.claim("1:1")
    jobs.record(job.id, Progress(stage="Checking", done=3, total=10))
    page.run()
    assert "3 of 10" in page.get("progress")[0].proto.text
    assert "export" not in [button.key for button in page.button]


def test_a_finished_export_is_a_link_with_its_own_check(workspace: Workspace, run: Run) -> None:
    bundle = workspace.run(run.id) / "export.zip"
    bundle.write_bytes(b"x" * 2000)
    checks = ["On *ten* images the bundle says the same.", "No model.onnx."]
    prepared.job(workspace, "export", {"run": run.id}, result={"file": str(bundle), "checks": checks})
    page = export(run)
    assert bundles(run) == ["Download the bundle (2.0 KB)"]
    assert r"No model\.onnx\." in [element.value for element in page.caption]
    assert r"On \*ten\* images the bundle says the same\." in [element.value for element in page.success]


def test_a_bundle_older_than_the_weights_is_not_offered(workspace: Workspace, run: Run) -> None:
    for name, time in (("best.safetensors", 2000), ("export.zip", 1000)):
        (workspace.run(run.id) / name).write_bytes(b"x")
        os.utime(workspace.run(run.id) / name, (time, time))
    assert bundles(run) == []
    os.utime(workspace.run(run.id) / "best.safetensors", (999, 999))
    assert bundles(run) == ["Download the bundle (1 B)"]


def test_a_failed_export_says_why_and_can_be_tried_again(workspace: Workspace, run: Run) -> None:
    prepared.job(workspace, "export", {"run": run.id}, error="The weights of this run are gone.")
    page = export(run)
    assert any("weights of this run are gone" in element.value for element in page.error)
    page.button(key="export").click().run()
    assert [job.status for job in JobStore(workspace).list("export")] == ["queued", "failed"]
