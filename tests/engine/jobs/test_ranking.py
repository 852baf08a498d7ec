"""The ranking of backbones: features that say something come before those that say nothing, on the same images."""

from pathlib import Path

import pytest
import torch

from engine.config import to_json
from engine.errors import EngineError
from engine.jobs import records
from engine.jobs.ranking_records import candidates, ranking_sentence
from engine.models import registry
from engine.models.bringing import bring
from engine.models.catalog import BackboneInfo, Catalog, WeightsInfo, is_on_disk
from engine.record_files import encode
from engine.runconfig import RunConfig
from engine.store.job_store import JobStore
from engine.store.run_store import RunStore
from engine.workspace import Workspace
from tests.engine.jobs.running import run_job
from tests.engine.small_runs import Lab
from tests.pictures import make_dataset


@pytest.fixture
def config(workspace: Workspace, tmp_path: Path) -> RunConfig:
    lab = Lab(workspace=workspace, dataset=make_dataset(workspace, tmp_path / "pictures"))
    return lab.config(image_size=64, device="cpu")


def blind(workspace: Workspace, folder: Path) -> str:
    """A resnet18 to whose first layer every image is the same."""
    state = registry.build("resnet18", 64, 0).state_dict()
    state["conv1.weight"] = torch.zeros_like(state["conv1.weight"])
    torch.save(state, folder / "blind.pt")
    return f"file:{bring(workspace, folder / 'blind.pt', 'blind.pt', backbone='resnet18').weights}"


def test_features_that_say_nothing_come_last_and_what_cannot_be_opened_after_them(
    workspace: Workspace, config: RunConfig, tmp_path: Path
) -> None:
    pairs = (("resnet18", blind(workspace, tmp_path)), ("no_such_net", "default"), ("resnet18", "none"))
    found = run_job(workspace, "ranking", config=to_json(config), backbones=pairs)
    assert [(row["backbone"], row.get("weights")) for row in found["rows"]] == [pairs[2], pairs[0], pairs[1]]
    seeing, blinded, missing = found["rows"]
    assert seeing["ridge"]["accuracy"] > 0.8 > 0.5 > blinded["ridge"]["accuracy"]
    assert found["alike"] == 0 and "no_such_net" in missing["problem"] and "ridge" not in missing
    assert seeing["milliseconds"] > 0 and found["images"] == found["of"] == 18
    assert RunStore(workspace).list() == []  # nothing was trained


def test_nothing_that_can_be_opened_is_one_sentence(workspace: Workspace, config: RunConfig) -> None:
    with pytest.raises(EngineError, match="no_such_net"):
        run_job(workspace, "ranking", config=to_json(config), backbones=(("no_such_net", "none"),))


def published(name: str, *, default: bool) -> WeightsInfo:
    return WeightsInfo(
        name=name,
        is_default=default,
        url="",
        file_name=f"{name}.pth",
        file_bytes=1,
        acc1=70.0,
        gflops=1.0,
        parameters=1,
        input_size=224,
        license="",
        recipe_url="",
        on_disk=is_on_disk(f"{name}.pth"),
    )


def test_what_is_ranked_needs_no_download(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / "old.pth").touch()
    info = {"family": "f", "parameters": 1, "gflops": 1.0, "input_size": 224, "min_size": 1, "size_step": 1}
    sets = (published("new", default=True), published("old", default=False))
    backbones = (
        BackboneInfo(name="here", weights=sets, **info),
        BackboneInfo(name="elsewhere", weights=sets[:1], **info),
    )
    jobs = JobStore(workspace)
    job = jobs.submit("weights", {"path": "/some/file.pt", "backbone": "vgg11"})
    jobs.claim("1:1")
    match = {"matched": 1, "missing": (), "unexpected": (), "reinitialised_head": True, "notes": ()}
    jobs.finish(job.id, result=encode({"weights": "weights-1", "match": match}))
    ran = RunConfig(dataset="dataset-1", backbone="resnet18", weights="file:weights-2")
    found = candidates(Catalog(version="", backbones=backbones), jobs.list("weights"), [ran, ran])
    assert found == (("here", "old"), ("resnet18", "file:weights-2"), ("vgg11", "file:weights-1"))


def row(name: str, accuracy: float, milliseconds: float) -> records.RankedBackbone:
    ridge = records.Accuracy(accuracy=accuracy, low=0.0, high=1.0)
    return records.RankedBackbone(backbone=name, weights="default", ridge=ridge, milliseconds=milliseconds)


def test_the_sentence_names_the_best_its_equals_and_the_fastest_of_them() -> None:
    rows = (row("a", 0.9, 30.0), row("b", 0.89, 5.0), row("c", 0.4, 1.0))
    ranking = records.Ranking(rows=rows, alike=1, images=90, of=90)
    said = ranking_sentence(ranking, ("a", "b", "c"))
    assert said == (
        "a reads these classes best: 90.0%, which cannot be told apart from b. Of these b is the fastest, 5 ms an "
        "image."
    )
    clear = records.Ranking(rows=rows, alike=0, images=90, of=90)
    assert ranking_sentence(clear, ("a", "b", "c")).endswith("every other backbone is shown to be lower.")
