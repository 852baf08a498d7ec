"""Solvable: which runs bring their head to its one optimum instead of stepping towards it. Loads without torch.

Not here: solving (solving).
"""

from engine.models.sources.source import source_of
from engine.runconfig import RunConfig
from engine.training.strategies import STRATEGIES

UNREAD_WHEN_SOLVED = frozenset(
    {
        *("epochs", "first_epochs", "batch_size", "optimizer", "lr", "tune", "lr_decay", "momentum", "weight_decay"),
        *("schedule", "warmup", "patience", "max_minutes", "ema", "select"),
    }
)
"""Options of RunConfig that say nothing to a strategy that is solved."""


def is_solved(config: RunConfig) -> bool:
    """Whether a run of `config` is brought to its one optimum, without a learning rate and without epochs."""
    known = STRATEGIES.get(config.strategy)
    return known is not None and known.solved and not why_stepped(config)


def probes_first(config: RunConfig) -> bool:
    """Whether a run of `config` begins with a head that is solved, and steps from there."""
    known = STRATEGIES.get(config.strategy)
    return known is not None and known.probes_first and not why_stepped(config)


def reads_stages(config: RunConfig) -> bool:
    """Whether the head of a run of `config` reads every stage, so that its chain is another one."""
    return is_solved(config) and STRATEGIES[config.strategy].reads_stages


def ignores_seed(config: RunConfig) -> bool:
    """Whether every seed gives the same weights, so that one run says all: solved on weights that are not random."""
    return is_solved(config) and config.weights != "none"


def why_stepped(config: RunConfig) -> str:
    """What keeps a strategy that could be solved from it, "" where nothing does."""
    if config.mix != "none":
        return "mixed pictures have no features that could be kept"
    if config.phases.strip():
        return "it was given phases of its own"
    if config.backbone.startswith(source_of(config.backbone).other_heads):
        return f"the scores of {config.backbone} are not those of one linear layer"
    return ""
