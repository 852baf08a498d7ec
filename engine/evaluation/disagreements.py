"""Disagreements: images on which strategies differ, what several seeds of one say together, and which classes gain or
lose.

Guesses and labels are class indices, [seeds, images] and [images], the same images for all. Not here: whether the
difference is more than chance (verdict).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.errors import RunError


@dataclass(frozen=True, kw_only=True)
class Votes:
    """What the seeds of one strategy say together of every image; all arrays are [images]."""

    guesses: np.ndarray
    """The class that most seeds say; of equally many, the one they are surer of."""
    confidence: np.ndarray
    """Mean confidence of the seeds that say so."""
    agree: np.ndarray
    """How many seeds say so."""
    speaker: np.ndarray
    """The first seed that says so, as its place among the seeds."""
    right: np.ndarray
    """Bool: the class that most seeds say is the true one."""
    seeds: int


def majority_vote(guesses: np.ndarray, confidences: np.ndarray, labels: np.ndarray) -> Votes:
    """The majority of `guesses` [seeds, images] with their `confidences` of the same shape; RunError where shapes do
    not fit."""
    guesses, confidences, labels = np.asarray(guesses), np.asarray(confidences, dtype=np.float64), np.asarray(labels)
    if guesses.ndim != 2 or not len(guesses) or confidences.shape != guesses.shape or labels.shape != guesses.shape[1:]:
        raise RunError(
            f"Votes need guesses [seeds, images] and labels [images], not {list(guesses.shape)} and "
            f"{list(labels.shape)}."
        )
    # [speaker, seed, image]: whether the two say the same
    same = guesses[:, None, :] == guesses[None, :, :]
    agree, surety = same.sum(axis=1), (same * confidences[None]).sum(axis=1)
    # Sureties of one class are summed in one order, so seeds that say the same tie exactly and the first of them
    # speaks.
    most = agree == agree.max(axis=0)
    speaker = np.where(most, surety, -1.0).argmax(axis=0)
    images = np.arange(guesses.shape[1])
    chosen = guesses[speaker, images]
    return Votes(
        guesses=chosen,
        confidence=surety[speaker, images] / agree[speaker, images],
        agree=agree[speaker, images],
        speaker=speaker,
        right=chosen == labels,
        seeds=len(guesses),
    )


def disagreement_counts(right: Sequence[np.ndarray]) -> np.ndarray:
    """Int [k, k]: images that the row gets right and the column wrong, from bool [images] of each of the k
    strategies."""
    table = np.asarray(right, dtype=np.int64)
    return np.asarray(table @ (1 - table).T)


def recall(guesses: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Float [classes]: the share of each class's images that are found, over all seeds; NaN for a class without
    images."""
    counts = confusion_matrix(guesses, labels, classes)
    images = counts.sum(axis=1)
    return np.asarray(np.where(images > 0, counts.diagonal() / np.maximum(images, 1), np.nan))


def confusion_matrix(guesses: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Float [classes, classes]: images of the row's class called the column's, the mean over the seeds."""
    guesses = np.asarray(guesses)
    cells = (np.asarray(labels)[None] * classes + guesses).ravel()
    return np.asarray(np.bincount(cells, minlength=classes * classes).reshape(classes, classes) / len(guesses))
