"""Confidence, labels, copies and the map on the Predictions page, by AppTest."""

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from engine.data import label_decisions
from engine.data.dataset import delete_dataset, list_datasets, open_dataset, version_origin
from engine.data.dataset_records import Dataset
from engine.data.label_decisions import Decision
from engine.errors import DatasetError
from engine.evaluation import calibration
from engine.jobs import embedding_files
from engine.jobs.embedding_files import Doubt, Embedded, Facts, Twins
from engine.store.job_store import JobStore
from engine.store.run import Run
from engine.workspace import Workspace
from pages.ui import palette, text
from pages.ui.predictions import embedding, image_map, near_duplicates, reliability, row_selection
from tests.pages import made, prepared
from tests.pages.prepared import drawn

PAGE = Path(__file__).resolve().parents[2] / "pages" / "predictions.py"
DATA, SURE, MAP = "Labels and copies", "Confidence", "Map"


@pytest.fixture
def dataset(workspace: Workspace) -> Dataset:
    return made.dataset(workspace, each=30)


@pytest.fixture
def run(workspace: Workspace, dataset: Dataset) -> Run:
    return made.finished_run(workspace, dataset, seed=2)


def facts(dataset: Dataset, **changed: object) -> Facts:
    suggested = dataset.classes[2]
    doubts = tuple(
        Doubt(
            image=image,
            given=dataset.classes[dataset.images[image].label],
            suggested=suggested,
            confidence=0.9,
            given_confidence=0.1,
        )
        for image in (0, 1, 2)
    )
    fields: dict[str, object] = {
        "explained": (0.5, 0.2),
        "frozen": True,
        "unchecked": "",
        "doubts": doubts,
        "twins": (Twins(first=0, second=40, bits=3, cosine=0.99),),
        "twins_found": 1,
        "least_cosine": 0.9,
        "accuracy": (12, 14),
        "accuracy_without": (10, 12),
    }
    return Facts(**{**fields, **changed})  # type: ignore[arg-type]


def keep(workspace: Workspace, run: Run, dataset: Dataset, **changed: object) -> Embedded:
    random = np.random.default_rng(0)
    count = len(dataset.images)
    nearest, cosines = (
        random.integers(0, count, (count, 5)).astype(np.int32),
        random.random((count, 5)).astype(np.float32),
    )
    coordinates = random.normal(size=(count, 8)).astype(np.float32)
    done = Embedded(facts=facts(dataset, **changed), coordinates=coordinates, nearest=nearest, cosines=cosines)
    embedding_files.keep(workspace, run.id, done)
    return done


@pytest.fixture
def kept(workspace: Workspace, run: Run, dataset: Dataset) -> Embedded:
    return keep(workspace, run, dataset)


def opened(tab: str, **query: str) -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=30)
    page.query_params.update(query)
    page.session_state["views"] = tab
    page.run()
    assert not page.exception, page.exception
    return page


def cards(page: AppTest, label: str) -> list[dict]:
    return next(grid["items"] for grid in prepared.components(page, "gallery") if grid["label"] == label)


def test_nothing_is_looked_at_before_somebody_asks(workspace: Workspace, run: Run) -> None:
    page = opened(DATA)
    assert "Nothing is changed." in drawn(page)
    page.button(key="embed_data").click().run()
    (job,) = JobStore(workspace).list("embedding")
    assert job.arguments_as(dict) == {"run": run.id}
    assert "Looking at all images of the dataset" in drawn(page)


def test_why_it_failed_is_said_and_it_can_be_tried_again(workspace: Workspace, run: Run) -> None:
    prepared.job(workspace, "embedding", {"run": run.id}, error="The disk is [full](http://evil.example).")
    page = opened(MAP)
    assert "\\[full\\]" in drawn(page) and page.button(key="embed_map")


def decide(dataset: Dataset) -> None:
    label_decisions.decide(dataset, Decision(image=0, what="exclude", why="checked by a person"))
    label_decisions.decide(dataset, Decision(image=1, what="relabel", to=dataset.classes[2], why="checked by a person"))
    label_decisions.decide(dataset, Decision(image=2, what="keep"))


