"""Bootstrap over images and seeds: what the accuracies might have been on other images with other seeds.

Images, or groups of them, are drawn once for all strategies, so that differences stay paired; seeds are drawn within
each strategy. A
resample is a row of multinomial weights, so that all of them are one matrix product. Not here: tests (paired); the
verdict uses this only to say how firm a choice was, because with few seeds its intervals are too narrow
(docs/verdict.md has the figures).
"""

from collections.abc import Sequence

import numpy as np

from engine.evaluation.clusters import Clusters, Groups, clustered
from engine.evaluation.paired import Correct


def resampled_accuracies(
    entrants: Sequence[Correct], resamples: int = 2000, seed: int = 0, *, groups: Groups | None = None
) -> np.ndarray:
    """Accuracies [resamples, entrants]; the same for the same `seed`. With one seed only images are drawn again, whole
    `groups` where they come in groups (the cluster bootstrap of Davison and Hinkley 1997, 3.8)."""
    draw = np.random.default_rng(seed)
    kinds, counts = _kinds(np.concatenate(entrants), clustered(groups))
    units = int(counts.sum())
    weights = draw.multinomial(units, counts / units, size=resamples) / units
    means = weights @ kinds[:-1].T / (weights @ kinds[-1])[:, None]
    result = np.empty((resamples, len(entrants)))
    start = 0
    for column, correct in enumerate(entrants):
        seeds = len(correct)
        shares = draw.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples) / seeds
        result[:, column] = (means[:, start : start + seeds] * shares).sum(axis=1)
        start += seeds
    return result


def chosen_shares(
    entrants: Sequence[Correct], resamples: int = 2000, seed: int = 0, *, groups: Groups | None = None
) -> np.ndarray:
    """In which share of the resamples each entrant [entrants] would have been the most accurate; ties are shared."""
    drawn = resampled_accuracies(entrants, resamples, seed, groups=groups)
    best = drawn >= drawn.max(axis=1, keepdims=True) - 1e-9
    return np.asarray((best / best.sum(axis=1, keepdims=True)).mean(axis=0))


def _kinds(correct: np.ndarray, clusters: Clusters | None) -> tuple[np.ndarray, np.ndarray]:
    """(how many images of each kind of unit each run gets right, and below how many it has: float [runs + 1, kinds];
    how many units are of each kind). A unit is an image, or a group of them.

    Images that the same runs get right are interchangeable; of thousands of images there are a few dozen kinds, so
    drawing kinds is quick.
    """
    if clusters:
        units = np.vstack([clusters.totals(correct.astype(np.float64)), clusters.sizes])
        _, first, counts = np.unique(units, axis=1, return_index=True, return_counts=True)
        return units[:, first], counts
    packed = np.packbits(correct, axis=0).T
    _, first, counts = np.unique(packed, axis=0, return_index=True, return_counts=True)
    return np.vstack([correct[:, first], np.ones(len(first))]).astype(np.float64), counts
