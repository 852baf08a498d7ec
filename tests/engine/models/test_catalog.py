"""The catalog survives the trip through the workspace, notices new files, and never serves another torchvision's
list."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from engine.models import registry
from engine.models.catalog import Catalog, checkpoints_folder, load_catalog, write_catalog
from engine.models.sources import source
from engine.workspace import Workspace


@pytest.fixture
def written(workspace: Workspace) -> Catalog:
    infos = (registry.describe("resnet18"), registry.describe("vgg16"))
    write_catalog(workspace, infos)
    catalog = load_catalog(workspace)
    assert catalog is not None and catalog.backbones == infos
    return catalog


def test_comes_back_as_it_went(written: Catalog) -> None:
    assert written.version == version("torchvision")


def test_notices_weights_that_arrived_later(workspace: Workspace, written: Catalog) -> None:
    entry = written.backbones[0].weights[0]
    checkpoints_folder().mkdir(parents=True)
    (checkpoints_folder() / entry.file_name).touch()
    again = load_catalog(workspace)
    assert again is not None
    assert [info.weights[0].on_disk for info in written.backbones] == [False, False]
    assert [info.weights[0].on_disk for info in again.backbones] == [True, False]


def test_another_version_or_a_damaged_file_is_no_catalog(
    workspace: Workspace, written: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(source, "installed_version", lambda package: "0.0.1")
        assert load_catalog(workspace) is None
    path = workspace.catalog / "catalog.json"
    path.write_text('{"version": ')
    assert load_catalog(workspace) is None
    path.unlink()
    assert load_catalog(workspace) is None


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TORCH_HOME": "/a"}, "/a/hub/checkpoints"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/torch/hub/checkpoints"),
        ({"HOME": "/c"}, "/c/.cache/torch/hub/checkpoints"),
    ],
)
def test_folder_is_the_one_torch_uses(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    import torch

    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert checkpoints_folder() == Path(expected) == Path(torch.hub.get_dir()) / "checkpoints"


def test_readers_load_without_torch() -> None:
    code = "import sys, engine.models.catalog, engine.models.weights_store, engine.models.outline; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "torchvision", "PIL", "numpy"} & set(done.stdout.split())
