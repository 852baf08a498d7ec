"""Pictures that stay in the memory of the GPU after they were first asked for, as far as they fit.

Not here: decoding (data.pixel_cache), activations.
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
        """`free_bytes`: what is free on the device now; all that live there share a half of it."""
        self._count, self._device, self._taken = count, device, 0
        self._room = int(_SHARE * (free_bytes + _taken(device)))
        self._views: dict[int | None, tuple[torch.Tensor, np.ndarray] | None] = {}
        """Images on the device and, [count], which of them are there; None where there is no room."""
        _LIVING.add(self)

    def batch(self, rows: np.ndarray, view: int | None, fetch: Callable[[np.ndarray], torch.Tensor]) -> torch.Tensor:
        """uint8 [len(rows), 3, side, side] on the device; `fetch(rows)` gives them in pinned memory."""
        stored = self._views.get(view)
        if stored is not None and stored[1][rows].all():
            return stored[0].index_select(0, torch.from_numpy(rows).to(self._device, non_blocking=True))
        fetched = fetch(rows).to(self._device, non_blocking=True)
        if view not in self._views:
            self._views[view] = stored = self._room_for(fetched[0])
        if stored is not None:
            images, have = stored
            images.index_copy_(0, torch.from_numpy(rows).to(self._device), fetched)
            have[rows] = True
        return fetched

    def _room_for(self, image: torch.Tensor) -> tuple[torch.Tensor, np.ndarray] | None:
        """For all pictures of a view, if there is: others may have claimed it since the start."""
        size = self._count * image.numel()
        if _taken(self._device) + size > self._room or size > _SHARE * devices.memory_free(self._device):
            return None
        try:
            images = torch.empty((self._count, *image.shape), dtype=torch.uint8, device=self._device)
        except RuntimeError as error:
            if not devices.is_out_of_memory(error):
                raise
            self._room = 0  # from here on batches come from the machine's memory
            return None
        self._taken += size
        return images, np.zeros(self._count, dtype=bool)


_LIVING: "weakref.WeakSet[Resident]" = weakref.WeakSet()


def _taken(device: torch.device) -> int:
    return sum(resident._taken for resident in _LIVING if resident._device == device)
