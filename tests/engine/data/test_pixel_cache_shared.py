"""Pixels beside other processes and on machines that run out of something: slower, never stopped, never wrong."""

import errno
import os
import threading
from pathlib import Path

import numpy as np
import PIL
import pytest
import torch
from pictures import make_folder, many

from engine.data import pixel_cache as wing
from engine.data import row_file
from engine.data.cache_files import clear
from engine.data.dataset import commit
from engine.data.dataset_records import Dataset
from engine.data.importer import scan
from engine.data.pixel_cache import Augmentation, Pixels, open_pixels
from engine.data.preprocessing import Preprocessing
from engine.workspace import Workspace
from tests.engine.data.descriptors import watched

PRE = Preprocessing(resize=(20,), crop=16)


@pytest.fixture
def dataset(workspace: Workspace, tmp_path: Path) -> Dataset:
    return commit(workspace, scan(workspace, make_folder(tmp_path / "set", many("ants", 12) | many("bees", 12, 100))))


@pytest.fixture
def descriptors(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    return watched(monkeypatch)


def opened(workspace: Workspace, dataset: Dataset, views: int) -> Pixels:
    return open_pixels(workspace, dataset, PRE, augmentation=Augmentation(views=views))


def everything(dataset: Dataset) -> np.ndarray:
    return np.arange(len(dataset.images))


def expected(dataset: Dataset) -> torch.Tensor:
    with Pixels(dataset, PRE, Augmentation(views=0)) as pixels:
        return pixels.batch(everything(dataset), None)


@pytest.mark.parametrize("by", ["the verb", "another process"])
def test_a_cache_that_is_cleared_while_it_is_filled_stops_nobody(
    workspace: Workspace, dataset: Dataset, by: str
) -> None:
    whole, half = expected(dataset), len(dataset.images) // 2
    with opened(workspace, dataset, 0) as pixels:
        assert torch.equal(pixels.batch(everything(dataset)[:half], None), whole[:half])
        filling = list(workspace.pixels.glob("*/*"))
        if by == "the verb":
            assert clear(workspace) == 0 and all(path.exists() for path in filling)
        else:
            for path in filling:
                path.unlink()
        for _ in range(3):
            assert torch.equal(pixels.batch(everything(dataset), None), whole)
    assert len(list(workspace.pixels.glob("*/*"))) == (3 if by == "the verb" else 0)


def test_pixels_of_another_pillow_are_not_read(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    known = wing.key(dataset, PRE)
    assert wing.key(dataset, PRE) == known
    monkeypatch.setattr(PIL, "__version__", "0.0.1")
    assert wing.key(dataset, PRE) != known


def test_a_file_on_a_full_disk_is_closed_when_nobody_can_be_writing_to_it(
    workspace: Workspace, dataset: Dataset, descriptors: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, first, lock = os.pwrite, [True], threading.Lock()

    def filling(*arguments: object) -> int:
        with lock:
            if first.pop() if first else False:
                raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "pwrite", filling)
    whole = expected(dataset)
    with opened(workspace, dataset, 0) as pixels:
        kept = len(pixels.kept)
        for _ in range(2):
            assert torch.equal(pixels.batch(everything(dataset), None), whole)
        assert len(pixels.kept) == kept - 1 == len(list(workspace.pixels.glob("*/*"))), "its room is given back at once"
        assert len(descriptors) == kept, "decoders may be writing to it still"
    assert not descriptors


def test_a_start_that_fails_leaves_no_file_open(
    workspace: Workspace, dataset: Dataset, descriptors: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(workspace, dataset, 0) as pixels:
        pixels.batch(everything(dataset), None)

    def broken(*_: object, **__: object) -> int:
        raise RuntimeError("broken")

    monkeypatch.setattr(row_file, "evict", broken)
    with pytest.raises(RuntimeError, match="broken"):
        opened(workspace, dataset, 0)
    assert not descriptors


def test_too_many_open_files_mean_decoding_on_the_way(
    workspace: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def too_many(path: object, *more: object) -> int:
        if str(path).endswith(".tmp"):
            raise OSError(errno.EMFILE, "Too many open files")
        return real(path, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", too_many)
    with opened(workspace, dataset, 0) as pixels:
        assert pixels.kept == frozenset() and torch.equal(pixels.batch(everything(dataset), None), expected(dataset))
