"""Calibration against counting by hand, scikit-learn and models whose calibration is known."""

import tracemalloc

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn.metrics import log_loss

from engine.errors import RunError
from engine.evaluation import calibration
from engine.evaluation.calibration import expected_calibration_error, fit_temperature, reliability


def model(images: int, sharpness: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of three classes and targets drawn from them; shown `sharpness` times as sure as they are."""
    draw = np.random.default_rng(seed)
    logits = 1.5 * draw.standard_normal((images, 3))
    targets = (draw.random((images, 1)) > softmax(logits, axis=1).cumsum(axis=1)).sum(axis=1)
    return softmax(sharpness * logits, axis=1), np.minimum(targets, 2)


def two(confidence: list[float], right: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    sure = np.array(confidence)
    return np.stack([sure, 1 - sure], axis=1), np.array([0 if good else 1 for good in right])


def test_bins_and_error_counted_by_hand():
    probabilities, targets = two([0.6, 0.9, 0.7, 0.8], [True, True, False, True])
    low, high = reliability(probabilities, targets, bins=2)
    assert (low.images, low.lowest, low.highest) == (2, 0.6, 0.7)
    assert (low.confidence, low.accuracy) == pytest.approx((0.65, 0.5))
    assert (high.confidence, high.accuracy) == (pytest.approx(0.85), 1.0)
    wilson = binomtest(1, 2).proportion_ci(method="wilson")
    assert (low.accuracy_low, low.accuracy_high) == pytest.approx((wilson.low, wilson.high))
    assert expected_calibration_error(probabilities, targets, bins=2).error == pytest.approx((0.15 + 0.15) / 2)
    assert len(reliability(probabilities, targets, bins=9)) == 4


def test_a_perfect_model_is_seldom_called_miscalibrated_and_a_boastful_one_is():
    perfect = [expected_calibration_error(*model(153, seed=seed), draws=400) for seed in range(200)]
    assert np.mean([found.miscalibrated for found in perfect]) <= 0.07
    expected = np.mean([found.expected for found in perfect])
    assert np.mean([found.error for found in perfect]) == pytest.approx(expected, rel=0.1)
    assert all(found.miscalibrated == (found.error > found.high) for found in perfect)
    assert expected_calibration_error(*model(500, sharpness=2.5)).miscalibrated


def test_few_images_and_many_bins_make_a_perfect_model_look_worse():
    many, few, large = (
        expected_calibration_error(*model(images), bins=bins).expected
        for images, bins in ((153, 15), (153, 5), (5000, 5))
    )
    assert many > 1.15 * few > 4 * large


def test_the_band_is_the_same_for_the_same_seed_however_many_are_drawn_at_once(monkeypatch: pytest.MonkeyPatch):
    found = expected_calibration_error(*model(100))
    for at_once in (1, 730, 1 << 30):
        monkeypatch.setattr(calibration, "_NUMBERS_AT_ONCE", at_once)
        assert expected_calibration_error(*model(100)) == found


def test_the_band_of_many_images_takes_little_memory():
    probabilities, targets = model(20_000)
    tracemalloc.start()
    expected_calibration_error(probabilities, targets, draws=1000)  # 160 MB of random numbers
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.5])
def test_the_temperature_undoes_the_boasting(sharpness: float):
    probabilities, targets = model(20_000, sharpness)
    temperature = fit_temperature(probabilities, targets)
    assert temperature == pytest.approx(sharpness, rel=0.05)
    losses = [
        log_loss(targets, softmax(np.log(probabilities) / (temperature * factor), axis=1)) for factor in (1, 0.9, 1.1)
    ]
    assert min(losses) == losses[0] <= log_loss(targets, probabilities) + 1e-9


def test_a_model_that_is_always_right_or_certain_stays_finite():
    probabilities, targets = np.eye(3)[[0, 1, 2]], np.array([0, 1, 2])
    assert np.isfinite(fit_temperature(probabilities, targets))
    assert expected_calibration_error(probabilities, targets).error == 0.0


def test_what_is_no_table_of_probabilities_is_refused():
    for probabilities, targets in (
        (np.ones((2, 2)), np.array([0, 1])),
        (np.array([[np.nan, 1.0]]), np.array([0])),
        (np.zeros((0, 2)), np.zeros(0)),
        (np.eye(2), np.array([0])),
    ):
        with pytest.raises(RunError, match="Calibration needs probabilities"):
            fit_temperature(probabilities, targets)
