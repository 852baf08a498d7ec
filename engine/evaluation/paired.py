"""Paired differences: two strategies on the same images, how far apart they are and how sure that is.

The images are the same for both strategies, the seeds are each one's own. Where nobody ran twice, or seeds do nothing:
McNemar's mid-p. Otherwise, and where images come in groups: a t statistic over images (or groups) and seeds. Not here:
several rivals at once (rivals), how many images it takes (power), resampling (bootstrap).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import bdtr, stdtr, stdtrit
from scipy.stats import binom

from engine.errors import RunError
from engine.evaluation.clusters import Clusters, Groups, clustered

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
    already; it can come out below zero. `freedom` is how many seeds beyond the first it rests on; `shared` says that
    it is an average of several strategies.
    """

    alone: float
    whole: float
    freedom: float
    shared: bool = False


SOLVED = SeedVariance(alone=0.0, whole=0.0, freedom=math.inf)
"""Of a strategy that is solved to its optimum: another seed gives the same run, which is known and not estimated."""
Lucks = tuple[SeedVariance | None, SeedVariance | None]


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


def seed_variances(
    entrants: Sequence[Correct], solved: Sequence[bool] = (), groups: Groups | None = None
) -> list[SeedVariance | None]:
    """What seeds do to each of these: its own variance, but never less than the average of all, because two or three
    seeds often look alike by chance; the average where it ran once; None where nobody ran twice.

    Those that are `solved` have none, and lend none to the average.
    """
    known = list(solved) or [False] * len(entrants)
    clusters = clustered(groups)
    owns = [None if sure else _own_luck(correct, clusters) for correct, sure in zip(entrants, known, strict=True)]
    average = _average([own for own in owns if own])
    floored = [average if average is None or own is None or own.alone <= average.alone else own for own in owns]
    return [SOLVED if sure else luck for luck, sure in zip(floored, known, strict=True)]


def difference(
    first: Correct, second: Correct, lucks: Lucks | None = None, *, groups: Groups | None = None
) -> Difference:
    """The paired difference of two strategies on the same images; `lucks` is what seeds do to each (default: as these
    two show), `groups` which images belong together.

    Images: the variance of each image's mean difference, with one image added that only the first gets right and one
    that only the second does (Bonett and Price 2012), so that few disagreements do not pass for certainty. Seeds: the
    variance of each strategy. Degrees of freedom by Satterthwaite. Where nobody ran twice, or seeds do nothing to
    either, images alone are uncertain. Groups: images of a group count together, and the usual disagreement of a group
    is added each way (docs/verdict.md has the figures).
    """
    if first.shape[1] != second.shape[1]:
        raise RunError(f"Paired comparison needs the same images: {first.shape[1]} and {second.shape[1]} do not match.")
    each = first.mean(axis=0) - second.mean(axis=0)
    images = len(each)
    clusters = clustered(groups)
    centre, image_variance, known = _over_images(each) if clusters is None else _over_groups(each, clusters)
    one, other = lucks or seed_variances([first, second], groups=groups)
    parts = [(luck, len(runs)) for luck, runs in ((one, first), (other, second)) if luck]
    seed_variance, freedom = _seeds(parts, image_variance, known) if len(parts) == 2 else (None, known)
    discordant = None
    if clusters is None and (len(parts) < 2 or one is other is SOLVED):
        discordant = (int((each > 0).sum()), int((each < 0).sum()))
        p = mcnemar_mid_p(*discordant)
    else:
        p = float(2 * stdtr(freedom, -abs(centre) / np.sqrt(image_variance + (seed_variance or 0.0))))
    return Difference(
        value=float(each.sum()) / images,
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


def _over_images(each: np.ndarray) -> tuple[float, float, float]:
    """(centre, variance of the mean, degrees of freedom) of the differences [images]."""
    count = len(each) + 2
    centre = float(each.sum()) / count
    variance = ((float((each * each).sum()) + 2.0) / count - centre * centre) / count
    return centre, variance, len(each) + 1.0


def _over_groups(each: np.ndarray, clusters: Clusters) -> tuple[float, float, float]:
    """The same where images come in groups; never surer than if every image stood for itself."""
    groups, sums = len(clusters.sizes), np.abs(clusters.totals(each))
    usual = float((sums * sums).sum() / sums.sum()) if sums.any() else clusters.usual_size
    size = min(max(usual, 1.0), clusters.usual_size)
    count = len(each) + 2 * size
    centre = float(each.sum()) / count
    apart = clusters.totals(each) - clusters.sizes * centre
    squares = float((apart * apart).sum()) + 2 * size * size * (1 + centre * centre)
    variance = squares * (groups + 2) / (groups + 1) / count**2
    return centre, max(variance, _over_images(each)[1]), clusters.effective + 1.0


def _own_luck(correct: Correct, clusters: Clusters | None) -> SeedVariance | None:
    """Two-way layout, seeds by images: what of the variance between seeds their disagreement on single images, or
    groups, does not explain."""
    seeds, images = correct.shape
    if seeds < 2:
        return None
    whole = float(correct.mean(axis=1).var(ddof=1))
    if clusters is not None:
        left = correct - correct.mean(axis=0) - correct.mean(axis=1, keepdims=True) + correct.mean()
        groups = len(clusters.sizes)
        explained = float(np.square(clusters.totals(left)).sum()) * groups / max(groups - 1, 1)
        return SeedVariance(alone=whole - explained / (seeds - 1) / images**2, whole=whole, freedom=seeds - 1)
    right = correct.mean(axis=0)
    within = float((right * (1 - right)).mean() * seeds / (seeds - 1))
    return SeedVariance(alone=whole - (within - whole) / max(images - 1, 1), whole=whole, freedom=seeds - 1)


def _average(lucks: Sequence[SeedVariance]) -> SeedVariance | None:
    """Of those that ran more than once, weighted by their degrees of freedom; None without any.

    Beside a single one there is no average to guard against seeds that look alike by chance. It is then taken to be
    larger by the variance that its own square has, 2 / freedom (docs/verdict.md has the figures).
    """
    freedom = sum(luck.freedom for luck in lucks)
    if not freedom:
        return None
    weight = (1 + 2 / freedom if len(lucks) == 1 else 1.0) / freedom
    alone, whole = (sum(getattr(luck, part) * luck.freedom for luck in lucks) * weight for part in ("alone", "whole"))
    return SeedVariance(alone=alone, whole=whole, freedom=freedom, shared=True)


def _seeds(parts: Sequence[tuple[SeedVariance, int]], image_variance: float, freedom: float) -> tuple[float, float]:
    """(variance of the mean difference that seeds cause, degrees of freedom of the whole); `parts` are each strategy's
    variance and number of seeds, `freedom` is that of the variance over images."""
    variance = sum(max(0.0, luck.alone) / seeds for luck, seeds in parts)
    spreads = [luck.whole / seeds / luck.freedom**0.5 for luck, seeds in parts]
    # an average holds the strategy's own runs too, so that both err together
    together = any(luck.shared for luck, _ in parts)
    spread = sum(spreads) ** 2 if together else sum(each**2 for each in spreads)
    return variance, (image_variance + variance) ** 2 / (spread + image_variance**2 / freedom)


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
