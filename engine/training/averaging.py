"""Averaging: an exponential moving average of what training moves, judged and kept in its place (Polyak averaging).

It warms up, so that the first steps do not weigh for ever.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch


class Average:
    """The moving average of named tensors; counters are copied."""

    def __init__(self, moving: Mapping[str, torch.Tensor], decay: float) -> None:
        self.decay = decay
        self.begin(moving)

    def begin(self, moving: Mapping[str, torch.Tensor]) -> None:
        """Anew, from these tensors."""
        self.updates = 0
        self.tensors = {name: tensor.detach().clone() for name, tensor in moving.items()}

    @torch.no_grad()
    def update(self, moving: Mapping[str, torch.Tensor]) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, tensor in moving.items():
            if tensor.is_floating_point():
                self.tensors[name].lerp_(tensor, 1 - decay)
            else:
                self.tensors[name].copy_(tensor)

    @contextmanager
    def in_place_of(self, moving: Mapping[str, torch.Tensor]) -> Iterator[None]:
        """Inside, the model holds the average; afterwards its own tensors again."""
        own = {name: tensor.detach().clone() for name, tensor in moving.items()}
        copy_tensors(self.tensors, moving)
        try:
            yield
        finally:
            copy_tensors(own, moving)


@torch.no_grad()
def copy_tensors(source: Mapping[str, torch.Tensor], target: Mapping[str, torch.Tensor]) -> None:
    """Write the values of `source` into the tensors of these names in `target`."""
    for name, tensor in source.items():
        target[name].copy_(tensor)
