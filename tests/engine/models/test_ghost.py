"""What a ghost touches is a ghost, and its values cannot be read."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from engine.models.ghost import Ghost, ghosts_of

REAL = torch.ones(3, 3)


@pytest.mark.parametrize(
    "touch",
    [
        lambda ghost: REAL + ghost,
        lambda ghost: ghost * torch.nn.Parameter(REAL),
        lambda ghost: REAL @ ghost,  # torch would multiply by whatever is in memory
        lambda ghost: functional.linear(REAL, ghost),
        lambda ghost: torch.cat([REAL, ghost]),
        lambda ghost: torch.zeros(3, 3, device=ghost.device) + ghost,
        lambda ghost: REAL[ghosts_of(torch.tensor([0]))],
        lambda ghost: next(iter(ghost)),
        lambda ghost: ghost.chunk(3)[1],
        lambda ghost: ghost.to(REAL.device),
    ],
)
def test_whatever_it_touches_becomes_one(touch: Callable[[Tensor], Tensor]) -> None:
    assert isinstance(touch(ghosts_of(REAL)), Ghost)


@pytest.mark.parametrize(
    "read",
    [
        lambda ghost: bool(ghost.mean() > 0),
        lambda ghost: ghost[0, 0].item(),
        lambda ghost: ghost.tolist(),
        lambda ghost: ghost.nonzero(),
        lambda ghost: torch.equal(ghost, REAL),
        lambda ghost: REAL.clone().add_(ghost),  # torch would leave the tensor as it was
        lambda ghost: REAL.clone().__setitem__(0, ghost[0]),
        lambda ghost: torch.add(ghost, ghost, out=REAL.clone()),
    ],
)
def test_its_values_cannot_be_read_or_written(read: Callable[[Tensor], object]) -> None:
    with pytest.raises((RuntimeError, NotImplementedError)):
        read(ghosts_of(REAL))


def test_it_has_the_shape_and_place_of_what_it_stands_for() -> None:
    made = ghosts_of({"a": (REAL, [torch.zeros(2, dtype=torch.int64)]), "b": 3})
    first, (second,) = made["a"]
    assert isinstance(first, Ghost) and first.shape == (3, 3) and first.device == REAL.device
    assert isinstance(second, Ghost) and second.dtype is torch.int64 and made["b"] == 3
