"""Command lines that make a comparison again.

Not here: the options of the verbs (cli), the command of one run (config).
"""

import shlex

from engine.comparisons.comparison import Arm, Comparison, default_seeds, expand
from engine.config import command_line, options
from engine.evaluation.margin import MARGIN_POINTS
from engine.installation import COMMAND

_ELSEWHERE = frozenset({"dataset", "backbone", "weights", "strategy", "seed", "epochs"})
_SEPARATORS = (",", ":")


def command_lines(comparison: Comparison) -> tuple[str, ...]:
    """One `python -m engine compare`, or one `train` for each run where it cannot say the seeds or settings."""
    seeds = _seeds(comparison.strategies)
    arms = [_arm(arm) for arm in comparison.strategies]
    if seeds is None or None in arms:
        return tuple(command_line(config) for config in expand(comparison))
    words = {
        "dataset": comparison.dataset,
        "backbone": ",".join(backbone for backbone, _ in comparison.backbones),
        "weights": ",".join(weights for _, weights in comparison.backbones),
        "strategies": ",".join(str(arm) for arm in arms),
        "seeds": seeds,
        "epochs": str(comparison.shared.epochs),
    }
    pairs = [*words.items(), *(("set", setting) for setting in _settings(comparison))]
    pairs += [("margin", f"{comparison.margin:g}")] if comparison.margin != MARGIN_POINTS else []
    pairs += [("name", comparison.name)] if comparison.name else []
    return (" ".join([f"{COMMAND} compare", *(f"--{name} {shlex.quote(value)}" for name, value in pairs)]),)


def _seeds(arms: tuple[Arm, ...]) -> str | None:
    """What --seeds would say; None where no one word can."""
    if all(arm.seeds == default_seeds(arm.strategy) for arm in arms):
        return "auto"
    counts = {len(arm.seeds) for arm in arms}
    same = len(counts) == 1 and all(arm.seeds == tuple(range(len(arm.seeds))) for arm in arms)
    return str(counts.pop()) if same else None


def _arm(arm: Arm) -> str | None:
    """What --strategies would say; None where a value holds what separates values there."""
    values = {name: str(value) for name, value in arm.settings.items()}
    if any(mark in value or value != value.strip() for value in values.values() for mark in _SEPARATORS):
        return None
    return ":".join([arm.strategy, *(f"{name}={value}" for name, value in values.items())])


def _settings(comparison: Comparison) -> list[str]:
    """`name=value` of what is not the default and has no word of its own."""
    return [
        f"{option.name}={value}"
        for option in options()
        if option.name not in _ELSEWHERE and (value := getattr(comparison.shared, option.name)) != option.default
    ]
