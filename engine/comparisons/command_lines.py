"""Command lines: those that make a comparison again.

Not here: what the command line understands (options of the verbs), the command of one run alone (config).
"""

import shlex

from engine.comparisons.comparison import Arm, Comparison, default_seeds, expand
from engine.config import command_line, options

_ELSEWHERE = frozenset({"dataset", "backbone", "weights", "strategy", "seed", "epochs"})
_SEPARATORS = (",", ":")


def command_lines(comparison: Comparison) -> tuple[str, ...]:
    """One `python -m engine compare`, or, where one cannot say it (seeds or settings of a special kind), one `train`
    for each run."""
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
    said = [f"--{name} {shlex.quote(value)}" for name, value in words.items()]
    said += [f"--set {shlex.quote(f'{name}={value}')}" for name, value in _changed(comparison)]
    said += [f"--name {shlex.quote(comparison.name)}"] if comparison.name else []
    return (" ".join(["python -m engine compare", *said]),)


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


def _changed(comparison: Comparison) -> list[tuple[str, object]]:
    values = [
        (about.name, getattr(comparison.shared, about.name), about.default)
        for about in options()
        if about.name not in _ELSEWHERE
    ]
    return [(name, value) for name, value, default in values if value != default]
