"""The bootstrap keeps pairs together, draws seeds within a strategy, and is the same for the same seed."""

import numpy as np
import pytest

from engine.evaluation.bootstrap import chosen_shares, resampled_accuracies


def test_resamples_have_the_spread_of_new_images_and_new_seeds():
    draw = np.random.default_rng(0)
    run = draw.random((1, 400)) < 0.8
    share = float(run.mean())
    assert resampled_accuracies([run], 4000)[:, 0].std() == pytest.approx(np.sqrt(share * (1 - share) / 400), rel=0.05)
    seeds = np.repeat([[True], [False]], 400, axis=1)  # one seed always right, one never: only seeds vary
    assert resampled_accuracies([seeds], 4000)[:, 0].std() == pytest.approx(np.sqrt(0.25 / 2), rel=0.05)


def test_images_are_drawn_once_for_all_so_that_equal_runs_never_differ():
    run = np.random.default_rng(1).random((1, 300)) < 0.7
    drawn = resampled_accuracies([run, run.copy()])
    assert drawn[:, 0].std() > 0.01
    assert np.abs(drawn[:, 0] - drawn[:, 1]).max() < 1e-6


def test_it_is_deterministic_and_holds_the_difference():
    draw = np.random.default_rng(2)
    first, second = draw.random((3, 500)) < 0.9, draw.random((5, 500)) < 0.8
    drawn, again, other = (resampled_accuracies([first, second], seed=seed) for seed in (7, 7, 8))
    assert (drawn == again).all() and (drawn != other).any()
    low, high = np.quantile(drawn[:, 0] - drawn[:, 1], [0.025, 0.975])
    assert low < first.mean() - second.mean() < high


def test_how_firm_a_choice_is():
    draw = np.random.default_rng(3)
    good, poor = draw.random((2, 300)) < 0.95, draw.random((2, 300)) < 0.6
    assert chosen_shares([good, poor])[0] > 0.99
    assert chosen_shares([good, good.copy()[:1], good.copy()[:1]]).sum() == pytest.approx(1.0)
    assert chosen_shares([good[:1], good[:1]]) == pytest.approx([0.5, 0.5])
