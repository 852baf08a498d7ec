"""Resident: pictures that stay in the memory of the GPU after they were first asked for, as far as they fit.

Not here: decoding (data.pixels), activations (kept).
"""

from collections.abc import Callable

import numpy as np
import torch

_SHARE = 0.5
"""Of the memory that is free at first; the rest is for training."""


class Resident:
    """uint8 images [count, 3, side, side] for every view, on `device`."""

    def __init__(self, count: int, device: torch.device, free_bytes: int) -> None:
        self._count, self._device = count, device
        self._room = int(_SHARE * free_bytes)
        self._images: dict[int | None, torch.Tensor] = {}
        self._have: dict[int | None, np.ndarray] = {}

    def batch(self, rows: np.ndarray, view: int | None, fetch: Callable[[np.ndarray], torch.Tensor]) -> torch.Tensor:
        """uint8 [len(rows), 3, side, side] on the device; `fetch(rows)` gives what is not there yet, from pinned memory."""
        have = self._have.get(view)
        if have is not None and have[rows].all():
            return self._images[view].index_select(0, torch.from_numpy(rows).to(self._device, non_blocking=True))
        images = fetch(rows).to(self._device, non_blocking=True)
        self._remember(rows, view, images)
        return images

    def _remember(self, rows: np.ndarray, view: int | None, images: torch.Tensor) -> None:
        if view not in self._images:
            size = self._count * images[0].numel()
            if size > self._room:
                return
            self._room -= size
            self._images[view] = torch.empty((self._count, *images.shape[1:]), dtype=torch.uint8, device=self._device)
            self._have[view] = np.zeros(self._count, dtype=bool)
        self._images[view].index_copy_(0, torch.from_numpy(rows).to(self._device), images)
        self._have[view][rows] = True
