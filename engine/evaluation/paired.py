"""Paired differences: two strategies on the same images, how far apart they are and how sure that is.

The images are the same for both strategies, the seeds are each one's own. Where nobody ran twice: McNemar's mid-p.
Otherwise: a t statistic over images and seeds. Not here: several rivals at once (verdict), how many images it takes
(power), resampling (bootstrap).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import bdtr, stdtr, stdtrit
from scipy.stats import binom

from engine.errors import RunError

Correct = np.ndarray
"""Bool [seeds, images]: whether the run with this seed was right on this image."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Accuracy of the first minus that of the second, a share, and what it takes to judge it.

    `image_variance` and `seed_variance` are of the mean difference; `seed_variance` is None where no strategy ran
    twice: then only these trained models are compared, and `discordant` counts (only first right, only second right).
    """

    value: float
    images: int
    image_variance: float
    seed_variance: float | None
    freedom: float
    centre: float
    discordant: tuple[int, int] | None
    p: float


@dataclass(frozen=True, kw_only=True)
class SeedVariance:
    """Variance of one run's accuracy from seed to seed.

    `whole` is as observed; `alone` is without the disagreement on single images, which the variance over images counts
    already; it can come out below zero. `freedom` is how many seeds beyond the first it rests on.
    """

    alone: float
    whole: float
    freedom: int


def checked(correct: np.ndarray, name: str) -> Correct:
    """`correct` as bool [seeds, images]; RunError where it is something else, or empty."""
    array = np.asarray(correct)
    if array.ndim != 2 or 0 in array.shape:
        raise RunError(
            f"{name}: correctness needs the shape [seeds, images] with at least one of each, not {list(array.shape)}."
        )
    if array.dtype != np.bool_ and not np.isin(array, (0, 1)).all():
        raise RunError(f"{name}: correctness is true or false for every image; leave out images without a label.")
    return array.astype(np.bool_)


def mcnemar_mid_p(first_only: int, second_only: int) -> float:
    """Two-sided mid-p of McNemar's test from the two discordant counts (Fagerland, Lydersen, Laake 2013)."""
    total = first_only + second_only
    low = min(first_only, second_only)
    return min(1.0, float(2 * binom.cdf(low, total, 0.5) - binom.pmf(low, total, 0.5)))


def pooled_seed_variance(entrants: Sequence[Correct]) -> SeedVariance | None:
    """What seeds do to all of these together, weighted by their degrees of freedom; None where none ran twice."""
    lucks = [luck for luck in map(_own_luck, entrants) if luck]
    freedom = sum(luck.freedom for luck in lucks)
    if not freedom:
        return None
    alone, whole = (sum(getattr(luck, part) * luck.freedom for luck in lucks) / freedom for part in ("alone", "whole"))
    return SeedVariance(alone=alone, whole=whole, freedom=freedom)


def difference(first: Correct, second: Correct, luck: SeedVariance | None = None) -> Difference:
    """The paired difference of two strategies on the same images; `luck` pools the seeds of all that are compared
    (default: of the two).

    Images: the variance of each image's mean difference, with one image added that only the first gets right and one
    that only the second does (Bonett and Price 2012), so that few disagreements do not pass for certainty. Seeds: each
    strategy's own variance, but never less than `luck`, because two or three seeds often look alike by chance. Degrees
    of freedom by Satterthwaite.
    """
    if first.shape[1] != second.shape[1]:
        raise RunError(f"Paired comparison needs the same images: {first.shape[1]} and {second.shape[1]} do not match.")
    each = first.mean(axis=0) - second.mean(axis=0)
    images = len(each)
    total, squares = float(each.sum()), float((each * each).sum()) + 2.0
    centre = total / (images + 2)
    image_variance = (squares / (images + 2) - centre * centre) / (images + 2)
    seed_variance, freedom = _seeds(
        first, second, luck or pooled_seed_variance([first, second]), image_variance=image_variance
    )
    discordant = None
    if seed_variance is None:
        discordant = (int((each > 0).sum()), int((each < 0).sum()))
        p = mcnemar_mid_p(*discordant)
    else:
        p = float(2 * stdtr(freedom, -abs(centre) / np.sqrt(image_variance + seed_variance)))
    return Difference(
        value=total / images,
        images=images,
        image_variance=image_variance,
        seed_variance=seed_variance,
        freedom=freedom,
        centre=centre,
        discordant=discordant,
        p=p,
    )


