"""Plan: which parameters train, in which phase, at which rate, and what follows from that; loads without torch.

Everything a phase does not name is frozen: no gradient, and blocks in which nothing trains run in eval mode. Not here:
which strategy makes which plan (strategies).
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from engine.models.outline import Outline
from engine.models.sources.source import SOURCES

How = Literal["steps", "solved", "interpolated"]
SHARES = tuple(tenth / 10 for tenth in range(11))
"""Of the fine-tuned weights, in the mixtures that are tried."""

_NO_DECAY = tuple(name for source in SOURCES.values() for name in source.no_decay)


@dataclass(frozen=True, kw_only=True)
class Phase:
    parameters: tuple[str, ...]
    epochs: int
    lr: float
    """Peak learning rate of the head."""
    body_share: float = 1.0
    """What all other blocks have of it, before the decay."""
    lr_decay: float = 1.0
    """Multiplied in once for every block from the head down."""
    how: How = "steps"
    """By gradient steps; or in one epoch, whatever the rate: the head is solved, brought to its optimum, or the weights
    are interpolated between the end of the first phase and the best of the others."""

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(self.parameters)


@dataclass(frozen=True, kw_only=True)
class FreezePlan:
    phases: tuple[Phase, ...]

    @property
    def epochs(self) -> int:
        return sum(phase.epochs for phase in self.phases)

    @property
    def solved(self) -> bool:
        """Whether it takes no steps at all."""
        return all(phase.how == "solved" for phase in self.phases)

    @property
    def interpolated(self) -> bool:
        """Whether it ends with a mixture of weights."""
        return bool(self.phases) and self.phases[-1].how == "interpolated"

    @property
    def before_last_steps(self) -> int:
        """Epochs before the last phase that takes steps."""
        return self.epochs - sum(phase.epochs for phase in self.phases[-2 if self.interpolated else -1 :])


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group of the optimizer: parameters of one block that share a rate and a weight decay."""

    name: str
    parameters: tuple[str, ...]
    rates: tuple[float, ...]
    """Peak learning rate in every phase; 0 where the group is frozen."""
    decays: bool


def trainable_blocks(outline: Outline, phase: Phase) -> tuple[bool, ...]:
    """Whether anything in the block trains, for every block."""
    return tuple(not phase.names.isdisjoint(block.names) for block in outline.blocks)


def prefix_length(outline: Outline, phase: Phase) -> int:
    """How many leading blocks are frozen: their output is a pure function of the image."""
    return trainable_blocks(outline, phase).index(True)


def scaled(plan: FreezePlan, factor: float) -> FreezePlan:
    return replace(plan, phases=tuple(replace(phase, lr=factor * phase.lr) for phase in plan.phases))


def untouched(outline: Outline, plan: FreezePlan, epoch: int) -> int:
    """How many leading blocks have never trained by the end of `epoch` (0-based), so that kept activations hold."""
    begun, _ = phase_at(plan, epoch)
    return min(prefix_length(outline, phase) for phase in plan.phases[: begun + 1])


def trainable_size(outline: Outline, phase: Phase) -> int:
    """How many values train."""
    return sum(p.size for block in outline.blocks for p in block.parameters if p.name in phase.names)


def phase_at(plan: FreezePlan, epoch: int) -> tuple[int, int]:
    """(index of the phase, first epoch of that phase) for the 0-based `epoch`."""
    first = 0
    for index, phase in enumerate(plan.phases):
        if epoch < first + phase.epochs:
            return index, first
        first += phase.epochs
    raise ValueError(f"epoch {epoch} lies beyond the {first} epochs of the plan")


def groups(outline: Outline, plan: FreezePlan) -> tuple[Group, ...]:
    """Every group from step 0 on, so that resuming never meets another order.

    One for the parameters of a block that train in the same phases and share the weight decay rule: none for biases,
    norms and other one-dimensional tensors.
    """
    names: dict[tuple[int, bool, tuple[bool, ...]], list[str]] = {}
    for index, block in enumerate(outline.blocks):
        for parameter in block.parameters:
            decays = parameter.kind == "weight" and not any(part in parameter.name for part in _NO_DECAY)
            trains = tuple(parameter.name in phase.names for phase in plan.phases)
            if any(trains):
                names.setdefault((index, decays, trains), []).append(parameter.name)
    return tuple(
        Group(
            name=outline.blocks[index].name + ("" if decays else " (bias, norm)"),
            parameters=tuple(parameters),
            rates=tuple(
                _rate(phase, len(outline.blocks) - 1 - index) if active else 0.0
                for phase, active in zip(plan.phases, trains, strict=True)
            ),
            decays=decays,
        )
        for (index, decays, trains), parameters in names.items()
    )


def _rate(phase: Phase, depth: int) -> float:
    """The peak rate of the block `depth` blocks before the head, which is at depth 0."""
    return phase.lr * phase.body_share * phase.lr_decay**depth if depth else phase.lr
