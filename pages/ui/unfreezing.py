"""Unfreezing: when which blocks start or cease to train, from what a run said when it started.

Not here: drawing it; the curves, the strip and the proof ask.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from pages.ui import text


@dataclass(frozen=True, kw_only=True)
class Change:
    """The beginning of a phase after the first."""

    epoch: int
    """The first epoch of the phase, from 1."""
    says: str


def changes(started: Mapping[str, object]) -> list[Change]:
    """What happens at the start of every phase but the first: `layer4 starts to train`."""
    blocks, firsts = _blocks(started), _first_of_phases(started)
    return [Change(epoch=first, says=_says(blocks, phase)) for phase, first in enumerate(firsts) if phase]


def first_epochs(started: Mapping[str, object]) -> dict[str, int]:
    """Block -> the epoch, from 1, in which it first trains; blocks that never train are absent."""
    firsts = _first_of_phases(started)
    return {str(b["name"]): firsts[b["trains"].index(True)] for b in _blocks(started) if True in b["trains"]}


def phase_of(started: Mapping[str, object], epoch: int) -> int:
    """The phase, from 0, that `epoch`, from 1, belongs to; the last one for an epoch beyond the plan."""
    return max((phase for phase, first in enumerate(_first_of_phases(started)) if first <= epoch), default=0)


def _says(blocks: Sequence[Mapping], phase: int) -> str:
    started = [b for b in blocks if b["trains"][phase] and not b["trains"][phase - 1]]
    frozen = [b for b in blocks if b["trains"][phase - 1] and not b["trains"][phase]]
    if started and all(b["trains"][phase] for b in blocks):
        return "all blocks train"
    said = [f"{_names(started)} {'starts' if _one(started) else 'start'} to train"] if started else []
    said += [f"{_names(frozen)} {'freezes' if _one(frozen) else 'freeze'}"] if frozen else []
    return ", ".join(said) or f"phase {phase + 1} begins"


def _names(blocks: Sequence[Mapping]) -> str:
    """Stages rather than blocks; the ones nearest the head first, where unfreezing begins."""
    stages = list(dict.fromkeys(str(block["stage"]) for block in reversed(blocks)))
    return text.listing([text.short(stage.rpartition(".")[2] if len(stages) > 1 else stage, 24) for stage in stages], 2)


def _one(blocks: Sequence[Mapping]) -> bool:
    return len({block["stage"] for block in blocks}) == 1


def _first_of_phases(started: Mapping[str, object]) -> list[int]:
    firsts, epoch = [], 1
    for phase in cast(Sequence[Mapping], started.get("phases") or ()):
        firsts.append(epoch)
        epoch += int(phase["epochs"])
    return firsts


def _blocks(started: Mapping[str, object]) -> Sequence[Mapping]:
    return cast(Sequence[Mapping], started.get("blocks") or ())
