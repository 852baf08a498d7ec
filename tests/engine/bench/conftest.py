"""A experiment small enough for tests: coloured noise in three classes, resnet18 at 32 pixels, random weights."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from engine.bench.experiment import Experiment, prepare
from engine.bench.measurements import Recipe
from tests.pictures import write_folders


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Experiment]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("bench")
    source = write_folders(folder / "source", each=10)
    patch = pytest.MonkeyPatch()
    patch.setenv("TORCH_HOME", str(folder / "torch_home"))  # no published weights, whatever this computer has
    recipe = Recipe(images=24, epochs=2, image_size=32, batch_size=8, device="cpu", threads=1, source=str(source))
    made = prepare(folder / "out", recipe)
    patch.undo()
    yield made
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def no_published_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch_home"))
