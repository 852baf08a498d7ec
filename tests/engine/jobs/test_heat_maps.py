"""What a run looked at, as pictures: made once, kept for these weights and this class, refused in one sentence."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.errors import EngineError
from engine.evaluation import predictions
from engine.events import Result
from engine.jobs import heat_map_files, heat_maps, trained
from engine.jobs.heat_map_files import Subject
from engine.jobs.inference import predict_new
from engine.jobs.records import Explain
from engine.models import loading
from engine.runconfig import RunConfig
from engine.store.run_store import RunStore
from engine.workspace import Workspace, open_workspace
from tests.engine.jobs.running import run_job
from tests.engine.small_runs import Home, Lab, value_of
from tests.pictures import CLASSES, make_dataset


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    place = tmp_path_factory.mktemp("home")
    workspace = open_workspace(place / "workspace")
    dataset = make_dataset(workspace, place / "source", each=4)
    run = Lab(workspace=workspace, dataset=dataset).trained(epochs=1, image_size=64, lr=0.01)
    return Home(workspace=workspace, dataset=dataset, source=place / "source", run=run)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs whose models were loaded during the test, none being loaded before."""
    loaded: list[str] = []

    def load(folder: Path, backbone: str, **options: Any) -> object:
        loaded.append(folder.name)
        return loading.load_trained(folder, backbone, **options)

    monkeypatch.setattr(trained, "load_trained", load)
    monkeypatch.setattr(heat_maps, "_MODELS", heat_maps._Models(1 << 30))
    return loaded


def explained(home: Home, image: int, of: str | None = "red", **arguments: object) -> dict[str, Any]:
    """The result of the job, asked for as a page asks."""
    asked = {"run": home.run.id, "image": image, "class": of, **arguments}
    return run_job(home.workspace, "explain", **asked)


def pictures(home: Home, result: dict[str, Any]) -> dict[str, np.ndarray]:
    folder = home.folder / "explanations" / result["explanation"]
    return {name: np.array(Image.open(folder / f"{name}.png")).astype(int) for name in result["pictures"]}


def kept(home: Home) -> list[str]:
    return [path.name for path in (home.folder / "explanations").iterdir()]


def test_the_pictures_show_the_crop_and_two_maps_over_it(home: Home, loads: list[str]) -> None:
    drawn = pictures(home, explained(home, 0))
    assert {picture.shape for picture in drawn.values()} == {(64, 64, 3)}
    assert np.abs(drawn["heat"] - drawn["chance"]).max() > 30
    truth = home.dataset.classes[home.dataset.images[0].label]
    assert drawn["crop"].mean(axis=(0, 1)).argmax() == list(CLASSES).index(truth)  # each class has its colour
    left = {path.name for path in home.workspace.incoming.iterdir()}
    assert not [name for name in left if name.startswith("explain-")]


def test_the_second_request_runs_nothing(home: Home, loads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    first = explained(home, 1, "green")
    assert loads == [home.run.id]
    monkeypatch.setattr(heat_maps, "heat_maps", None)  # whoever calls it fails
    monkeypatch.setattr(heat_maps, "_MODELS", None)
    events = list(heat_maps.explain(home.workspace, Explain(run=home.run.id, image=1, of="green")))
    assert events == [Result.of(first)]


def test_one_model_serves_many_images_and_is_dropped_in_the_end(home: Home, loads: list[str]) -> None:
    names = {explained(home, index)["explanation"] for index in (2, 3, 4)}
    assert len(names) == 3 and loads == [home.run.id]
    models = heat_maps._Models(1)
    models.get(home.workspace, home.run)
    assert models.get(home.workspace, home.run) is models.get(home.workspace, home.run)
    with home.other_weights(1000):  # another file, as far as anybody can tell
        other = models.get(home.workspace, home.run)
    assert list(models._kept.values()) == [other] and loads == [home.run.id] * 3


def test_without_a_class_it_is_the_predicted_one(home: Home, loads: list[str]) -> None:
    table = predictions.read(home.folder / "predictions.csv")
    for _, row in table.iloc[:3].iterrows():
        result = explained(home, int(row["image"]), None)
        assert result["class"] == row["predict"]
        found = heat_map_files.find(home.workspace, home.run.id, Subject(image=int(row["image"])), of=row["predict"])
        assert found is not None and found.name == result["explanation"]
        assert abs(found.probability - row["confidence"]) < 1e-4


def test_other_weights_make_what_was_shown_untrue(home: Home, loads: list[str]) -> None:
    before = explained(home, 5)
    with home.other_weights(2000):
        assert heat_map_files.find(home.workspace, home.run.id, Subject(image=5), of="red") is None
        after = explained(home, 5)
    assert kept(home) == [after["explanation"]] != [before["explanation"]]


def test_the_oldest_go_first(home: Home, loads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heat_map_files, "MOST_KEPT", 2)
    names = []
    for index in (6, 7, 8):
        names.append(explained(home, index)["explanation"])
        os.utime(home.folder / "explanations" / names[-1], (index, index))
    explained(home, 9)
    assert len(kept(home)) == 2 and not set(kept(home)) & set(names[:2])


def test_new_images_are_explained_from_what_is_kept_of_them(home: Home, loads: list[str]) -> None:
    made = value_of(predict_new(home.workspace, home.run.id, home.source / "red", device="cpu")).predictions
    result = explained(home, 0, predictions=made)
    assert made in result["explanation"]
    assert pictures(home, result)["heat"].shape == (64, 64, 3)
    with pytest.raises(EngineError, match="The new image 99: The file is gone"):
        explained(home, 99, predictions=made)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"of": "violet"}, "knows no class 'violet'"),
        ({"image": 9999}, "has no image 9999"),
        ({"image": -1}, "has no image -1"),
        ({"predictions": "../../x"}, "is not an id"),
        ({"of": None, "predictions": "../../x"}, "is not an id"),
        ({"run": "run-00000000"}, "There is no run"),
    ],
)
def test_what_is_not_there_is_said(home: Home, loads: list[str], arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(EngineError, match=sentence):
        explained(home, **{"image": 0, **arguments})


def test_a_run_without_weights_is_refused(workspace: Workspace) -> None:
    run = RunStore(workspace).enqueue(RunConfig(dataset="dataset-00000000", backbone="resnet18"))
    with pytest.raises(EngineError, match=r"no trained weights yet: it is queued\. Let it finish"):
        run_job(workspace, "explain", run=run.id, image=0)


def test_a_changed_dataset_is_refused(home: Home, loads: list[str]) -> None:
    config = home.folder / "config.json"
    before = config.read_text()
    config.write_text(before.replace(home.dataset.fingerprint, "other"))
    with pytest.raises(EngineError, match="has changed since this run was trained"):
        explained(home, 10)
    config.write_text(before)


@pytest.mark.parametrize(
    ("name", "picture"),
    [
        ("0123456789ab-image-0-0", "about"),
        ("../../config", "crop"),
        ("0123456789ab-image-0-0/..", "crop"),
        ("", "crop"),
    ],
)
def test_only_pictures_of_ours_have_a_path(workspace: Workspace, name: str, picture: str) -> None:
    with pytest.raises(EngineError, match="no such picture"):
        heat_map_files.picture_path(workspace, "run-00000000", name, picture=picture)
