"""Rivals: the chosen strategy against each of the others, with intervals that hold together at 95 %.

Not here: two strategies alone (paired), choosing (verdict), what to take (advice).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.evaluation.clusters import Groups
from engine.evaluation.margin import MARGIN_POINTS
from engine.evaluation.paired import Correct, Difference, difference, holm, interval, seed_variances
from engine.evaluation.power import images_needed

Outcome = Literal["better", "worse", "no difference shown", "equivalent"]
ERROR = 0.05
"""How often at most a verdict says "better" or "worse" at least once when all strategies are equally good."""


@dataclass(frozen=True, kw_only=True)
class Rival:
    """The chosen strategy against this one; `outcome` is the chosen one's, numbers are points (chosen minus rival).

    `adjusted_p` counts all comparisons. `hidden` is the largest difference the interval leaves open, `more_images` how
    many more would show a difference of the margin, or exclude it between equals, with 80 % power; None where only
    more seeds can.
    """

    name: str
    difference: float
    low: float
    high: float
    p: float
    adjusted_p: float
    outcome: Outcome
    hidden: float
    more_images: int | None


def compare(
    judged: dict[str, Correct],
    chosen: str,
    *,
    margin: float = MARGIN_POINTS,
    independent: bool,
    solved: Collection[str] = (),
    groups: Groups | None = None,
) -> tuple[Rival, ...]:
    """The chosen strategy against each other one, with simultaneous intervals that agree with the adjusted p values.

    `independent` says that other images made the choice: then Holm's factors are k-1, k-2, ..., 1. Otherwise any pair
    could have become the one looked at, and the factors are all pairs among those left. Seeds do nothing to those that
    are `solved`. Images of one of the `groups` belong together.
    """
    names = [name for name in judged if name != chosen]
    variances = seed_variances(list(judged.values()), [name in solved for name in judged], groups)
    lucks = dict(zip(judged, variances, strict=True))
    gaps = [difference(judged[chosen], judged[name], (lucks[chosen], lucks[name]), groups=groups) for name in names]
    left = np.arange(len(names), 0, -1)
    factors = left if independent else left * (left + 1) // 2
    adjusted = holm(np.array([gap.p for gap in gaps]), factors)
    shown = int((adjusted <= ERROR).sum())
    first, following = (ERROR / factors[0], ERROR / factors[min(shown, len(names) - 1)]) if names else (ERROR, ERROR)
    rivals = []
    for name, gap, p in zip(names, gaps, adjusted, strict=True):
        bounds = _interval(gap, first, shown=True) if p <= ERROR else _interval(gap, following, shown=False)
        rivals.append(_rival(name, gap, float(p), bounds=bounds, margin=margin, error=following))
    return tuple(rivals)


def _interval(gap: Difference, error: float, shown: bool) -> tuple[float, float]:
    """The interval of a step of Holm's procedure: past a rejection only the sign is gained (Guilbaud 2008)."""
    low, high = interval(gap, 1 - error)
    if shown:
        return (max(low, 0.0), high) if gap.value > 0 else (low, min(high, 0.0))
    return min(low, 0.0), max(high, 0.0)


def _rival(
    name: str, gap: Difference, adjusted: float, *, bounds: tuple[float, float], margin: float, error: float
) -> Rival:
    low, high = 100 * bounds[0], 100 * bounds[1]
    outcome: Outcome = "no difference shown"
    if adjusted <= ERROR:
        outcome = "better" if gap.value > 0 else "worse"
    elif max(-low, high) <= margin:
        outcome = "equivalent"
    needed = images_needed(
        margin / 100, gap.image_variance * gap.images, gap.seed_variance or 0.0, freedom=gap.freedom, alpha=float(error)
    )
    return Rival(
        name=name,
        difference=100 * gap.value,
        low=low,
        high=high,
        p=gap.p,
        adjusted_p=adjusted,
        outcome=outcome,
        hidden=max(-low, high),
        more_images=None if needed is None else max(0, needed - gap.images),
    )
