"""Pixels beside other processes and on machines that run out of something: slower, never stopped, never wrong."""

import errno
import os
import threading

import PIL
import pytest
from pixels import PRE, everything, filled, opened, right

from engine.data import pixel_cache, row_file
from engine.data.cache_files import clear
from engine.data.dataset_records import Dataset
from engine.workspace import Workspace


@pytest.mark.parametrize("by", ["the verb", "another process"])
def test_a_cache_that_is_cleared_while_it_is_filled_stops_nobody(
    workspace: Workspace, dataset: Dataset, by: str
) -> None:
    with opened(dataset) as pixels:
        assert right(pixels, None, everything(dataset)[:12])
        filling = list(workspace.pixels.glob("*/*"))
        if by == "the verb":
            assert clear(workspace) == 0 and all(path.exists() for path in filling)
        else:
            for path in filling:
                path.unlink()
        for _ in range(3):
            assert right(pixels)
    assert len(list(workspace.pixels.glob("*/*"))) == (3 if by == "the verb" else 0)


def test_pixels_of_another_pillow_are_not_read(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    known = pixel_cache.key(dataset, PRE)
    assert pixel_cache.key(dataset, PRE) == known
    monkeypatch.setattr(PIL, "__version__", "0.0.1")
    assert pixel_cache.key(dataset, PRE) != known


def test_a_file_on_a_full_disk_is_closed_when_nobody_can_be_writing_to_it(
    workspace: Workspace, dataset: Dataset, descriptors: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, first, lock = os.pwrite, [True], threading.Lock()

    def filling(*arguments: object) -> int:
        with lock:
            if first.pop() if first else False:
                raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(os, "pwrite", filling)
    with opened(dataset) as pixels:
        kept = len(pixels.kept)
        for _ in range(2):
            assert right(pixels)
        assert len(pixels.kept) == kept - 1 == len(list(workspace.pixels.glob("*/*"))), "its room is given back at once"
        assert len(descriptors) == kept, "decoders may be writing to it still"
    assert not descriptors


def test_a_start_that_fails_leaves_no_file_open(
    workspace: Workspace, dataset: Dataset, descriptors: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(dataset)

    def broken(*_: object, **__: object) -> int:
        raise RuntimeError("broken")

    monkeypatch.setattr(row_file, "evict", broken)
    with pytest.raises(RuntimeError, match="broken"):
        opened(dataset)
    assert not descriptors


def test_too_many_open_files_mean_decoding_on_the_way(
    workspace: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def too_many(path: object, *more: object) -> int:
        if str(path).endswith(".tmp"):
            raise OSError(errno.EMFILE, "Too many open files")
        return real(path, *more)

    monkeypatch.setattr(os, "open", too_many)
    with opened(dataset) as pixels:
        assert pixels.kept == frozenset() and right(pixels)
