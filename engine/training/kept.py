"""Kept: activations that lie in a file, as a source of batches. Small ones are held in memory, on a GPU also large ones that fit.

A batch is always a copy: nothing that trains can write into what is kept. Not here: computing them (features).
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from engine import devices
from engine.data.rows import Rows
from engine.errors import TrainingError
from engine.training.batches import Source

MEMORY_BYTES = 64 << 20
"""A file up to this size is read whole; larger ones row by row, so that memory stays bounded."""
ALL_BYTES = 256 << 20
"""What all files of one run that are read whole may take together: thirty-two views have as many files."""
_DEVICE_SHARE = 0.25
"""Of the free memory of a GPU that one file may take."""


class Activations:
    """Inputs of one block for one split seen one way, one row an image."""

    def __init__(self, file: Rows, device: torch.device, *, beside: int = 0) -> None:
        """`beside`: bytes that other files of the same run hold in memory already."""
        self.about, self.path, self._file, self._device = dict(file.header.about), file.path, file, device
        self.row_bytes, self.count = file.header.row_bytes, file.header.rows
        self._dtype: torch.dtype = getattr(torch, str(self.about["dtype"]))
        self._shape = tuple(int(str(size)) for size in self.about["shape"])  # type: ignore[attr-defined]
        self.rows_served = 0
        self._held: torch.Tensor | None = None
        small = self.size_bytes <= MEMORY_BYTES and beside + self.size_bytes <= ALL_BYTES
        if small or (device.type != "cpu" and self.size_bytes < _DEVICE_SHARE * devices.memory_free(device)):
            self._held = self._read(np.arange(self.count)).to(device)

    @classmethod
    def open(cls, path: Path, device: torch.device, *, beside: int = 0) -> "Activations | None":
        """The file at `path` if it is there, whole and byte for byte what was written; what is not is removed."""
        try:
            file = Rows(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            path.unlink(missing_ok=True)
            return None
        if not file.sound():
            file.drop()
            file.close()
            return None
        file.touch()
        return cls(file, device, beside=beside)

    @property
    def held(self) -> bool:
        """Whether it lies in memory as a whole."""
        return self._held is not None

    @property
    def seconds(self) -> float:
        """What computing one image took."""
        return float(str(self.about["seconds"]))

    @property
    def seconds_saved(self) -> float:
        return self.rows_served * self.seconds

    @property
    def size_bytes(self) -> int:
        return self.count * self.row_bytes

    def batch(self, places: np.ndarray) -> torch.Tensor:
        """Inputs [len(places), ...] on the device, in memory of their own and laid out as they were computed."""
        self.rows_served += len(places)
        if self._held is not None:
            return self._laid(self._held.index_select(0, torch.from_numpy(places).to(self._device)))
        read = self._read(places)
        return self._laid(read if self._device.type == "cpu" else read.pin_memory().to(self._device, non_blocking=True))

    def close(self) -> None:
        self._file.close()
        self._held = None

    def _read(self, places: np.ndarray) -> torch.Tensor:
        buffer = np.empty((len(places), self.row_bytes), dtype=np.uint8)
        for at, place in enumerate(places):
            if not self._file.read(int(place), buffer[at]):
                raise TrainingError("A file in the cache of frozen activations was damaged while it was in use. Resume the run.")
        height_width_channels = (*self._shape[1:], self._shape[0]) if self.about["channels_last"] else self._shape
        return torch.from_numpy(buffer).view(self._dtype).view(len(places), *height_width_channels)

    def _laid(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.permute(0, 3, 1, 2) if self.about["channels_last"] else rows


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