def interval(gap: Difference, level: float = 0.95) -> tuple[float, float]:
    """The interval of the difference; it holds zero exactly when `gap.p` is at least 1 - level.

    For one seed each it spans both Bonett and Price's interval and the one that belongs to the mid-p.
    """
    tail = (1 - level) / 2
    error = float(-stdtrit(gap.freedom, tail)) * float(np.sqrt(gap.image_variance + (gap.seed_variance or 0.0)))
    low, high = gap.centre - error, gap.centre + error
    if gap.discordant is not None:
        inner = _mid_p_interval(*gap.discordant, images=gap.images, tail=tail)
        if gap.p < 1 - level:  # the test decides on which side of zero
            low = inner[0] if low <= 0 < gap.value else low
            high = inner[1] if high >= 0 > gap.value else high
        low, high = min(low, inner[0]), max(high, inner[1])
    return max(-1.0, low), min(1.0, high)


def holm(p_values: np.ndarray, multiplicities: np.ndarray | None = None) -> np.ndarray:
    """Holm's adjusted p values [comparisons], in the order given.

    `multiplicities` [comparisons] are the factors of the smallest p, the next one...; default m, m - 1, ..., 1.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    factors = np.arange(len(p_values), 0, -1) if multiplicities is None else np.asarray(multiplicities)
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * p_values[order]))
    return adjusted


def _own_luck(correct: Correct) -> SeedVariance | None:
    """Two-way layout, seeds by images: what of the variance between seeds their disagreement on single images does not
    explain."""
    seeds, images = correct.shape
    if seeds < 2:
        return None
    whole = float(correct.mean(axis=1).var(ddof=1))
    right = correct.mean(axis=0)
    within = float((right * (1 - right)).mean() * seeds / (seeds - 1))
    return SeedVariance(alone=whole - (within - whole) / max(images - 1, 1), whole=whole, freedom=seeds - 1)


def _seeds(
    first: Correct, second: Correct, luck: SeedVariance | None, *, image_variance: float
) -> tuple[float | None, float]:
    """(variance of the mean difference that seeds cause, degrees of freedom of the whole); None where nobody ran
    twice."""
    images = first.shape[1] + 2
    if luck is None:
        return None, float(images - 1)
    owns = [_own_luck(correct) for correct in (first, second)]
    used = [own if own and own.alone > luck.alone else luck for own in owns]
    parts = list(zip(used, (len(first), len(second)), strict=True))
    variance = sum(max(0.0, part.alone) / seeds for part, seeds in parts)
    spreads = [part.whole / seeds / part.freedom**0.5 for part, seeds in parts]
    # the pool holds the strategy's own runs too, so that both err together
    spread = sum(spreads) ** 2 if luck in used else sum(each**2 for each in spreads)
    return variance, (image_variance + variance) ** 2 / (spread + image_variance**2 / (images - 1))


def _mid_p_interval(first_only: int, second_only: int, *, images: int, tail: float) -> tuple[float, float]:
    """The difference for the shares of "first only" among the discordant that a mid-p test at `tail` on each side
    keeps."""
    total = first_only + second_only
    if not total:
        return 0.0, 0.0
    low = _least_share(first_only, total, tail)
    high = 1.0 - _least_share(second_only, total, tail)
    return (2 * low - 1) * total / images, (2 * high - 1) * total / images


def _least_share(count: int, total: int, tail: float) -> float:
    if count == 0:
        return 0.0

    def excess(share: float) -> float:
        above, at_least = 1 - bdtr(count, total, share), 1 - bdtr(count - 1, total, share)
        return float(above + at_least) / 2 - tail

    return float(brentq(excess, 0.0, 1.0)) if excess(1.0) > 0 else 1.0
