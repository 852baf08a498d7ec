"""Unfreezing: when which blocks start or cease to train, from what a run said when it started.

Not here: drawing it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from engine.events import Started, StartedBlock
from pages.ui import text


@dataclass(frozen=True, kw_only=True)
class Change:
    """The beginning of a phase after the first."""

    epoch: int
    """The first epoch of the phase, from 1."""
    says: str


def changes(started: Started) -> list[Change]:
    """What happens at the start of every phase but the first: `layer4 starts to train`."""
    firsts = _first_of_phases(started)
    return [
        Change(epoch=first, says=_says(started.blocks, phase))
        for phase, first in enumerate(firsts)
        if phase and started.phases[phase].how == "steps"
    ]


def first_epochs(started: Started) -> dict[str, int]:
    """Block -> the epoch, from 1, in which it first trains; blocks that never train are absent."""
    firsts = _first_of_phases(started)
    return {block.name: firsts[block.trains.index(True)] for block in started.blocks if True in block.trains}


def phase_of(started: Started, epoch: int) -> int:
    """The phase, from 0, that `epoch`, from 1, belongs to; the last one for an epoch beyond the plan."""
    return max((phase for phase, first in enumerate(_first_of_phases(started)) if first <= epoch), default=0)


def _says(blocks: Sequence[StartedBlock], phase: int) -> str:
    starting = [block for block in blocks if block.trains[phase] and not block.trains[phase - 1]]
    freezing = [block for block in blocks if block.trains[phase - 1] and not block.trains[phase]]
    if starting and all(block.trains[phase] for block in blocks):
        return "all blocks train"
    parts = [_clause(starting, "starts to train", "start to train"), _clause(freezing, "freezes", "freeze")]
    return ", ".join(filter(None, parts)) or f"phase {phase + 1} begins"


def _clause(blocks: Sequence[StartedBlock], singular: str, plural: str) -> str:
    """Stages rather than blocks; the ones nearest the head first, where unfreezing begins. Empty without blocks."""
    stages = list(dict.fromkeys(block.stage for block in reversed(blocks)))
    match stages:
        case []:
            return ""
        case [stage]:
            return f"{text.short(stage, 24)} {singular}"
    names = [text.short(text.stage(stage), 24) for stage in stages]
    return f"{text.listing(names, 2)} {plural}"


def _first_of_phases(started: Started) -> list[int]:
    return list(accumulate((phase.epochs for phase in started.phases), initial=1))[:-1]
