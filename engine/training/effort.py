"""Cost: how much work a plan means, guessed from the outline alone, to put runs in order. Loads without torch.

Not here: seconds and bytes, which only a measurement knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.models.outline import Outline
from engine.runconfig import RunConfig
from engine.training.freezing import plan_for
from engine.training.plan import prefix_length, trainable_size

Outlines = Mapping[str, Outline]
"""Backbone -> its outline."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What a run asks of the machine, good for sorting only."""

    cut: int
    """Leading blocks that stay frozen in every phase: what they compute can be shared with other runs of the same
    cut."""
    work: float
    """Values of the backbone times epochs, less what is frozen: a block after the cut costs a pass forward and one
    back, a value that trains a gradient of its own."""


def effort(outline: Outline, config: RunConfig) -> Effort:
    """The effort of `config`; ConfigError when it makes no plan on this backbone."""
    plan = plan_for(outline, config)
    blocks = len(outline.blocks)
    cuts = [prefix_length(outline, phase) for phase in plan.phases]
    shares = [
        phase.epochs * (2 * (blocks - cut) / blocks + trainable_size(outline, phase) / outline.size) / 3
        for phase, cut in zip(plan.phases, cuts, strict=True)
    ]
    return Effort(cut=min(cuts), work=outline.size * sum(shares))
