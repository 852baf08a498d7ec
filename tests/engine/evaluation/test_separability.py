"""The arithmetic of the probe: the closed form is the fits it stands for, neighbours are counted by hand, chance is not
news."""

import numpy as np
import pytest

from engine.evaluation.separability import (
    ProbeScore,
    leave_one_out,
    majority_score,
    neighbours_score,
    principal_directions,
    probe_score,
    ridge_score,
    stratified_sample,
    suggest,
)


def brute(features: np.ndarray, targets: np.ndarray, penalty: float) -> np.ndarray:
    """One fit for every row that is left out; the intercept is free."""
    said = []
    for out in range(len(features)):
        x, y = np.delete(features, out, 0), np.delete(targets, out, 0)
        centre = x.mean(0)
        gram = (x - centre).T @ (x - centre) + penalty * np.eye(x.shape[1])
        weights = np.linalg.solve(gram, (x - centre).T @ (y - y.mean(0)))
        said.append(y.mean(0) + (features[out] - centre) @ weights)
    return np.array(said)


@pytest.mark.parametrize("shape", [(14, 4), (9, 20)])
@pytest.mark.parametrize("penalty", [0.01, 1.0, 50.0])
def test_the_closed_form_is_refitting_without_each_image(shape: tuple[int, int], penalty: float) -> None:
    random = np.random.default_rng(1)
    features, targets = random.normal(3, 2, shape), random.normal(0, 1, (shape[0], 3))
    np.testing.assert_allclose(
        leave_one_out(features, targets, penalty), brute(features, targets, penalty), rtol=1e-8, atol=1e-8
    )


def test_neighbours_by_hand() -> None:
    angles = np.deg2rad([0, 5, 10, 80, 85, 12])
    lengths = np.array([1, 100, 3, 1, 0.01, 1])  # say nothing
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1) * lengths[:, None]
    labels = np.array([0, 0, 0, 1, 1, 1])
    assert neighbours_score(features, labels, k=1).correct == (True, True, False, True, True, False)
    assert neighbours_score(features, labels, k=3).correct == (True, True, True, True, True, False)
    assert neighbours_score(features, labels, k=99).accuracy < 0.5  # each class is outvoted by the other


def test_what_a_line_can_tell_is_told_and_noise_is_not() -> None:
    random = np.random.default_rng(2)
    labels = np.arange(90) % 3
    noise = random.normal(0, 1, (90, 40))
    planted = noise.copy()
    planted[np.arange(90), labels] += 6.0
    score = ridge_score(planted, labels)
    assert score.accuracy > 0.85
    assert ridge_score(1e6 * planted, labels).correct == score.correct  # the scale does not matter
    chance = ridge_score(noise, labels)
    assert chance.low < 1 / 3 < chance.high
    assert ridge_score(np.ones((90, 5)), labels).accuracy <= 1 / 3  # features that say nothing


def test_features_that_are_the_same_for_every_image_only_guess() -> None:
    """The last digit of equal answers knows which class an image has."""
    labels = np.repeat(np.arange(3), 6)
    for constant in (0.0, 1.0, 0.1):
        assert ridge_score(np.full((18, 5), constant), labels).accuracy == pytest.approx(1 / 3)


def test_more_features_than_images_and_what_is_not_finite() -> None:
    labels = np.arange(12) % 2
    wide = np.random.default_rng(3).normal(0, 1, (12, 900))
    wide[0, 0], wide[1, 1] = np.inf, np.nan
    assert principal_directions(wide).shape[1] <= 12
    assert 0 <= ridge_score(wide, labels).accuracy <= 1


def test_a_sample_keeps_the_shares_and_every_class() -> None:
    labels = np.array([0] * 600 + [1] * 390 + [2] * 2)
    taken = stratified_sample(labels, 100, seed=4)
    counts = np.bincount(labels[taken])
    assert len(taken) == len(set(taken.tolist())) == 100 and counts[2] >= 1 and abs(counts[0] - 60) <= 2
    again, other = (stratified_sample(labels, 100, seed=seed) for seed in (4, 5))
    assert (taken == again).all() and (taken != other).any()
    assert (stratified_sample(labels[:50], 100, seed=4) == np.arange(50)).all()


def test_the_suggestion_is_the_peak_and_names_what_cannot_be_told_apart() -> None:
    def score(right: int) -> ProbeScore:
        return probe_score(np.arange(100) < right)

    found = suggest([score(30), score(88), score(90), score(60)])
    assert (found.block, found.alike) == (2, (1,))
    assert suggest([score(50), score(50)]).block == 1  # of equals the deepest: it trains least


@pytest.mark.parametrize("shared", [0.0, 0.7])
def test_of_equally_good_blocks_hardly_ever_is_one_shown_to_be_worse(shared: float) -> None:
    """The peak is the luckiest of 18 on the very images that judge it; `shared`: how much of an image's difficulty all
    blocks share."""
    random, wrong = np.random.default_rng(5), 0
    for _ in range(200):
        difficulty = np.sqrt(shared) * random.normal(size=300) + np.sqrt(1 - shared) * random.normal(size=(18, 300))
        found = suggest([probe_score(of < 0.5) for of in difficulty])
        wrong += len(found.alike) < 17
    assert wrong / 200 <= 0.05


def test_the_majority() -> None:
    assert majority_score(np.array([1, 1, 0, 1])).accuracy == 0.75
