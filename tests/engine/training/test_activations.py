"""Activations in a file: small ones held, large ones read by row; every batch a copy in the layout it was computed
in."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from engine import devices
from engine.data.row_file import Building, Contents, Rows
from engine.errors import TrainingError
from engine.training import activations as wing
from engine.training.activations import Activations, FeatureSource
from engine.training.feature_cache import _as_bytes, _row_bytes
from engine.training.prefix import is_channels_last
from tests.engine.training.toy import Pictures

CPU = torch.device("cpu")
GPU = torch.device("meta")
"""Stands for a device with memory of its own; what lies there is gone, but how much does is known."""
COUNT = 7
SHAPES = [(5,), (4, 3, 2), (9, 4), (4, 1, 1)]


def made(*shape: int, dtype: torch.dtype = torch.float32, last: bool = False) -> Tensor:
    x = torch.randn(COUNT, *shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    return x.contiguous(memory_format=torch.channels_last) if last else x


def keep(path: Path, features: Tensor) -> Path:
    building = Building(path, rows=len(features), row_bytes=_row_bytes(features))
    for place, row in enumerate(_as_bytes(features)):
        building.write(place, row)
    contents = Contents(
        shape=tuple(features.shape[1:]),
        dtype=str(features.dtype).removeprefix("torch."),
        channels_last=is_channels_last(features),
        seconds=0.5,
        block="b",
    )
    building.finish(contents).close()
    return path


def opened(path: Path) -> Activations:
    found = Activations.open(path, CPU)
    assert found is not None
    return found


@pytest.fixture(params=["held", "by row"])
def held(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param == "by row":
        monkeypatch.setattr(wing, "MEMORY_BYTES", 0)
    return bool(request.param == "held")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", SHAPES)
def test_batches_are_what_was_kept(tmp_path: Path, held: bool, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    for last in (False, True) if len(shape) == 3 else (False,):
        features = made(*shape, dtype=dtype, last=last)
        found = opened(keep(tmp_path / f"{last}.rows", features))
        places = np.array([6, 0, 3, 3])
        batch = found.batch(places)
        assert batch.dtype == dtype and torch.equal(batch, features[places])
        assert batch.stride() == features[places].contiguous(memory_format=layout(last)).stride()
        assert is_channels_last(batch) == is_channels_last(features)
        assert (found._held is not None) is held
        found.close()


def layout(last: bool) -> torch.memory_format:
    return torch.channels_last if last else torch.contiguous_format


def test_memory_is_bounded_by_the_size_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = keep(tmp_path / "a.rows", made(8))
    for limit, expected in ((COUNT * 32, True), (COUNT * 32 - 1, False)):
        monkeypatch.setattr(wing, "MEMORY_BYTES", limit)
        found = opened(path)
        assert found.size_bytes == COUNT * 32 and (found._held is not None) is expected
        found.close()
        assert found._held is None


def test_writing_into_a_batch_writes_into_nothing_that_is_kept(tmp_path: Path, held: bool) -> None:
    features = made(4, 3, 2)
    path = keep(tmp_path / "a.rows", features)
    before, found = path.read_bytes(), opened(path)
    everything = np.arange(COUNT)
    for places in (everything, everything[:1]):
        found.batch(places).zero_()
    assert torch.equal(found.batch(everything), features) and path.read_bytes() == before
    found.close()


def test_a_damaged_file_is_removed_and_an_absent_one_is_none(tmp_path: Path) -> None:
    path = keep(tmp_path / "a.rows", made(5))
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    for damaged in (bytes(content), b"", path.read_bytes()[:-1]):
        path.write_bytes(damaged)
        assert Activations.open(path, CPU) is None and not path.exists()
    assert Activations.open(path, CPU) is None


def test_damage_after_opening_ends_the_run_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wing, "MEMORY_BYTES", 0)
    path = keep(tmp_path / "a.rows", made(5))
    found = Activations(Rows.open(path), CPU)
    with open(path, "r+b") as file:
        file.write(b"\xff\xff")
    with pytest.raises(TrainingError, match="damaged while it was in use"):
        found.batch(np.array([0]))
    found.close()


def test_the_seconds_it_saves_are_counted_by_the_row(tmp_path: Path, held: bool) -> None:
    found = opened(keep(tmp_path / "a.rows", made(5)))
    found.batch(np.array([0, 1]))
    found.batch(np.array([0]))
    assert found.seconds_saved == 1.5
    found.close()


def test_a_source_begins_at_the_deepest_cut_of_its_view_that_is_within_reach(tmp_path: Path) -> None:
    pictures = Pictures(3)
    wanted = {(None, 4): 4, (None, 2): 2, (1, 3): 3}
    found = {key: opened(keep(tmp_path / f"{key}.rows", made(number) + number)) for key, number in wanted.items()}
    source = FeatureSource(
        pictures, found, places=np.array([6, 2, 0]), view_of=lambda epoch: None if epoch is None else epoch % 2
    )
    assert [source.start(reach, None) for reach in (1, 2, 3, 4, 9)] == [0, 2, 2, 4, 4]
    assert [source.start(9, epoch) for epoch in (0, 1, 2, 3)] == [0, 3, 0, 3]
    rows = np.array([1, 0])
    assert torch.equal(source.batch(rows, 5, 3), made(3)[[2, 6]] + 3)
    assert torch.equal(source.batch(rows, None, 2), made(2)[[2, 6]] + 2)
    assert torch.equal(source.batch(rows, 1), pictures.batch(rows, 1)) and torch.equal(source.targets, pictures.targets)
    for one in found.values():
        one.close()


def test_many_small_files_are_held_only_as_far_as_they_fit_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = keep(tmp_path / "a.rows", made(5))
    size = COUNT * 5 * 4
    monkeypatch.setattr(wing, "ALL_BYTES", 2 * size)
    for beside, expected in ((0, True), (size, True), (size + 1, False)):
        found = Activations.open(path, CPU, beside=beside)
        assert found is not None and found.held is expected
        assert torch.equal(found.batch(np.array([1])), made(5)[[1]])
        found.close()


def test_what_is_held_keeps_no_file_open(tmp_path: Path, held: bool) -> None:
    found = opened(keep(tmp_path / "a.rows", made(5)))
    assert (found._file._file < 0) is held
    assert torch.equal(found.batch(np.array([2, 4])), made(5)[[2, 4]])
    found.close()
    found.close()


def test_a_file_that_turns_out_to_be_damaged_is_closed(tmp_path: Path) -> None:
    path = keep(tmp_path / "a.rows", made(5))
    with open(path, "r+b") as file:
        file.write(b"\xff\xff")
    with pytest.raises(TrainingError):
        Activations(damaged := Rows.open(path), CPU)
    assert damaged._file < 0


def test_a_file_that_cannot_be_opened_now_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = keep(tmp_path / "a.rows", made(5))

    def too_many(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", too_many)
        assert Activations.open(path, CPU) is None
    opened(path).close()


def test_all_files_together_take_half_of_what_a_gpu_had_free_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quarter of what is left for each would end at nothing."""
    path, taken = keep(tmp_path / "a.rows", made(5)), []
    size = COUNT * 5 * 4
    monkeypatch.setattr(devices, "memory_free", lambda device: 6 * size - sum(taken))
    for expected in (True, True, True, False, False):
        found = Activations.open(path, GPU, beside=sum(taken))
        assert found is not None and found.held is expected
        taken += [size] if expected else []
        found.close()


@pytest.mark.parametrize("last", [False, True])
def test_a_large_file_goes_to_a_gpu_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: bool) -> None:
    features, empty, read, sizes = made(4, 3, 2, last=last), torch.empty, Activations._read, []

    def counted(self: Activations, places: np.ndarray) -> Tensor:
        sizes.append(len(places))
        return read(self, places)

    monkeypatch.setattr(wing, "_PIECE_BYTES", 3 * 24 * 4 + 1)
    monkeypatch.setattr(Activations, "_read", counted)
    monkeypatch.setattr(
        wing.torch, "empty", lambda *given, device, **named: empty(*given, **named)
    )  # where its content can be seen
    found = Activations(Rows.open(keep(tmp_path / "a.rows", features)), GPU)
    assert sizes == [3, 3, 1] and found._held is not None and torch.equal(found._laid(found._held), features)
    found.close()


def test_a_gpu_that_has_no_room_after_all_is_read_to_by_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    path = keep(tmp_path / "a.rows", made(5))
    monkeypatch.setattr(wing.torch, "empty", full)
    found = Activations.open(path, GPU)
    assert found is not None and not found.held and torch.equal(found._read(np.array([3])), made(5)[[3]])
    found.close()
