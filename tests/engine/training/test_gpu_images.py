"""Pictures that stay on the device: fetched once a view, as far as they fit, and handed out as copies."""

import numpy as np
import pytest
import torch

from engine import devices
from engine.training.gpu_images import Resident

CPU = torch.device("cpu")
COUNT, SIDE = 6, 4
PICTURES = torch.randint(0, 256, (COUNT, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
BYTES = PICTURES.numel()
BATCHES = (np.array([4, 0]), np.array([1, 5, 2]), np.array([3]))


class Disk:
    """What the pictures of `view` are fetched from; those of view 1 are others."""

    def __init__(self, view: int | None = None) -> None:
        self.view, self.asked = view, 0

    def __call__(self, rows: np.ndarray) -> torch.Tensor:
        self.asked += len(rows)
        return self.pictures(rows)

    def pictures(self, rows: np.ndarray) -> torch.Tensor:
        return PICTURES[rows] + (100 if self.view else 0)


def asked(resident: Resident, *disks: Disk, epochs: int = 2) -> list[int]:
    """How many pictures were fetched from every disk after some epochs, in which every batch was right."""
    for _ in range(epochs):
        for disk in disks:
            batches = [(resident.batch(rows, disk.view, disk), disk.pictures(rows)) for rows in BATCHES]
            assert all(torch.equal(batch, pictures) for batch, pictures in batches)
    return [disk.asked for disk in disks]


def test_the_second_epoch_fetches_nothing() -> None:
    resident, disk = Resident(COUNT, CPU, 2 * BYTES), Disk()
    assert asked(resident, disk) == [COUNT]
    mixed = np.array([0, 3, 3])
    assert torch.equal(resident.batch(mixed, None, disk), PICTURES[mixed]) and disk.asked == COUNT


def test_a_batch_of_which_a_part_is_there_is_fetched() -> None:
    resident, disk = Resident(COUNT, CPU, 2 * BYTES), Disk()
    resident.batch(BATCHES[0], None, disk)
    rows = np.array([0, 1])
    assert torch.equal(resident.batch(rows, None, disk), PICTURES[rows]) and disk.asked == 4


@pytest.mark.parametrize(("free", "fetched"), [(2 * BYTES - 2, 2 * COUNT), (0, 2 * COUNT), (2 * BYTES, COUNT)])
def test_what_does_not_fit_is_fetched_every_time(free: int, fetched: int) -> None:
    """Half of the free memory is for training."""
    assert asked(Resident(COUNT, CPU, free), Disk()) == [fetched]


def test_views_are_apart_and_share_the_room() -> None:
    assert asked(Resident(COUNT, CPU, 4 * BYTES), Disk(), Disk(1), Disk(2)) == [COUNT, COUNT, 2 * COUNT]


def test_a_batch_is_a_copy() -> None:
    resident, disk = Resident(COUNT, CPU, 2 * BYTES), Disk()
    for _ in range(3):
        resident.batch(BATCHES[1], None, disk).zero_()
    asked(resident, disk, epochs=1)


def test_two_sources_share_the_room_from_the_moment_they_take_it() -> None:
    """Both are made before either holds a picture, and both are told of the same free memory."""
    first, second = (Resident(COUNT, CPU, 2 * BYTES) for _ in range(2))
    assert asked(first, Disk()) == [COUNT] and asked(second, Disk()) == [2 * COUNT]
    third = Resident(COUNT, CPU, 3 * BYTES)  # four were free before the first took one
    assert asked(third, Disk()) == [COUNT]
    del first, third
    assert asked(Resident(COUNT, CPU, 2 * BYTES), Disk()) == [COUNT], "what is gone takes no room"


@pytest.mark.parametrize(("free", "fetched"), [(2 * BYTES, COUNT), (2 * BYTES - 2, 2 * COUNT)])
def test_what_others_have_taken_since_the_start_is_not_taken_again(
    monkeypatch: pytest.MonkeyPatch, free: int, fetched: int
) -> None:
    resident = Resident(COUNT, CPU, 100 * BYTES)
    monkeypatch.setattr(devices, "memory_free", lambda device: free)
    assert asked(resident, Disk()) == [fetched]


def test_memory_that_runs_out_means_fetching_and_not_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    resident, tried = Resident(COUNT, CPU, 100 * BYTES), []

    def full(*_: object, **__: object) -> torch.Tensor:
        tried.append(1)
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    monkeypatch.setattr(torch, "empty", full)
    assert asked(resident, Disk(), Disk(1)) == [2 * COUNT, 2 * COUNT] and len(tried) == 1, "no more room is taken"


def test_what_is_no_lack_of_memory_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> torch.Tensor:
        raise RuntimeError("device-side assert triggered")

    resident = Resident(COUNT, CPU, 100 * BYTES)
    monkeypatch.setattr(torch, "empty", broken)
    with pytest.raises(RuntimeError, match="assert triggered"):
        resident.batch(BATCHES[0], None, Disk())
