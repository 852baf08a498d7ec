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
from engine.training.frozen import activations
from engine.training.frozen.activations import Activations, FeatureSource
from engine.training.frozen.feature_cache import _as_bytes, _row_bytes
from engine.training.frozen.prefix import is_channels_last
from tests.engine.training.toy import Pictures

CPU = torch.device("cpu")
GPU = torch.device("meta")
"""Stands for a device with memory of its own; what lies there is gone, but how much does is known."""
COUNT = 7
BYTES = COUNT * 5 * 4
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


def opened(path: Path, device: torch.device = CPU, *, beside: int = 0) -> Activations:
    kept = Activations.open(path, device, beside=beside)
    assert kept is not None
    return kept


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of `made(5)`."""
    return keep(tmp_path / "a.rows", made(5))


@pytest.fixture(params=["held", "by row"])
def held(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param == "by row":
        monkeypatch.setattr(activations, "MEMORY_BYTES", 0)
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
        layout = torch.channels_last if last else torch.contiguous_format
        assert batch.stride() == features[places].contiguous(memory_format=layout).stride()
        assert is_channels_last(batch) == is_channels_last(features)
        assert found.held is held
        found.close()


def test_memory_is_bounded_by_the_size_of_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, expected in ((BYTES, True), (BYTES - 1, False)):
        monkeypatch.setattr(activations, "MEMORY_BYTES", limit)
        found = opened(path)
        assert found.size_bytes == BYTES and found.held is expected
        found.close()
        assert not found.held


def test_writing_into_a_batch_writes_into_nothing_that_is_kept(tmp_path: Path, held: bool) -> None:
    features = made(4, 3, 2)
    path = keep(tmp_path / "a.rows", features)
    before, found = path.read_bytes(), opened(path)
    everything = np.arange(COUNT)
    for places in (everything, everything[:1]):
        found.batch(places).zero_()
    assert torch.equal(found.batch(everything), features) and path.read_bytes() == before
    found.close()


def test_a_damaged_file_is_removed_and_an_absent_one_is_none(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    for damaged in (bytes(content), b"", path.read_bytes()[:-1]):
        path.write_bytes(damaged)
        assert Activations.open(path, CPU) is None and not path.exists()
    assert Activations.open(path, CPU) is None


def damage(path: Path) -> None:
    with open(path, "r+b") as file:
        file.write(b"\xff\xff")


def test_damage_after_opening_ends_the_run_with_a_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activations, "MEMORY_BYTES", 0)
    found = Activations(Rows.open(path), CPU)
    damage(path)
    with pytest.raises(TrainingError, match="damaged while it was in use"):
        found.batch(np.array([0]))
    found.close()


def test_the_seconds_it_saves_are_counted_by_the_row(path: Path, held: bool) -> None:
    found = opened(path)
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
    for kept in found.values():
        kept.close()


def test_many_small_files_are_held_only_as_far_as_they_fit_together(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activations, "ALL_BYTES", 2 * BYTES)
    for beside, expected in ((0, True), (BYTES, True), (BYTES + 1, False)):
        found = opened(path, beside=beside)
        assert found.held is expected and torch.equal(found.batch(np.array([1])), made(5)[[1]])
        found.close()


def test_what_is_held_keeps_no_file_open(path: Path, held: bool) -> None:
    found = opened(path)
    assert (found._file._file < 0) is held
    found.close()
    found.close()


def test_a_file_that_turns_out_to_be_damaged_is_closed(path: Path) -> None:
    damage(path)
    with pytest.raises(TrainingError):
        Activations(damaged := Rows.open(path), CPU)
    assert damaged._file < 0


def test_a_file_that_cannot_be_opened_now_is_not_removed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_many(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", too_many)
        assert Activations.open(path, CPU) is None
    opened(path).close()


def test_all_files_together_take_half_of_what_a_gpu_had_free_at_first(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quarter of what is left for each would end at nothing."""
    taken: list[int] = []
    monkeypatch.setattr(devices, "memory_free", lambda device: 6 * BYTES - sum(taken))
    for expected in (True, True, True, False, False):
        found = opened(path, GPU, beside=sum(taken))
        assert found.held is expected
        taken += [BYTES] if expected else []
        found.close()


@pytest.mark.parametrize("last", [False, True])
def test_a_large_file_goes_to_a_gpu_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: bool) -> None:
    features, empty, read, sizes = made(4, 3, 2, last=last), torch.empty, Activations._read, []

    def counted(self: Activations, places: np.ndarray) -> Tensor:
        sizes.append(len(places))
        return read(self, places)

    monkeypatch.setattr(activations, "_PIECE_BYTES", 3 * 24 * 4 + 1)
    monkeypatch.setattr(Activations, "_read", counted)
    # where its content can be seen
    monkeypatch.setattr(torch, "empty", lambda *given, device, **named: empty(*given, **named))
    found = Activations(Rows.open(keep(tmp_path / "a.rows", features)), GPU)
    assert sizes == [3, 3, 1] and found._held is not None and torch.equal(found._laid(found._held), features)
    found.close()


def test_a_gpu_that_has_no_room_after_all_is_read_to_by_row(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    monkeypatch.setattr(torch, "empty", full)
    found = opened(path, GPU)
    assert not found.held and torch.equal(found._read(np.array([3])), made(5)[[3]])
    found.close()
