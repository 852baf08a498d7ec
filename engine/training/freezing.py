"""Freeze plans: which parameters train, in which phase, at which rate. Plain data; loads without torch.

A strategy is a function (outline, config) -> FreezePlan; its docstring is its tooltip, its help text and its line in
the docs. Everything a phase does not name is frozen: no gradient, and blocks in which nothing trains run in eval mode.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from engine.config import RunConfig
from engine.errors import ConfigError
from engine.models.outline import BlockOutline, Outline

HEAD_RATE = 1e-3
FULL_RATE = 1e-4
NO_DECAY_NAMES = re.compile(r"logit_scale|relative_position_bias_table|class_token|pos_embedding|layer_scale")


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of epochs in which the same parameters train."""

    parameters: tuple[str, ...]
    epochs: int
    lr: float
    """Peak learning rate of the head."""
    lr_decay: float = 1.0
    """Multiplied in once for every block from the head down."""


@dataclass(frozen=True, kw_only=True)
class FreezePlan:
    strategy: str
    phases: tuple[Phase, ...]

    @property
    def epochs(self) -> int:
        return sum(phase.epochs for phase in self.phases)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Parameters of one block that share a rate and a weight decay: one group of the optimizer."""

    name: str
    parameters: tuple[str, ...]
    rates: tuple[float, ...]
    """Peak learning rate in every phase; 0 where the group is frozen."""
    decays: bool


Strategy = Callable[[Outline, RunConfig], FreezePlan]


def plan_for(outline: Outline, config: RunConfig) -> FreezePlan:
    """The plan that `config.strategy` makes for this backbone. ConfigError for a name we do not have."""
    if config.strategy not in STRATEGIES:
        raise ConfigError(f"There is no strategy {config.strategy!r}. Known strategies: {', '.join(STRATEGIES)}.")
    return STRATEGIES[config.strategy](outline, config)


def linear_probe(outline: Outline, config: RunConfig) -> FreezePlan:
    """Train only the new head. The backbone stays a fixed feature extractor: fastest, and hard to beat on few everyday photographs."""
    return _one_phase(outline, config, outline.blocks[-1:])


def last_block(outline: Outline, config: RunConfig) -> FreezePlan:
    """Train the head and the last block of the backbone. A little adaptation for a fraction of the cost."""
    return _one_phase(outline, config, _last_blocks(outline, 2))


def last_n(outline: Outline, config: RunConfig) -> FreezePlan:
    """Train the last N blocks, the head included. You choose how deep the adaptation goes."""
    return _one_phase(outline, config, _last_blocks(outline, config.last_n))


def named(outline: Outline, config: RunConfig) -> FreezePlan:
    """Train exactly the blocks or parameters you name, and the head. Patterns may use * and ?."""
    found = matches(outline, config.patterns)
    missing = [pattern for pattern, names in found.items() if not names]
    if missing or not found:
        near = ", ".join(block.name for block in outline.blocks[-6:])
        what = ", ".join(repr(pattern) for pattern in missing) or "The list of names"
        raise ConfigError(f"{what} matches no block and no parameter of {outline.backbone}. Its last blocks are {near}.")
    chosen = {name for names in found.values() for name in names} | {p.name for p in outline.blocks[-1].parameters}
    ordered = tuple(name for name in _all_names(outline.blocks) if name in chosen)
    return _plan(config, ordered, FULL_RATE if len(ordered) == len(_all_names(outline.blocks)) else HEAD_RATE)


def full_finetune(outline: Outline, config: RunConfig) -> FreezePlan:
    """Train everything. Most accurate when there are enough images or they look unlike everyday photographs; slowest."""
    return _plan(config, _all_names(outline.blocks), FULL_RATE)


STRATEGIES: dict[str, Strategy] = {f.__name__: f for f in (linear_probe, last_block, last_n, named, full_finetune)}


def matches(outline: Outline, patterns: str) -> dict[str, tuple[str, ...]]:
    """Pattern -> names of the parameters it selects, in forward order; a pattern may name blocks, stages or parameters."""
    wanted = [pattern.strip() for pattern in patterns.split(",") if pattern.strip()]
    return {pattern: tuple(_matching(outline.blocks, pattern)) for pattern in wanted}


def trainable_blocks(outline: Outline, phase: Phase) -> tuple[bool, ...]:
    """For every block, whether anything in it trains in `phase`."""
    chosen = set(phase.parameters)
    return tuple(any(parameter.name in chosen for parameter in block.parameters) for block in outline.blocks)


def prefix_length(outline: Outline, phase: Phase) -> int:
    """How many leading blocks are frozen: their output is a pure function of the image."""
    return trainable_blocks(outline, phase).index(True)


def trainable_size(outline: Outline, phase: Phase) -> int:
    """Number of values that train in `phase`."""
    chosen = set(phase.parameters)
    return sum(parameter.size for block in outline.blocks for parameter in block.parameters if parameter.name in chosen)


def phase_at(plan: FreezePlan, epoch: int) -> tuple[int, int]:
    """(index of the phase, first epoch of that phase) for the 0-based `epoch`."""
    first = 0
    for index, phase in enumerate(plan.phases):
        if epoch < first + phase.epochs:
            return index, first
        first += phase.epochs
    raise ValueError(f"epoch {epoch} lies beyond the {first} epochs of the plan")


def groups(outline: Outline, plan: FreezePlan) -> tuple[Group, ...]:
    """Every group of the optimizer from step 0 on, so that resuming never meets another order.

    A group holds the parameters of one block that train in the same phases and share the weight decay rule: none for
    biases, norms and other one-dimensional tensors.
    """
    phases = [set(phase.parameters) for phase in plan.phases]
    made: dict[tuple[str, bool, tuple[bool, ...]], Group] = {}
    for depth, block in zip(range(len(outline.blocks) - 1, -1, -1), outline.blocks, strict=True):
        for parameter in block.parameters:
            trains = tuple(parameter.name in chosen for chosen in phases)
            if not any(trains):
                continue
            decays = _decays(parameter.name, parameter.kind)
            rates = tuple(phase.lr * phase.lr_decay**depth if active else 0.0 for phase, active in zip(plan.phases, trains, strict=True))
            key = (block.name, decays, trains)
            names = (*(made[key].parameters if key in made else ()), parameter.name)
            label = block.name if decays else f"{block.name} (bias, norm)"
            made[key] = Group(name=label, parameters=names, rates=rates, decays=decays)
    return tuple(made.values())


def _one_phase(outline: Outline, config: RunConfig, blocks: Sequence[BlockOutline]) -> FreezePlan:
    names = _all_names(blocks)
    return _plan(config, names, FULL_RATE if len(blocks) == len(outline.blocks) else HEAD_RATE)


def _plan(config: RunConfig, parameters: tuple[str, ...], rate: float) -> FreezePlan:
    phase = Phase(parameters=parameters, epochs=config.epochs, lr=config.lr or rate, lr_decay=config.lr_decay)
    return FreezePlan(strategy=config.strategy, phases=(phase,))


def _last_blocks(outline: Outline, count: int) -> Sequence[BlockOutline]:
    """The last `count` blocks that hold weights; blocks with only a norm (DenseNet's norm5, ViT's ln) come along uncounted."""
    weighted = [index for index, block in enumerate(outline.blocks) if any(p.kind == "weight" for p in block.parameters)]
    return outline.blocks[weighted[-min(count, len(weighted))] if count < len(weighted) else 0 :]


def _all_names(blocks: Iterable[BlockOutline]) -> tuple[str, ...]:
    return tuple(parameter.name for block in blocks for parameter in block.parameters)


def _matching(blocks: Iterable[BlockOutline], pattern: str) -> Iterable[str]:
    for block in blocks:
        whole = any(fnmatchcase(name, pattern) or name.startswith(f"{pattern}.") for name in (block.name, block.stage))
        for parameter in block.parameters:
            if whole or fnmatchcase(parameter.name, pattern) or parameter.name.startswith(f"{pattern}."):
                yield parameter.name


def _decays(name: str, kind: str) -> bool:
    return kind == "weight" and not NO_DECAY_NAMES.search(name)
