"""Advice: which strategy to take, and whether that is shown or only the best that is known.

A cheaper strategy is as good as the chosen one where the interval of their difference excludes a loss above a margin
(non-inferiority); not to be shown to be worse is not enough. Not here: the intervals (rivals), the sentences
(comparisons.wording).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engine.evaluation.rivals import Rival

Reason = Literal[
    "alone", "rival is better", "rival is as good", "all are worse", "none is better", "cheaper may do", "dearer may do"
]
"""The chosen one has no rival; one is shown to be better; a cheaper one is shown to be as good; all others are shown to
be worse; none is better by more than the margin, and none that is cheaper may be as good. Not shown: whether a cheaper
one is as good; whether a dearer one is better by more than the margin."""
SHOWN: frozenset[Reason] = frozenset({"rival is better", "rival is as good", "all are worse", "none is better"})


@dataclass(frozen=True, kw_only=True)
class Advice:
    """Take this one, because of `rival` where the reason is about one."""

    take: str
    reason: Reason
    rival: Rival | None = None

    @property
    def shown(self) -> bool:
        """Whether what is taken is shown to lose no more than the margin; otherwise it is what to take meanwhile."""
        return self.reason in SHOWN


def advise(
    chosen: str, rivals: Sequence[Rival], *, margin: float, cheapest_first: Sequence[str], ranked: Sequence[str]
) -> Advice:
    """What to take; `margin` in points, `cheapest_first` and `ranked` (by validation, the best first) name all
    strategies.

    Intervals hold together, so that in 95 % of verdicts or more nothing is called as good that loses more than the
    margin against the chosen one, whichever is looked at.
    """
    beside = {rival.name: rival for rival in rivals}
    cheaper = [beside[name] for name in cheapest_first[: cheapest_first.index(chosen)]]
    if not rivals:
        return Advice(take=chosen, reason="alone")
    if better := [beside[name] for name in ranked if name in beside and beside[name].outcome == "worse"]:
        return Advice(take=better[0].name, reason="rival is better", rival=better[0])
    if as_good := [rival for rival in cheaper if rival.high <= margin]:
        return Advice(take=as_good[0].name, reason="rival is as good", rival=as_good[0])
    if all(rival.outcome == "better" for rival in rivals):
        return Advice(take=chosen, reason="all are worse")
    if undecided := [rival for rival in cheaper if rival.outcome != "better"]:
        return Advice(take=chosen, reason="cheaper may do", rival=undecided[0])
    most = min(rivals, key=lambda rival: rival.low)
    return Advice(take=chosen, reason="dearer may do" if most.low < -margin else "none is better", rival=most)
