"""What the features of a run say of its dataset: planted label errors and copies found, kept files, refusals."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from engine.data.dataset import commit
from engine.data.dataset_records import Dataset
from engine.data.importer import scan
from engine.errors import EngineError
from engine.jobs import embedding, embedding_files
from engine.jobs.records import OfRun
from engine.runconfig import RunConfig
from engine.runs.pipeline import execute
from engine.store.run import Run
from engine.store.run_store import RunStore
from engine.workspace import Workspace, open_workspace
from tests.engine.jobs.running import run_job

COLOURS = {"red": (200, 60, 60), "파랑": (60, 60, 200)}
WRONG = 3


@dataclass(frozen=True, kw_only=True)
class Home:
    """A workspace with one trained run on data with planted errors. Shared, so leave it as it was."""

    workspace: Workspace
    dataset: Dataset
    run: Run


def write(folder: Path) -> Path:
    """24 pictures a class, of which three lie in the folder of the other; a test picture is a brighter copy of a
    training picture."""
    random = np.random.default_rng(0)
    for split, each in (("train", 14), ("val", 5), ("test", 5)):
        for number, (name, other) in enumerate(zip(COLOURS, reversed(COLOURS), strict=True)):
            for place in range(each):
                coarse = np.clip(random.normal(COLOURS[name], 45, (9, 9, 3)), 0, 255).astype(np.uint8)
                picture = Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC)
                wrong = split == "train" and number == 0 and place < WRONG
                where = folder / split / (other if wrong else name)
                where.mkdir(parents=True, exist_ok=True)
                picture.save(where / f"{'wrong' if wrong else name}-{place}.png")
    with Image.open(folder / "train" / "파랑" / "파랑-7.png") as picture:
        ImageEnhance.Brightness(picture).enhance(1.04).save(folder / "test" / "파랑" / "twin.jpg", quality=92)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    place = tmp_path_factory.mktemp("home")
    workspace = open_workspace(place / "workspace")
    dataset = commit(workspace, scan(workspace, write(place / "source"), name="planted"))
    store = RunStore(workspace)
    fields: dict[str, object] = {
        "backbone": "resnet18",
        "weights": "none",
        "epochs": 1,
        "image_size": 64,
        "batch_size": 16,
    }
    run = store.enqueue(RunConfig(dataset=dataset.id, precision="fp32", **fields), owner="tests")  # type: ignore[arg-type]
    for event in execute(run, workspace, device="cpu"):
        store.record(run.id, event)
    store.finish(run.id, "finished")
    assert run_job(workspace, "embedding", run=run.id, device="cpu")["images"] == len(dataset.images)
    return Home(workspace=workspace, dataset=dataset, run=store.get(run.id))


def test_planted_label_errors_come_first(home: Home) -> None:
    facts = embedding_files.read(home.workspace, home.run.id).facts
    assert facts.unchecked == ""
    first = [home.dataset.images[doubt.image].name for doubt in facts.doubts[: WRONG + 2]]
    assert sum("wrong" in name for name in first) == WRONG, first
    assert all(doubt.given != doubt.suggested and doubt.confidence > doubt.given_confidence for doubt in facts.doubts)
    assert len(facts.doubts) <= WRONG + 3


def test_the_planted_copy_is_found_and_nothing_unrelated(home: Home) -> None:
    facts = embedding_files.read(home.workspace, home.run.id).facts
    pairs = [
        {home.dataset.images[index].name.rsplit("/")[-1] for index in (twin.first, twin.second)} for twin in facts.twins
    ]
    assert pairs == [{"twin.jpg", "파랑-7.png"}] and facts.twins_found == 1
    assert facts.accuracy[1] == 11 and facts.accuracy_without[1] == 10


def test_the_nearest_training_image_of_the_copy_is_its_original(home: Home) -> None:
    found = embedding_files.read(home.workspace, home.run.id)
    twin = next(image for image in home.dataset.images if image.name.endswith("twin.jpg"))
    nearest = home.dataset.images[found.nearest[twin.index, 0]]
    assert nearest.name.endswith("파랑-7.png") and found.cosines[twin.index, 0] > 0.95
    assert {home.dataset.images[index].split for index in found.nearest.ravel()} == {"train"}


def test_kept_activations_and_pixels_give_the_same_features(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before = embedding_files.read(home.workspace, home.run.id)
    monkeypatch.setenv("THAW_FEATURE_CACHE_GB", "0")
    list(embedding.embed(home.workspace, OfRun(run=home.run.id, device="cpu")))
    after = embedding_files.read(home.workspace, home.run.id)
    assert before.facts.frozen
    np.testing.assert_array_equal(before.coordinates, after.coordinates)


def test_other_weights_make_it_out_of_date(home: Home) -> None:
    assert embedding_files.ready(home.workspace, home.run.id)
    weights = home.workspace.run(home.run.id) / "best.safetensors"
    then = weights.stat()
    os.utime(weights, (then.st_atime + 10_000, then.st_mtime + 10_000))
    assert not embedding_files.ready(home.workspace, home.run.id)
    os.utime(weights, ns=(then.st_atime_ns, then.st_mtime_ns))


def test_a_run_without_weights_is_refused(home: Home) -> None:
    store = RunStore(home.workspace)
    waiting = store.enqueue(RunConfig(dataset=home.dataset.id, backbone="resnet18"), owner="tests")
    with pytest.raises(EngineError, match="no trained weights yet"):
        list(embedding.embed(home.workspace, OfRun(run=waiting.id)))
