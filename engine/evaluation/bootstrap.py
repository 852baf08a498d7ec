"""Bootstrap over images and seeds: what the accuracies might have been on other images with other seeds.

Images are drawn once for all strategies, so that differences stay paired; seeds are drawn within each strategy. A
resample is a row of multinomial weights, so that all of them are one matrix product. Not here: tests (paired); the
verdict uses this only to say how firm a choice was, because with few seeds its intervals are too narrow
(docs/verdict.md has the figures).
"""

from collections.abc import Sequence

import numpy as np

from engine.evaluation.paired import Correct


def resampled_accuracies(entrants: Sequence[Correct], resamples: int = 2000, seed: int = 0) -> np.ndarray:
    """Accuracies [resamples, entrants]; the same for the same `seed`. With one seed only images are drawn again."""
    images, draw = entrants[0].shape[1], np.random.default_rng(seed)
    kinds, counts = _kinds(np.concatenate(entrants))
    weights = draw.multinomial(images, counts / images, size=resamples) / images
    means = weights @ kinds.T
    result = np.empty((resamples, len(entrants)))
    start = 0
    for column, correct in enumerate(entrants):
        seeds = len(correct)
        shares = draw.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples) / seeds
        result[:, column] = (means[:, start : start + seeds] * shares).sum(axis=1)
        start += seeds
    return result


def chosen_shares(entrants: Sequence[Correct], resamples: int = 2000, seed: int = 0) -> np.ndarray:
    """In which share of the resamples each entrant [entrants] would have been the most accurate; ties are shared."""
    drawn = resampled_accuracies(entrants, resamples, seed)
    best = drawn >= drawn.max(axis=1, keepdims=True) - 1e-9
    return np.asarray((best / best.sum(axis=1, keepdims=True)).mean(axis=0))


def _kinds(correct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the different columns of [runs, images] as float [runs, kinds], how many images are of each kind).

    Images that the same runs get right are interchangeable; of thousands of images there are a few dozen kinds, so
    drawing kinds is quick.
    """
    packed = np.packbits(correct, axis=0).T
    _, first, counts = np.unique(packed, axis=0, return_index=True, return_counts=True)
    return correct[:, first].astype(np.float64), counts
