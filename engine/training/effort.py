"""Effort: how much work a plan means, guessed from the outline alone, to put runs in order. Loads without torch.

Not here: seconds and bytes (estimate).
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
    cut: int
    """Leading blocks that stay frozen in every phase: runs of the same cut can share what they compute."""
    work: float
    """Values of the backbone times epochs: a block after the cut costs a pass forward and one back, a value that
    trains a gradient; what is frozen nothing."""


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
