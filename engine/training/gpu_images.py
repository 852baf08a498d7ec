"""Resident: pictures that stay in the memory of the GPU after they were first asked for, as far as they fit.

Not here: decoding (data.pixels), activations (kept).
"""

import weakref
from collections.abc import Callable

import numpy as np
import torch

from engine import devices

_SHARE = 0.5
"""Of the memory that is free at first; the rest is for training."""


class Resident:
    """uint8 images [count, 3, side, side] for every view, on `device`."""

    def __init__(self, count: int, device: torch.device, free_bytes: int) -> None:
        """`free_bytes`: what is free on the device now; all of them that live on a device share a half of it."""
        self._count, self._device = count, device
        self._taken = 0
        self._room = int(_SHARE * (free_bytes + _taken(device)))
        self._images: dict[int | None, torch.Tensor] = {}
        self._have: dict[int | None, np.ndarray] = {}
        self._refused: set[int | None] = set()
        _LIVING.add(self)

    def batch(self, rows: np.ndarray, view: int | None, fetch: Callable[[np.ndarray], torch.Tensor]) -> torch.Tensor:
        """uint8 [len(rows), 3, side, side] on the device; `fetch(rows)` gives what is not there yet, from pinned
        memory."""
        have = self._have.get(view)
        if have is not None and have[rows].all():
            return self._images[view].index_select(0, torch.from_numpy(rows).to(self._device, non_blocking=True))
        images = fetch(rows).to(self._device, non_blocking=True)
        self._remember(rows, view, images)
        return images

    def _remember(self, rows: np.ndarray, view: int | None, images: torch.Tensor) -> None:
        if view not in self._images and (view in self._refused or not self._take(view, images)):
            self._refused.add(view)
            return
        self._images[view].index_copy_(0, torch.from_numpy(rows).to(self._device), images)
        self._have[view][rows] = True

    def _take(self, view: int | None, images: torch.Tensor) -> bool:
        """Whether there is room for all pictures of `view`, which is taken now: others may have claimed it since the
        start."""
        size = self._count * images[0].numel()
        if _taken(self._device) + size > self._room or size > _SHARE * devices.memory_free(self._device):
            return False
        try:
            self._images[view] = torch.empty((self._count, *images.shape[1:]), dtype=torch.uint8, device=self._device)
        except RuntimeError as error:
            if not devices.is_out_of_memory(error):
                raise
            self._room = 0  # from here on batches come from the machine's memory
            return False
        self._have[view] = np.zeros(self._count, dtype=bool)
        self._taken += size
        return True


_LIVING: "weakref.WeakSet[Resident]" = weakref.WeakSet()


def _taken(device: torch.device) -> int:
    """Bytes that the pictures of all sources hold on `device`."""
    return sum(one._taken for one in _LIVING if one._device == device)
