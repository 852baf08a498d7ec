"""Calibration: whether a confidence of 80 % is right 80 % of the time, and what so few images can say about it.

`probabilities` are [images, classes] with rows that sum to one, `targets` [images] class indices. Not here: accuracy
(metrics).
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from engine.errors import RunError
from engine.evaluation.seed_interval import accuracy_interval

BINS = 5
"""Few, so that each holds enough images; the error of a perfect model grows with the number of bins."""
COLDEST, HOTTEST = 0.02, 50.0
_NUMBERS_AT_ONCE = 1 << 19
"""Drawn together: 4 MiB."""


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """Images of similar confidence: where they lie, their mean, and their accuracy with its 95 % Wilson interval."""

    lowest: float
    highest: float
    images: int
    confidence: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float


@dataclass(frozen=True, kw_only=True)
class CalibrationError:
    """The expected calibration error (a share) and the band in which 95 % of perfectly calibrated models would lie on
    so many images; `expected` is their average, and `miscalibrated` says that the error is above the band."""

    error: float
    expected: float
    low: float
    high: float
    miscalibrated: bool


def reliability(probabilities: np.ndarray, targets: np.ndarray, bins: int = BINS) -> tuple[ReliabilityBin, ...]:
    """The reliability diagram: bins of (nearly) as many images each, ordered by confidence; at most one bin an
    image."""
    confidence, correct = _by_confidence(probabilities, targets)
    result = []
    for rows in np.array_split(np.arange(len(correct)), min(bins, len(correct))):
        low, high = accuracy_interval(correct[None, rows])
        result.append(
            ReliabilityBin(
                lowest=float(confidence[rows[0]]),
                highest=float(confidence[rows[-1]]),
                images=len(rows),
                confidence=float(confidence[rows].mean()),
                accuracy=float(correct[rows].mean()),
                accuracy_low=low,
                accuracy_high=high,
            )
        )
    return tuple(result)


def expected_calibration_error(
    probabilities: np.ndarray, targets: np.ndarray, bins: int = BINS, *, draws: int = 2000, seed: int = 0
) -> CalibrationError:
    """Mean distance of confidence and accuracy over bins of equal mass, with its null band; the same for the same
    `seed`.

    The band comes from answers drawn from the model's own confidences: what it would show if they were exactly right.
    """
    confidence, correct = _by_confidence(probabilities, targets)
    error = float(_binned_error(confidence, correct[None, :], bins)[0])
    null = _null_errors(confidence, np.random.default_rng(seed), bins=bins, draws=draws)
    low, high = np.quantile(null, [0.025, 0.975])
    return CalibrationError(
        error=error, expected=float(null.mean()), low=float(low), high=float(high), miscalibrated=error > float(high)
    )


def fit_temperature(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """The temperature that minimises the log loss (Guo et al. 2017); fit it on validation images. Above 1: the model
    was too sure.

    Lies within 0.02 and 50; a model that is right everywhere would ask for zero.
    """
    probabilities, targets = _checked(probabilities, targets)
    logits, rows = np.log(np.maximum(probabilities, 1e-12)), np.arange(len(targets))

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(logits / np.exp(log_temperature), axis=1)[rows, targets].mean())

    found = minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def _null_errors(confidence: np.ndarray, source: np.random.Generator, *, bins: int, draws: int) -> np.ndarray:
    """Errors [draws] of answers drawn from the confidences, a few at a time, so that memory does not grow."""
    at_once = max(1, _NUMBERS_AT_ONCE // len(confidence))
    parts = [min(at_once, draws - done) for done in range(0, draws, at_once)]
    return np.concatenate(
        [_binned_error(confidence, source.random((part, len(confidence))) < confidence, bins) for part in parts]
    )


def _binned_error(confidence: np.ndarray, correct: np.ndarray, bins: int) -> np.ndarray:
    """Errors [draws] for answers [draws, images] in the order of confidence."""
    edges = [rows[0] for rows in np.array_split(np.arange(len(confidence)), min(bins, len(confidence)))]
    surplus = np.add.reduceat(correct - confidence, edges, axis=1)
    return np.asarray(np.abs(surplus).sum(axis=1) / len(confidence))


def _by_confidence(probabilities: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Confidence and correctness of every image, the least confident first."""
    probabilities, targets = _checked(probabilities, targets)
    order = np.argsort(probabilities.max(axis=1), kind="stable")
    return probabilities.max(axis=1)[order], (probabilities.argmax(axis=1) == targets)[order]


def _checked(probabilities: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays, rows made to sum to one exactly (half precision does not); RunError where they do not fit."""
    probabilities, targets = np.asarray(probabilities, dtype=np.float64), np.asarray(targets)
    if probabilities.ndim != 2 or not len(probabilities) or targets.shape != probabilities.shape[:1]:
        raise RunError(
            f"Calibration needs probabilities [images, classes] and one target an image, not {probabilities.shape} "
            f"and {targets.shape}."
        )
    sums = probabilities.sum(axis=1, keepdims=True)
    if not np.isfinite(probabilities).all() or (probabilities < 0).any() or (np.abs(sums - 1) > 0.02).any():
        raise RunError(
            "Calibration needs probabilities that are finite, not negative and sum to one; leave out unreadable images."
        )
    return probabilities / sums, targets.astype(np.int64)