def test_decisions_make_a_version_and_leave_the_old_dataset_alone(
    workspace: Workspace, run: Run, dataset: Dataset, kept: Embedded
) -> None:
    page = opened(DATA)
    shown = cards(page, "Labels to check")
    assert [card["title"] for card in shown] == [f"{dataset.classes[2]}? 90 %"] * 3
    assert "not yet applied" not in drawn(page)
    decide(dataset)
    page.run()
    assert "3 decisions not yet applied: 1 image left out, 1 relabelled, 1 label kept" in drawn(page)
    page.button(key=f"make_{run.id}").click().run()
    assert not page.exception
    new = open_dataset(workspace, list_datasets(workspace)[0].id)
    assert (len(new.images), len(open_dataset(workspace, dataset.id).images)) == (
        len(dataset.images) - 1,
        len(dataset.images),
    )
    found = version_origin(new)
    assert found is not None and [change.to for change in found.changes] == ["", dataset.classes[2]]
    assert all("checked by a person" in change.why for change in found.changes)
    assert "is a new dataset" in drawn(page) and not label_decisions.read_decisions(dataset).by_image


def test_decisions_outlive_the_session_that_made_them(run: Run, dataset: Dataset, kept: Embedded) -> None:
    decide(dataset)
    page = opened(DATA)  # as after a closed tab
    shown = cards(page, "Labels to check")
    assert [card["note"] for card in shown] == ["✓ left out", f"✓ → {dataset.classes[2]}", "✓ label kept"]
    page.button(key=f"discard_{run.id}").click().run()
    assert not page.exception
    assert "not yet applied" not in drawn(page) and not label_decisions.read_decisions(dataset).by_image


def question(run: Run, dataset: Dataset) -> AppTest:
    """The dialog about the first doubted label, by itself."""

    def ask(run_id: str, dataset_id: str) -> None:
        import streamlit as st

        from engine.data.dataset import open_dataset
        from pages.ui.predictions import embedding, label_issues
        from pages.ui.resources import workspace

        found = embedding.embedding_of(run_id)
        assert found is not None
        st.session_state.setdefault("label_issue", 0)
        label_issues._check(found.facts.doubts, open_dataset(workspace(), dataset_id))

    return prepared.alone(ask, run_id=run.id, dataset_id=dataset.id)


def test_an_answer_is_kept_can_be_taken_back_and_a_full_disk_is_said(
    run: Run, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, kept: Embedded
) -> None:
    page = question(run, dataset)
    page.button(key="decide_relabel").click().run()
    assert label_decisions.read_decisions(dataset).by_image[0].to == dataset.classes[2]
    assert page.session_state["label_issue"] == 1  # the next one is shown
    page.button(key="label_issue_previous").click().run()
    page.button(key="decide_back").click().run()
    assert not page.exception
    assert not label_decisions.read_decisions(dataset).by_image

    def full(*_: object) -> None:
        raise DatasetError("Your decision cannot be kept [here](http://evil.example).")

    monkeypatch.setattr(label_decisions, "decide", full)
    page.button(key="decide_exclude").click().run()
    assert not page.exception
    assert "cannot be kept \\[here\\]" in drawn(page) and page.session_state["label_issue"] == 0


def test_a_new_version_that_was_deleted_is_not_announced_any_more(
    workspace: Workspace, run: Run, dataset: Dataset, kept: Embedded
) -> None:
    decide(dataset)
    page = opened(DATA)
    page.button(key=f"make_{run.id}").click().run()
    assert "is a new dataset" in drawn(page)
    delete_dataset(workspace, list_datasets(workspace)[0].id)
    page.run()
    assert not page.exception and "is a new dataset" not in drawn(page)


def test_two_workspaces_never_share_what_was_found(
    workspace: Workspace, run: Run, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: Embedded
) -> None:
    facts_here = embedding.embedding_of(run.id)
    other = tmp_path / "other"
    shutil.copytree(workspace.root, other)
    stamp = embedding_files.stamp(workspace, run.id)
    keep(Workspace(root=other), run, dataset, doubts=())
    changed = next(
        path for path in (other / "runs" / run.id).iterdir() if "doubts" in path.read_bytes().decode(errors="ignore")
    )
    os.utime(changed, ns=(stamp, stamp))
    monkeypatch.setenv("THAW_WORKSPACE", str(other))
    there = embedding.embedding_of(run.id)
    assert facts_here is not None and there is not None
    assert (len(facts_here.facts.doubts), len(there.facts.doubts)) == (3, 0)


def test_a_damaged_file_of_decisions_is_said(dataset: Dataset, kept: Embedded) -> None:
    (dataset.folder / "decisions.json").write_text("{")
    assert "could not be read" in drawn(opened(DATA))


