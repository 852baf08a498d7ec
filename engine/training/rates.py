"""Rates: the learning rates of an optimizer where nobody gave one. Loads without torch.

Not here: how strategies spend them (strategies), how they change over steps (schedule).
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Peak learning rates that suit a family of optimizers where nobody gave one."""

    head: float
    body: float
    """Of the blocks before the head, before the decay."""
    decay: float
    """Multiplied into the body's once for every block from the head down."""
    polish: float
    """Of everything, where a checkpoint of one's own goes on."""


_ADAPTIVE = Rates(head=1e-3, body=1e-4, decay=0.9, polish=5e-5)
RATES = {"adamw": _ADAPTIVE, "adam": _ADAPTIVE, "sgd": Rates(head=1e-2, body=1e-3, decay=0.9, polish=5e-4)}
"""Optimizer -> rates."""
LEAST_OF_DECAY = 0.1
"""However many blocks a backbone is cut into, automatic decay leaves the first one this share of the body's rate."""
