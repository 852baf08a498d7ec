"""Fairness: in what a run differs from most of the others, where no strategy should win by it.

Not here: what came out of the runs (judgement), the differences in words (wording).
"""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from engine.events import Started
from engine.options import Value
from engine.runconfig import RunConfig
from engine.training.budget import automatic
from engine.training.solved.solvable import UNREAD_WHEN_SOLVED, is_solved

_OPTIONS = (
    "preprocessing",
    "image_size",
    "views",
    "augment",
    "data_seed",
    "select",
    "patience",
    "max_minutes",
    "train_share",
    "tune",
)
_UNLESS_AUGMENTED = ("augment", "data_seed")
_DECIDE_PREPARATION = {"preprocessing", "image_size"}


@dataclass(frozen=True, kw_only=True)
class Trait:
    """Something in which runs ought to agree: an option, the fingerprint, or a `part` of the preparation of images.

    Preparation belongs to the weights, so runs of one backbone and weights, `among`, ought to agree in it.
    """

    name: str
    part: str = ""
    among: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """A run has `value` where most of the others have `usual`."""

    trait: Trait
    value: Value
    usual: Value


def deviations(
    configs: Mapping[str, RunConfig], started: Mapping[str, Started | None]
) -> dict[str, tuple[Deviation, ...]]:
    """Run id -> why it cannot be judged beside the others; only runs that cannot be.

    The majority decides, one voice for each arm however many seeds it has; of two equal halves, the first. `started`
    says what data, split and preprocessing really were; None before the start.
    """
    traits = {run: _traits(config, started.get(run)) for run, config in configs.items()}
    votes: dict[Trait, dict[tuple[RunConfig, Value], None]] = {}
    for run, config in configs.items():
        for trait, value in traits[run].items():
            votes.setdefault(trait, {})[dataclasses.replace(config, seed=0), value] = None
    usual = {trait: Counter(value for _, value in votes[trait]).most_common(1)[0][0] for trait in votes}
    odd = {run: _deviations(values, usual) for run, values in traits.items()}
    return {run: differing for run, differing in odd.items() if differing}


def _deviations(values: Mapping[Trait, Value], usual: Mapping[Trait, Value]) -> tuple[Deviation, ...]:
    odd = [trait for trait, value in values.items() if value != usual[trait]]
    if _DECIDE_PREPARATION & {trait.name for trait in odd}:  # what was chosen explains what was done
        odd = [trait for trait in odd if trait.name != "preparation"]
    return tuple(Deviation(trait=trait, value=values[trait], usual=usual[trait]) for trait in odd)


def _traits(config: RunConfig, started: Started | None) -> dict[Trait, Value]:
    traits: dict[Trait, Value] = {Trait(name="dataset"): config.dataset}
    if started and started.dataset:
        traits[Trait(name="fingerprint")] = started.dataset.fingerprint
    for part, value in started.preprocessing.items() if started else ():
        traits[Trait(name="preparation", part=part, among=(config.backbone, config.weights))] = str(value)
    solved = is_solved(config)
    if not solved:
        traits[Trait(name="epochs")] = _epochs(config, started)
    for name in _OPTIONS:
        if name in UNREAD_WHEN_SOLVED and solved:
            continue
        if config.views or name not in _UNLESS_AUGMENTED:  # neither does anything without views
            traits[Trait(name=name)] = getattr(config, name)
    return traits


def _epochs(config: RunConfig, started: Started | None) -> Value:
    """How long it trains: phases of its own count for themselves. Automatic ones are one rule, whatever they come to:
    that follows from images and batch size."""
    if automatic(config):
        return "automatic"
    if started and started.phases:
        return started.epochs
    rows = [row for row in config.phases.replace("\n", ";").split(";") if row.strip()]
    lengths = [row.split("|")[1].strip() if "|" in row else "" for row in rows]
    if lengths and all(length.isdigit() for length in lengths):
        return sum(int(length) for length in lengths)
    return config.epochs