def test_only_keeping_makes_no_version(run: Run, dataset: Dataset, kept: Embedded) -> None:
    label_decisions.decide(dataset, Decision(image=2, what="keep"))
    page = opened(DATA)
    assert page.button(key=f"make_{run.id}").disabled


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"unchecked": "Too few: *cat* (3)."}, "Too few\\: \\*cat\\* \\(3\\)\\."),
        ({"doubts": ()}, "No label looks wrong"),
        ({"twins": (), "twins_found": 0}, "No image looks almost like one of another split"),
        ({"frozen": False}, "fine-tuned on these labels"),
        ({}, "With its 2 twins, the test accuracy is **85.7 %**; without, it is **83.3 %** of 12 images"),
    ],
)
def test_what_was_found_is_said(workspace: Workspace, run: Run, dataset: Dataset, changed: dict, said: str) -> None:
    keep(workspace, run, dataset, **changed)
    assert said in drawn(opened(DATA))


def test_the_accuracy_that_twins_change_is_said_in_every_case(dataset: Dataset) -> None:
    assert "no test images" in near_duplicates.effect_on_accuracy(
        facts(dataset, accuracy=(0, 0), accuracy_without=(0, 0))
    )
    assert "stands" in near_duplicates.effect_on_accuracy(facts(dataset, accuracy_without=(12, 14)))
    assert "no test image is left" in near_duplicates.effect_on_accuracy(facts(dataset, accuracy_without=(0, 0)))


def test_hostile_names_stay_text(dataset: Dataset, kept: Embedded) -> None:
    figure = image_map.map_figure(
        kept, dataset, places=image_map.drawn_images(len(dataset.images)), outcome=["right"] * len(dataset.images)
    )
    words = [str(trace.name) for trace in figure.data] + [
        word for trace in figure.data for word in trace.hovertext or ()
    ]
    assert any("butterfly" in word for word in words) and not any("<b>butterfly" in word for word in words)


def test_names_in_the_question_of_a_label_stay_text(run: Run, dataset: Dataset, kept: Embedded) -> None:
    """The dialog is where names of classes are Markdown."""
    page = question(run, dataset)
    assert not page.exception
    said = "\n".join([drawn(page), *(button.label for button in page.button)])
    for name in (dataset.classes[dataset.images[0].label], dataset.classes[2]):
        assert text.md(name) in said
    assert not re.search(r"(?<!\\)\]\(", said) and not re.search(r"(?<!\\)<b", said)


def test_every_image_is_a_point_that_knows_its_image_and_outcome(
    workspace: Workspace, run: Run, dataset: Dataset, kept: Embedded
) -> None:
    table = row_selection.prediction_table(workspace.run(run.id) / "predictions.csv")
    outcome = image_map.outcomes(table, len(dataset.images))
    assert outcome.count("wrong") == int((table["label"] != table["predict"]).sum())
    figure = image_map.map_figure(kept, dataset, places=image_map.drawn_images(len(dataset.images)), outcome=outcome)
    clouds = [trace for trace in figure.data if trace.customdata is not None]
    assert sorted(int(image) for trace in clouds for image in trace.customdata) == list(range(len(dataset.images)))
    assert {trace.marker.symbol for trace in clouds} == {"circle", "x", "circle-open"}
    assert len(image_map.drawn_images(20_000)) == image_map.MOST_POINTS


def many(dataset: Dataset, classes: int) -> Dataset:
    """The dataset with so many classes, its images dealt out among them."""
    images = tuple(replace(image, label=number % classes) for number, image in enumerate(dataset.images))
    return replace(dataset, images=images, classes=tuple(f"class {number}" for number in range(classes)))


def test_no_two_classes_on_the_map_look_the_same_unless_it_is_said(dataset: Dataset, kept: Embedded) -> None:
    wide = many(dataset, 13)
    places = image_map.drawn_images(len(wide.images))
    figure = image_map.map_figure(kept, wide, places=places, outcome=["right"] * len(wide.images))
    coloured = {
        int(image): cloud.marker.color
        for cloud in figure.data
        if cloud.customdata is not None
        for image in cloud.customdata
    }
    assert sorted(coloured) == places.tolist()
    by_class = [{coloured[image.index] for image in wide.images if image.label == label} for label in range(13)]
    assert len({colour for colours in by_class[:10] for colour in colours}) == 10
    assert by_class[10:] == [{palette.muted()}] * 3
    legend = {trace.name: trace.marker.color for trace in figure.data if trace.showlegend is not False}
    assert legend["3 other classes"] == palette.muted() and "class 9" in legend and "class 10" not in legend
    assert any("class 12" in word for cloud in figure.data for word in cloud.hovertext or ())


