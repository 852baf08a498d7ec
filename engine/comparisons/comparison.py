"""Comparison: backbones x strategies x seeds on the same images, as plain data: its runs, their order and their names.

Not here: the database (comparison_store), what came out (judgement).
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from engine import record_files
from engine.config import from_json as config_from_json
from engine.config import options
from engine.errors import ConfigError
from engine.evaluation.margin import MARGIN_POINTS, MARGINS
from engine.options import Value
from engine.runconfig import RunConfig
from engine.training.budget import budgeted
from engine.training.effort import Effort, Outlines, effort
from engine.training.freezing import validate
from engine.training.solved.solvable import ignores_seed
from engine.training.strategies import STRATEGIES, starts_at_random, strategy_named
from engine.workspace import Workspace, new_id

MOST_SEEDS = 100
_SHARED = ("dataset", "backbone", "strategy", "seed", "data_seed")
"""What an arm cannot set by itself: it would make another comparison, or one whose runs see different pictures."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One strategy of a comparison, with the options in which it differs from the others."""

    strategy: str
    seeds: tuple[int, ...]
    settings: Mapping[str, Value] = field(default_factory=dict)
    """Options of RunConfig by name, such as {"last_n": 3}."""

    @property
    def label(self) -> str:
        """The strategy with its own options, such as `last_n last_n=3`."""
        return " ".join([self.strategy, *(f"{name}={value}" for name, value in sorted(self.settings.items()))])


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is to be compared. Every run shares dataset, split, view seed and the options of `shared`."""

    name: str
    dataset: str
    backbones: tuple[tuple[str, str], ...]
    """(backbone, weights) pairs; weights as in RunConfig."""
    strategies: tuple[Arm, ...]
    shared: RunConfig
    """Options of every run; its dataset, backbone, weights, strategy and seed say nothing."""
    fingerprint: str = ""
    """Of the dataset, classes and split included, when the comparison was made."""
    id: str = field(default_factory=lambda: new_id("comparison"))
    created_at: float = 0.0
    """Seconds since 1970; 0 before the store has it."""
    margin: float = MARGIN_POINTS
    """Points of accuracy that a cheaper strategy may lose and still be called as good."""


def default_seeds(strategy: str) -> tuple[int, ...]:
    """ConfigError when there is no such strategy."""
    return tuple(range(strategy_named(strategy).seeds))


def arm(strategy: str, *, seeds: int | None = None, settings: Mapping[str, Value] | None = None) -> Arm:
    """An arm with `seeds` seeds from 0 on, or its strategy's number. ConfigError when there is no such strategy."""
    default = default_seeds(strategy)
    if seeds is not None and not 1 <= seeds <= MOST_SEEDS:
        raise ConfigError(f"A strategy takes 1 to {MOST_SEEDS} seeds, not {seeds}.")
    return Arm(
        strategy=strategy, seeds=default if seeds is None else tuple(range(seeds)), settings=dict(settings or {})
    )


def expand(comparison: Comparison) -> tuple[RunConfig, ...]:
    """Every run once, in the order of backbones, strategies and seeds. ConfigError when one is not valid."""
    if not comparison.backbones or not comparison.strategies:
        raise ConfigError("A comparison needs at least one backbone and one strategy.")
    if comparison.shared.phases.strip() and len(comparison.strategies) > 1:
        raise ConfigError(
            "Phases shared by all strategies would make them all the same. Give phases to one strategy as a setting "
            "of its own."
        )
    configs = dict.fromkeys(
        validate(config_of(shared, arm, seed))
        for shared in _on_backbones(comparison)
        for arm in comparison.strategies
        for seed in seeds_of(shared, arm)
    )
    return tuple(configs)


def seeds_of(shared: RunConfig, arm: Arm) -> tuple[int, ...]:
    """The seeds of `arm` that make runs of their own: one where all would give the same weights."""
    return arm.seeds[:1] if ignores_seed(config_of(shared, arm, 0)) else arm.seeds


def config_of(shared: RunConfig, arm: Arm, seed: int) -> RunConfig:
    """The run of `arm` that has everything else of `shared`; not validated, because one that an earlier version has
    kept needs its name, too. ConfigError for a setting that no arm can have."""
    possible = {option.name for option in options()} - set(_SHARED)
    if wrong := [name for name in arm.settings if name not in possible]:
        raise ConfigError(
            f"{arm.strategy} cannot have {wrong[0]} of its own in a comparison. It can have: "
            f"{', '.join(sorted(possible))}."
        )
    own: dict[str, Value] = {"strategy": arm.strategy, "seed": seed, **arm.settings}
    if starts_at_random(arm.strategy):
        own.setdefault("weights", "none")  # so that two sets of weights make one run
    return dataclasses.replace(shared, **own)  # type: ignore[arg-type]


def _on_backbones(comparison: Comparison) -> list[RunConfig]:
    """What the runs on every backbone share."""
    return [
        dataclasses.replace(comparison.shared, dataset=comparison.dataset, backbone=backbone, weights=weights)
        for backbone, weights in comparison.backbones
    ]


