"""Pictures that stay on the device: fetched once a view, as far as they fit, and handed out as copies."""

import numpy as np
import pytest
import torch

from engine import devices
from engine.training import gpu_images as wing
from engine.training.gpu_images import Resident

CPU = torch.device("cpu")
COUNT, SIDE = 6, 4
PICTURES = torch.randint(0, 256, (COUNT, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
BYTES = PICTURES.numel()
BATCHES = (np.array([4, 0]), np.array([1, 5, 2]), np.array([3]))


class Disk:
    """What the pictures are fetched from; view 1 is another picture."""

    def __init__(self, view: int | None) -> None:
        self.view, self.asked = view, 0

    def __call__(self, rows: np.ndarray) -> torch.Tensor:
        self.asked += len(rows)
        return PICTURES[rows] + (100 if self.view else 0)


def epoch(resident: Resident, disk: Disk) -> bool:
    """Whether every batch of an epoch is right."""
    return all(
        torch.equal(resident.batch(rows, disk.view, disk), PICTURES[rows] + (100 if disk.view else 0))
        for rows in BATCHES
    )


def test_the_second_epoch_fetches_nothing() -> None:
    resident, disk = Resident(COUNT, CPU, 2 * BYTES), Disk(None)
    assert epoch(resident, disk) and epoch(resident, disk) and disk.asked == COUNT
    mixed = np.array([0, 3, 3])
    assert torch.equal(resident.batch(mixed, None, disk), PICTURES[mixed]) and disk.asked == COUNT


def test_a_batch_of_which_a_part_is_there_is_fetched() -> None:
    resident, disk = Resident(COUNT, CPU, 2 * BYTES), Disk(None)
    resident.batch(BATCHES[0], None, disk)
    rows = np.array([0, 1])
    assert torch.equal(resident.batch(rows, None, disk), PICTURES[rows]) and disk.asked == 4


@pytest.mark.parametrize(("free", "fetched"), [(2 * BYTES - 2, 2 * COUNT), (0, 2 * COUNT), (2 * BYTES, COUNT)])
def test_what_does_not_fit_is_fetched_every_time(free: int, fetched: int) -> None:
    """Half of the free memory is for training."""
    resident, disk = Resident(COUNT, CPU, free), Disk(None)
    assert epoch(resident, disk) and epoch(resident, disk) and disk.asked == fetched


def test_views_are_apart_and_share_the_room() -> None:
    resident, disks = Resident(COUNT, CPU, 4 * BYTES), [Disk(None), Disk(1), Disk(2)]
    for _ in range(2):
        assert all(epoch(resident, disk) for disk in disks)
    assert [disk.asked for disk in disks] == [COUNT, COUNT, 2 * COUNT]


def test_a_batch_is_a_copy() -> None:
    resident, disk = Resident(COUNT, CPU, 2 * BYTES), Disk(None)
    for _ in range(3):
        resident.batch(BATCHES[1], None, disk).zero_()
    assert epoch(resident, disk)


def test_two_sources_share_the_room_from_the_moment_they_take_it() -> None:
    """Both are made before either holds a picture, and both are told of the same free memory."""
    first, second, disks = Resident(COUNT, CPU, 2 * BYTES), Resident(COUNT, CPU, 2 * BYTES), [Disk(None), Disk(None)]
    for _ in range(2):
        assert epoch(first, disks[0]) and epoch(second, disks[1])
    assert [disk.asked for disk in disks] == [COUNT, 2 * COUNT]
    third, disk = Resident(COUNT, CPU, 3 * BYTES), Disk(None)  # four were free before the first took one
    assert epoch(third, disk) and epoch(third, disk) and disk.asked == COUNT
    del first, third
    fourth, disk = Resident(COUNT, CPU, 2 * BYTES), Disk(None)
    assert epoch(fourth, disk) and epoch(fourth, disk) and disk.asked == COUNT, "what is gone takes no room"


@pytest.mark.parametrize(("free", "fetched"), [(2 * BYTES, COUNT), (2 * BYTES - 2, 2 * COUNT)])
def test_what_others_have_taken_since_the_start_is_not_taken_again(
    monkeypatch: pytest.MonkeyPatch, free: int, fetched: int
) -> None:
    resident, disk = Resident(COUNT, CPU, 100 * BYTES), Disk(None)
    monkeypatch.setattr(devices, "memory_free", lambda device: free)
    assert epoch(resident, disk) and epoch(resident, disk) and disk.asked == fetched


def test_memory_that_runs_out_means_fetching_and_not_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    resident, disks, tried = Resident(COUNT, CPU, 100 * BYTES), [Disk(None), Disk(1)], []

    def full(*_: object, **__: object) -> torch.Tensor:
        tried.append(1)
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    monkeypatch.setattr(wing.torch, "empty", full)
    for _ in range(2):
        assert all(epoch(resident, disk) for disk in disks)
    assert [disk.asked for disk in disks] == [2 * COUNT, 2 * COUNT] and len(tried) == 1, "no more room is taken"


def test_what_is_no_lack_of_memory_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> torch.Tensor:
        raise RuntimeError("device-side assert triggered")

    resident = Resident(COUNT, CPU, 100 * BYTES)
    monkeypatch.setattr(wing.torch, "empty", broken)
    with pytest.raises(RuntimeError, match="assert triggered"):
        resident.batch(BATCHES[0], None, Disk(None))