def test_the_map_is_drawn_anew_only_when_something_has_changed(
    workspace: Workspace, run: Run, monkeypatch: pytest.MonkeyPatch, kept: Embedded
) -> None:
    asked, figure = [], image_map.map_figure
    monkeypatch.setattr(image_map, "map_figure", lambda *given, **more: (asked.append(1), figure(*given, **more))[1])
    page = opened(MAP)
    page.run()
    assert len(asked) == 1
    path = workspace.run(run.id) / "predictions.csv"
    os.utime(path, (1000, 1000))
    page.run()
    assert not page.exception and len(asked) == 2


def test_an_image_is_found_by_its_name_without_the_map(run: Run, dataset: Dataset, kept: Embedded) -> None:
    page = opened(MAP)
    page.text_input(key=f"named_{run.id}").set_value("고양이").run()
    assert not page.exception
    assert len(cards(page, "Images with this name")) == image_map.FOUND
    page.text_input(key=f"named_{run.id}").set_value("<nowhere>").run()
    assert "No image of this dataset has that in its name" in drawn(page)


def test_a_deleted_dataset_is_said(workspace: Workspace, dataset: Dataset, kept: Embedded) -> None:
    delete_dataset(workspace, dataset.id)
    assert "was deleted" in drawn(opened(DATA))


def test_too_few_images_to_judge_confidence_are_said(workspace: Workspace, run: Run) -> None:
    table = row_selection.prediction_table(workspace.run(run.id) / "predictions.csv")
    assert all(len(table[table["split"] == split]) < reliability.LEAST for split in ("val", "test"))
    assert f"at least {reliability.LEAST} validation or test images" in drawn(opened(SURE))


@pytest.mark.parametrize(
    ("sharpness", "said"),
    [(1.0, "nothing here speaks against taking it at its word"), (4.0, "cannot be taken at its word")],
)
def test_the_verdict_tells_chance_from_overconfidence(sharpness: float, said: str) -> None:
    random = np.random.default_rng(0)
    honest = random.dirichlet(np.ones(3), 4000)
    targets = np.array([random.choice(3, p=row) for row in honest])
    claimed = honest**sharpness / (honest**sharpness).sum(1, keepdims=True)
    error = calibration.expected_calibration_error(claimed, targets)
    sentence = reliability.calibration_sentence(error, 4000)
    assert said in sentence and re.search(r"shows \d+\.\d % to \d+\.\d % by chance", sentence)
    assert ("too sure" in reliability.temperature_advice(calibration.fit_temperature(claimed, targets))) == (
        sharpness > 1
    )
    assert "No temperature makes this confidence fit" in reliability.temperature_advice(50.0)
    bins = calibration.reliability(claimed, targets)
    assert len(reliability.reliability_diagram(bins).data[1].x) == len(bins) == calibration.BINS
    assert f"{100 * bins[0].accuracy:.0f} % right" in reliability.diagram_in_words(bins)


def test_the_reliability_diagram_is_drawn_for_enough_images(workspace: Workspace) -> None:
    large = made.dataset(workspace, each=60, name="large")
    run = made.finished_run(workspace, large, seed=1)
    page = opened(SURE, run=run.id)
    said = drawn(page)
    assert "expected calibration error" in said and "temperature of" in said
    specs = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    diagrams = [spec for spec in specs if "confidence" in spec["layout"]["xaxis"]["title"]["text"]]
    assert len(diagrams) == 1 and len(diagrams[0]["data"]) == 2
    assert len(diagrams[0]["data"][1]["x"]) > 0


def test_the_nearest_training_images_come_with_their_labels(run: Run, dataset: Dataset, kept: Embedded) -> None:

    def look(run_id: str, dataset_id: str) -> None:
        from pages.ui.predictions import embedding

        embedding.nearest_images(run_id, dataset_id, 7)

    page = prepared.alone(look, run_id=run.id, dataset_id=dataset.id)
    items = cards(page, "Nearest training images")
    assert [int(item["id"]) for item in items] == kept.nearest[7].tolist()
    labels = [dataset.classes[dataset.images[int(item["id"])].label] for item in items]
    assert [item["title"] for item in items] == [text.short(label, 24) for label in labels]
