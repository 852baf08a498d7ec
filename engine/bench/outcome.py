"""Outcome: what a contender gives back."""

from dataclasses import dataclass, field

import torch


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One measured training, or several that were done together."""

    seconds: float
    accuracy: float
    """Of the best epoch on the validation images; the mean over trainings."""
    state: dict[str, torch.Tensor] = field(default_factory=dict, repr=False)
    """What moved, as it was in the best epoch of the last training."""
    about: dict[str, object] = field(default_factory=dict)
