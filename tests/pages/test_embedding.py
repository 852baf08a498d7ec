"""What a look at the features of a run finds: asked for, waited for, kept apart, and said."""

import os
import shutil
from pathlib import Path

import pytest

from engine.data.dataset import delete_dataset
from engine.data.dataset_records import Dataset
from engine.jobs import embedding_files
from engine.jobs.embedding_files import Embedded
from engine.store.job_store import JobStore
from engine.store.run_record import Run
from engine.workspace import Workspace
from pages.ui import text
from pages.ui.predictions import embedding, near_duplicates
from tests.pages import made, prepared
from tests.pages.prepared import drawn, predictions_view


def test_nothing_is_looked_at_before_somebody_asks(workspace: Workspace, run: Run) -> None:
    page = predictions_view("Labels and copies")
    assert "Nothing is changed." in drawn(page)
    page.button(key="embed_data").click().run()
    (job,) = JobStore(workspace).list("embedding")
    assert job.arguments_as(dict) == {"run": run.id}
    assert "Looking at all images of the dataset" in drawn(page)


def test_why_it_failed_is_said_and_it_can_be_tried_again(workspace: Workspace, run: Run) -> None:
    prepared.job(workspace, "embedding", {"run": run.id}, error="The disk is [full](http://evil.example).")
    page = predictions_view("Map")
    assert "\\[full\\]" in drawn(page) and page.button(key="embed_map")


def test_a_deleted_dataset_is_said(workspace: Workspace, dataset: Dataset, kept: Embedded) -> None:
    delete_dataset(workspace, dataset.id)
    assert "was deleted" in drawn(predictions_view("Labels and copies"))


def test_two_workspaces_never_share_what_was_found(
    workspace: Workspace, run: Run, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: Embedded
) -> None:
    here = embedding.embedding_of(run.id)
    other = Workspace(root=tmp_path / "other")
    shutil.copytree(workspace.root, other.root)
    stamp = embedding_files.stamp(workspace, run.id)
    embedding_files.keep_embedding(other, run.id, made.embedded(dataset, doubts=()))
    os.utime(other.run(run.id) / "embedding.json", ns=(stamp, stamp))
    monkeypatch.setenv("THAW_WORKSPACE", str(other.root))
    there = embedding.embedding_of(run.id)
    assert here is not None and there is not None
    assert (len(here.facts.doubts), len(there.facts.doubts)) == (3, 0)


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
    embedding_files.keep_embedding(workspace, run.id, made.embedded(dataset, **changed))
    assert said in drawn(predictions_view("Labels and copies"))


@pytest.mark.parametrize(
    ("accuracy", "without", "said"),
    [((0, 0), (0, 0), "no test images"), ((12, 14), (12, 14), "stands"), ((12, 14), (0, 0), "no test image is left")],
)
def test_the_accuracy_that_twins_change_is_said_in_every_case(
    dataset: Dataset, accuracy: tuple[int, int], without: tuple[int, int], said: str
) -> None:
    facts = made.embedded(dataset, accuracy=accuracy, accuracy_without=without).facts
    assert said in near_duplicates.effect_on_accuracy(facts)


def test_the_nearest_training_images_come_with_their_labels(run: Run, dataset: Dataset, kept: Embedded) -> None:
    def script(run_id: str, dataset_id: str) -> None:
        from pages.ui.predictions import embedding

        embedding.nearest_images(run_id, dataset_id, 7)

    items = prepared.cards(prepared.alone(script, run_id=run.id, dataset_id=dataset.id), "Nearest training images")
    assert [int(item["id"]) for item in items] == kept.nearest[7].tolist()
    labels = [dataset.classes[dataset.images[int(item["id"])].label] for item in items]
    assert [item["title"] for item in items] == [text.short(label, 24) for label in labels]
