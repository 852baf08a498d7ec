"""Activations in a file, as a source of batches. Small files are held in memory, on a GPU also large ones that fit.

A batch is always a copy: nothing that trains can write into what is kept. Not here: computing them (feature_cache).
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import torch

from engine import devices
from engine.data.row_file import Rows
from engine.errors import TrainingError
from engine.training.batches import Source

MEMORY_BYTES = 64 << 20
"""A file up to this size is read whole; larger ones row by row, so that memory stays bounded."""
ALL_BYTES = 256 << 20
"""What all files of one run that are read whole may take together."""
_DEVICE_SHARE = 0.5
"""Of the memory that was free on a GPU at first, what all files of one run may take together."""
_PIECE_BYTES = 16 << 20
"""Read at a time on the way to a GPU."""


class Activations:
    """Inputs of one block for one split seen one way, one row an image."""

    def __init__(self, file: Rows, device: torch.device, *, beside: int = 0) -> None:
        """`beside`: bytes that other files of the same run hold in memory already."""
        self.contents, self.path, self._file, self._device = file.header.contents, file.path, file, device
        self.row_bytes, self.count = file.header.row_bytes, file.header.rows
        self.rows_served = 0
        with ExitStack() as stack:
            stack.callback(file.close)  # a process may have only so many open files
            self._held = self._whole() if _fits(self.size_bytes, device, beside) else None
            if self._held is None:
                stack.pop_all()

    @classmethod
    def open(cls, path: Path, device: torch.device, *, beside: int = 0) -> "Activations | None":
        """The file at `path`, None when it is absent; one that is not what was written is removed."""
        try:
            file = Rows.open(path)
        except OSError:  # it is not there, or it cannot be opened now and may well be whole
            return None
        except ValueError:
            path.unlink(missing_ok=True)
            return None
        with suppress(OSError):
            if file.sound():
                file.touch()
                return cls(file, device, beside=beside)
        file.drop()
        file.close()
        return None

    @property
    def held(self) -> bool:
        """Whether it lies in memory as a whole."""
        return self._held is not None

    @property
    def seconds_saved(self) -> float:
        return self.rows_served * self.contents.seconds

    @property
    def size_bytes(self) -> int:
        return self.count * self.row_bytes

    def batch(self, places: np.ndarray) -> torch.Tensor:
        """Inputs [len(places), ...] on the device, laid out as they were computed."""
        self.rows_served += len(places)
        if self._held is not None:
            return self._laid(self._held.index_select(0, torch.from_numpy(places).to(self._device)))
        return self._laid(devices.sent(self._read(places), self._device))

    def close(self) -> None:
        self._file.close()
        self._held = None

    def _whole(self) -> torch.Tensor | None:
        """All rows on the device; None when it has no room."""
        if self._device.type == "cpu":
            return self._read(np.arange(self.count))
        held, step = None, max(1, _PIECE_BYTES // self.row_bytes)
        try:
            for start in range(0, self.count, step):
                piece = self._read(np.arange(start, min(start + step, self.count)))
                if held is None:
                    held = torch.empty((self.count, *piece.shape[1:]), dtype=piece.dtype, device=self._device)
                held[start : start + step] = piece
        except RuntimeError as error:
            if not devices.is_out_of_memory(error):
                raise
            return None
        return held

    def _read(self, places: np.ndarray) -> torch.Tensor:
        buffer = np.empty((len(places), self.row_bytes), dtype=np.uint8)
        for at, place in enumerate(places):
            if not self._file.read(int(place), buffer[at]):
                raise TrainingError("A file of frozen activations was damaged while it was in use. Resume the run.")
        shape, dtype = self.contents.shape, getattr(torch, self.contents.dtype)
        as_stored = (*shape[1:], shape[0]) if self.contents.channels_last else shape
        return torch.from_numpy(buffer).view(dtype).view(len(places), *as_stored)

    def _laid(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.permute(0, 3, 1, 2) if self.contents.channels_last else rows


def _fits(size: int, device: torch.device, beside: int) -> bool:
    if device.type == "cpu":
        return size <= MEMORY_BYTES and beside + size <= ALL_BYTES
    return beside + size <= _DEVICE_SHARE * (devices.memory_free(device) + beside)


class FeatureSource:
    """A source of pixels with activations beside it: batches begin at the deepest cut that is kept for their view."""

    def __init__(
        self,
        source: Source,
        kept: Mapping[tuple[int | None, int], Activations],
        *,
        places: np.ndarray,
        view_of: Callable[[int | None], int | None],
    ) -> None:
        """`kept` by (view, cut); `places` [N] says where in the files the rows of `source` stand."""
        self._source, self._kept, self._places, self._view_of = source, kept, places, view_of
        self.targets = source.targets

    def start(self, reach: int, epoch: int | None) -> int:
        view = self._view_of(epoch)
        return max((cut for seen, cut in self._kept if seen == view and cut <= reach), default=0)

    def instant(self, epoch: int | None, start: int) -> bool:
        return start > 0 and self._kept[self._view_of(epoch), start].held

    def batch(self, rows: np.ndarray, epoch: int | None, start: int = 0) -> torch.Tensor:
        if start == 0:
            return self._source.batch(rows, epoch)
        return self._kept[self._view_of(epoch), start].batch(self._places[rows])
