"""Averaging: an exponential moving average of what training moves, judged and kept in its place (Polyak averaging).

The average warms up, so that the first steps do not weigh for ever. Not here: deciding whether to average (config).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch


class Average:
    """The moving average of named tensors; counters and other whole numbers are copied."""

    def __init__(self, moving: Mapping[str, torch.Tensor], decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.tensors = {name: tensor.detach().clone() for name, tensor in moving.items()}

    @torch.no_grad()
    def update(self, moving: Mapping[str, torch.Tensor]) -> None:
        """Take one step's tensors into the average."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, tensor in moving.items():
            if tensor.is_floating_point():
                self.tensors[name].lerp_(tensor, 1 - decay)
            else:
                self.tensors[name].copy_(tensor)

    @contextmanager
    def in_place_of(self, moving: Mapping[str, torch.Tensor]) -> Iterator[None]:
        """The model holds the average inside the block and its own tensors again afterwards."""
        own = {name: tensor.detach().clone() for name, tensor in moving.items()}
        _copy(self.tensors, moving)
        try:
            yield
        finally:
            _copy(own, moving)


@torch.no_grad()
def _copy(source: Mapping[str, torch.Tensor], into: Mapping[str, torch.Tensor]) -> None:
    for name, tensor in into.items():
        tensor.copy_(source[name])