def cheapest_first(configs: Sequence[RunConfig], outlines: Outlines, workspace: Workspace) -> tuple[RunConfig, ...]:
    """The order in which to train: little work first, so that there is a first answer soon and frozen prefixes get
    filled early.

    Runs of one cut stay together (they share what the frozen blocks compute), and so do the seeds of one arm. Without
    its backbone's outline a run keeps to the order of the strategies. ConfigError when a run makes no plan.
    """
    efforts = {config: _effort(config, outlines, workspace) for config in configs}
    cuts = {config: (config.backbone, config.weights, efforts[config].cut) for config in configs}
    arms = list(dict.fromkeys(map(without_seed, configs)))
    cheapest: dict[tuple[str, str, int], float] = {}
    for config, cut in cuts.items():
        cheapest[cut] = min(efforts[config].work, cheapest.get(cut, math.inf))

    def place(config: RunConfig) -> tuple[object, ...]:
        cut, arm = cuts[config], arms.index(without_seed(config))
        return cheapest[cut], cut, efforts[config].work, arm, config.seed

    return tuple(sorted(configs, key=place))


def without_seed(config: RunConfig) -> RunConfig:
    """What the runs of one arm on one backbone have in common."""
    return dataclasses.replace(config, seed=0)


def labels(comparison: Comparison) -> dict[RunConfig, str]:
    """Config without its seed -> its row: the arm, after backbone and weights where there are several."""
    names = [backbone for backbone, _ in comparison.backbones]
    found: dict[RunConfig, str] = {}
    for shared in _on_backbones(comparison):
        for arm in comparison.strategies:
            backbone = shared.backbone if len(names) > 1 else ""
            several = names.count(shared.backbone) > 1 and not starts_at_random(arm.strategy)
            label = " ".join(filter(None, (backbone, shared.weights if several else "", arm.label)))
            found.setdefault(config_of(shared, arm, 0), label)
    return found


def label_of(comparison: Comparison, config: RunConfig) -> str:
    """What the row of a run is called, also when it was put among the others by hand."""
    return labels(comparison).get(without_seed(config), f"{config.backbone} {config.strategy}")


def run_name(comparison: Comparison, config: RunConfig) -> str:
    """What a run is called in the list of runs."""
    prefix = f"{comparison.name}: " if comparison.name.strip() else ""
    label = label_of(comparison, config)
    backbone = "" if label.startswith(config.backbone) else f"{config.backbone} "
    return f"{prefix}{backbone}{label}, seed {config.seed}"


def with_seeds(comparison: Comparison, count: int, *, strategy: str = "") -> Comparison:
    """The comparison with `count` more seeds for every arm, or for those of one strategy."""
    if not 1 <= count <= MOST_SEEDS:
        raise ConfigError(f"Add 1 to {MOST_SEEDS} seeds, not {count}.")
    if strategy and strategy not in {arm.strategy for arm in comparison.strategies}:
        raise ConfigError(f"{strategy} is not part of this comparison, so it cannot get seeds. Add the strategy first.")
    grown = tuple(_grown(arm, count) if strategy in ("", arm.strategy) else arm for arm in comparison.strategies)
    return dataclasses.replace(comparison, strategies=grown)


def with_arm(comparison: Comparison, arm: Arm) -> Comparison:
    """The comparison with one more arm; ConfigError when it has the very same one already."""
    if any(arm.label == other.label for other in comparison.strategies):
        raise ConfigError(
            f"{arm.label} is part of this comparison already. Add seeds to it, or give it another setting."
        )
    return dataclasses.replace(comparison, strategies=(*comparison.strategies, arm))


def with_margin(comparison: Comparison, margin: float) -> Comparison:
    """The comparison judged with another margin, in points."""
    least, most = MARGINS
    if not least <= margin <= most:
        raise ConfigError(f"A margin is {least:g} to {most:g} points, not {margin:g}.")
    return dataclasses.replace(comparison, margin=margin)


def to_json(comparison: Comparison) -> str:
    return record_files.encode(comparison)


def from_json(text: str) -> Comparison:
    """The comparison in `text`; ConfigError when this version cannot read it, or does not know one of its options."""
    body = record_files.decode(text, _Options, what="This comparison", error=ConfigError)
    config_from_json(bytes(body.shared).decode())
    return record_files.decode(text, Comparison, what="This comparison", error=ConfigError)


class _Options(msgspec.Struct):
    shared: msgspec.Raw


def _grown(arm: Arm, count: int) -> Arm:
    first = max(arm.seeds, default=-1) + 1
    return dataclasses.replace(arm, seeds=(*arm.seeds, *range(first, first + count)))


def _effort(config: RunConfig, outlines: Outlines, workspace: Workspace) -> Effort:
    if config.backbone in outlines:
        return effort(outlines[config.backbone], budgeted(config, workspace))
    position = list(STRATEGIES).index(config.strategy)
    return Effort(cut=-position, work=float(position))
