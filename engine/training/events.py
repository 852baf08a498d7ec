"""What training yields: a Step for every optimisation step, an Epoch for every pass, a Note when there is something to
say."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Step:
    """One optimisation step is done; `step` and `epoch` count from 1."""

    epoch: int
    step: int
    steps: int
    images: int


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One pass over the training images is done and judged. Losses are means per image; validation is unweighted."""

    epoch: int
    phase: int
    train_loss: float
    train_accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    lr: Mapping[str, float]
    """Learning rate of each optimizer group in the last step."""
    grad_norm: Mapping[str, float]
    """L2 norm of the gradient of each block in the last step; frozen blocks are absent."""
    seconds: float
    """Training alone, without validation and pauses."""
    images_per_second: float
    best: bool


@dataclass(frozen=True, kw_only=True)
class Note:
    """A sentence for the person who watches."""

    text: str
