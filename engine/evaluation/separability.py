"""Separability: how much of the classes can be read from features by a straight line or by their neighbours, each image
judged by the others.

Not here: where features come from (jobs.probe).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from engine.evaluation.metrics import wilson_interval
from engine.evaluation.paired import holm

Features = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Correct = npt.NDArray[np.bool_]

PENALTIES = tuple(float(10.0**power) for power in range(-4, 4))
"""Tried for every block; in units of the mean square of a direction of the features, so that their scale does not
matter."""
DIMENSIONS = 512
NEIGHBOURS = 5
SURE = 0.05


@dataclass(frozen=True, kw_only=True)
class ProbeScore:
    """Leave-one-out accuracy with the 95 % Wilson interval, and which images were right."""

    accuracy: float
    low: float
    high: float
    correct: tuple[bool, ...]


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """What a curve over depth predicts: the block where features carry furthest, and those not shown to be worse."""

    block: int
    alike: tuple[int, ...]


def probe_score(correct: Correct) -> ProbeScore:
    """`correct` [n], one for every image; n > 0."""
    low, high = wilson_interval(int(correct.sum()), len(correct))
    return ProbeScore(accuracy=float(correct.mean()), low=low, high=high, correct=tuple(correct.tolist()))


def ridge_score(features: Features, labels: Labels) -> ProbeScore:
    """A ridge classifier, one class against the rest, every image judged by a fit to all others; closed form.

    Leaving an image out makes its class look rarer by one, so that features which say nothing would be wrong every
    time; how frequent the classes are is therefore taken from all images.
    """
    shown, classes = principal_directions(features), np.unique(labels)
    targets = np.where(labels[:, None] == classes[None, :], 1.0, -1.0)
    unit, means = max(float((shown**2).sum()) / shown.shape[1], 1e-12), targets.mean(0)
    rarer = (len(targets) * means - targets) / (len(targets) - 1) - means
    answers = [leave_one_out(shown, targets, penalty * unit) - rarer for penalty in PENALTIES]
    best = min(answers, key=lambda answer: ((answer - targets) ** 2).mean())  # accuracy would be picked for its luck
    told = best.round(9)  # else the last digit of equal answers, which knows the image's own class, would decide
    return probe_score(told.argmax(1) == np.searchsorted(classes, labels))


def leave_one_out(features: Features, targets: Features, penalty: float) -> Features:
    """[n, classes]: what ridge regression with a free intercept, fitted to all rows but one, says of that one, for
    every row.

    `features` [n, d], `targets` [n, classes]. The eigenvalues of one decomposition give all n fits.
    """
    count = len(features)
    centred, means = features - features.mean(0), targets.mean(0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    shrunk = sizes**2 / (sizes**2 + penalty)
    fitted = means + (left * shrunk) @ (left.T @ (targets - means))
    leverage = 1 / count + (left**2 * shrunk).sum(1)
    return np.asarray(targets - (targets - fitted) / np.maximum(1 - leverage, 1e-9)[:, None])


def neighbours_score(features: Features, labels: Labels, k: int = NEIGHBOURS) -> ProbeScore:
    """The class that most of the `k` nearest other images have, by cosine; a tie goes to the class that is nearer in
    sum."""
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -np.inf)
    classes = np.unique(labels)
    nearest = np.argsort(-alike, axis=1, kind="stable")[:, : max(1, min(k, len(labels) - 1))]
    near = np.take_along_axis(alike, nearest, 1)
    votes = np.stack([((labels[nearest] == one) * (1 + 1e-3 * near)).sum(1) for one in classes], axis=1)
    return probe_score(classes[votes.argmax(1)] == labels)


def majority_score(labels: Labels) -> ProbeScore:
    """Answering with the most frequent class, whatever the image."""
    return probe_score(labels == np.bincount(labels).argmax())


def principal_directions(features: Features) -> Features:
    """The directions in which features [n, d] vary most, at most 512 of them: [n, k], centred. What is not finite
    counts as 0."""
    finite = np.nan_to_num(features, posinf=0.0, neginf=0.0)
    left, sizes, _ = np.linalg.svd(finite - finite.mean(0), full_matrices=False)
    kept = max(1, min(DIMENSIONS, int((sizes > 1e-9 * max(float(sizes[0]), 1e-300)).sum())))
    return np.asarray(left[:, :kept] * sizes[:kept])


def stratified_sample(labels: Labels, most: int, *, seed: int) -> npt.NDArray[np.int64]:
    """Places of at most `most` of `labels` in rising order, each class with its share and at least one; decided by
    `seed`."""
    if len(labels) <= most:
        return np.arange(len(labels))
    random = np.random.default_rng([seed, len(labels)])
    rank = np.empty(len(labels))
    for one in np.unique(labels):
        places = random.permutation(np.flatnonzero(labels == one))
        rank[places] = (np.arange(len(places)) + random.random()) / len(places)
        rank[places[0]] = -1.0
    return np.sort(np.argsort(rank, kind="stable")[:most])


def suggest(scores: Sequence[ProbeScore]) -> Suggestion:
    """The peak of a curve over depth, the deepest one of equals because it trains least, and what is not shown to be
    below it."""
    peak = max(range(len(scores)), key=lambda place: (scores[place].accuracy, place))
    return Suggestion(block=peak, alike=not_shown_worse(scores, best=peak))


def not_shown_worse(scores: Sequence[ProbeScore], *, best: int) -> tuple[int, ...]:
    """The places of those that cannot be told apart from the best, which the same images were asked about.

    Shown by McNemar's exact test with Holm's correction. The images that are judged made the best one best, so that any
    two could have become the ones looked at: the factors are all pairs among those left.
    """
    others = [place for place in range(len(scores)) if place != best]
    left = np.arange(len(others), 0, -1)
    chances = holm(np.array([_chance(scores[best], scores[place]) for place in others]), left * (left + 1) // 2)
    return tuple(place for place, p in zip(others, chances, strict=True) if p > SURE)


def _chance(one: ProbeScore, other: ProbeScore) -> float:
    """How likely a disagreement this uneven is when both are equally good."""
    first, second = np.array(one.correct), np.array(other.correct)
    gained, lost = int((first & ~second).sum()), int((second & ~first).sum())
    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
