"""What the features of a run say of its dataset: planted label errors and copies found, kept files, refusals."""

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from engine.data.dataset import commit
from engine.data.importer import scan
from engine.errors import EngineError
from engine.jobs import embedding, embedding_files
from engine.jobs.embedding_files import Embedded
from engine.jobs.records import OfRun
from engine.runconfig import RunConfig
from engine.store.run_store import RunStore
from engine.workspace import open_workspace
from tests.engine.jobs.running import run_job
from tests.engine.small_runs import Home, Lab

COLOURS = {"red": (200, 60, 60), "파랑": (60, 60, 200)}
WRONG = 3


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
    run = Lab(workspace=workspace, dataset=dataset).trained(epochs=1, image_size=64, batch_size=16)
    assert run_job(workspace, "embedding", run=run.id, device="cpu")["images"] == len(dataset.images)
    return Home(workspace=workspace, dataset=dataset, source=place / "source", run=run)


@pytest.fixture
def embedded(home: Home) -> Embedded:
    return embedding_files.read(home.workspace, home.run.id)


def test_planted_label_errors_come_first(home: Home, embedded: Embedded) -> None:
    facts = embedded.facts
    assert facts.unchecked == ""
    first = [home.dataset.images[doubt.image].name for doubt in facts.doubts[: WRONG + 2]]
    assert sum("wrong" in name for name in first) == WRONG, first
    assert all(doubt.given != doubt.suggested and doubt.confidence > doubt.given_confidence for doubt in facts.doubts)
    assert len(facts.doubts) <= WRONG + 3


def test_the_planted_copy_is_found_and_nothing_unrelated(home: Home, embedded: Embedded) -> None:
    facts = embedded.facts
    (pair,) = facts.twins
    names = {home.dataset.images[index].name.rsplit("/")[-1] for index in (pair.first, pair.second)}
    assert names == {"twin.jpg", "파랑-7.png"} and facts.twins_found == 1
    assert facts.accuracy[1] == 11 and facts.accuracy_without[1] == 10


def test_the_nearest_training_image_of_the_copy_is_its_original(home: Home, embedded: Embedded) -> None:
    twin = next(image for image in home.dataset.images if image.name.endswith("twin.jpg"))
    nearest = home.dataset.images[embedded.nearest[twin.index, 0]]
    assert nearest.name.endswith("파랑-7.png") and embedded.cosines[twin.index, 0] > 0.95
    assert {home.dataset.images[index].split for index in embedded.nearest.ravel()} == {"train"}


def test_kept_activations_and_pixels_give_the_same_features(
    home: Home, embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THAW_FEATURE_CACHE_GB", "0")
    list(embedding.embed(home.workspace, OfRun(run=home.run.id, device="cpu")))
    assert embedded.facts.frozen
    after = embedding_files.read(home.workspace, home.run.id)
    np.testing.assert_array_equal(embedded.coordinates, after.coordinates)


def test_other_weights_make_it_out_of_date(home: Home) -> None:
    assert embedding_files.ready(home.workspace, home.run.id)
    with home.other_weights(time.time() + 10_000):
        assert not embedding_files.ready(home.workspace, home.run.id)


def test_a_run_without_weights_is_refused(home: Home) -> None:
    store = RunStore(home.workspace)
    waiting = store.enqueue(RunConfig(dataset=home.dataset.id, backbone="resnet18"), owner="tests")
    with pytest.raises(EngineError, match="no trained weights yet"):
        list(embedding.embed(home.workspace, OfRun(run=waiting.id)))
