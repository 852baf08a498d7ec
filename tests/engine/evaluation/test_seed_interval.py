"""The interval of an accuracy over seeds: Wilson's for one, wider when seeds differ, and covering what it promises."""

import numpy as np
import pytest

from engine.evaluation.metrics import wilson_interval
from engine.evaluation.seed_interval import accuracy_interval


@pytest.mark.parametrize(("right", "images"), [(0, 40), (1, 3), (30, 40), (40, 40)])
def test_one_seed_is_wilsons_interval(right: int, images: int):
    correct = (np.arange(images) < right)[None]
    assert accuracy_interval(correct) == pytest.approx(wilson_interval(right, images))


def test_seeds_that_agree_add_nothing_and_seeds_that_differ_widen():
    agreeing = np.tile(np.arange(100) < 80, (3, 1))
    assert accuracy_interval(agreeing) == pytest.approx(wilson_interval(80, 100))
    differing = np.stack([np.arange(100) < count for count in (60, 80, 100)])
    low, high = accuracy_interval(differing)
    assert low < wilson_interval(80, 100)[0] and high > wilson_interval(80, 100)[1] and 0 <= low < 0.8 < high <= 1


def test_it_covers_the_truth_about_as_often_as_it_says():
    random, truth, covered = np.random.default_rng(0), 0.8, 0
    for _ in range(400):
        hard = random.random(150) < 0.25  # images whose outcome is a matter of luck; the others are easy
        shares = np.where(hard, 0.2, 1.0)
        correct = random.random((5, 150)) < shares
        low, high = accuracy_interval(correct)
        covered += low <= truth <= high
    assert covered / 400 > 0.93
