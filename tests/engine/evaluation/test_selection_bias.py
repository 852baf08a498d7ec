"""What choosing flatters, against choosing among equals again and again."""

import numpy as np
import pytest

from engine.evaluation.selection_bias import optimism
from tests.simulated_comparisons import draw, equal
from tests.simulations import flattered


@pytest.mark.parametrize(("strategies", "images"), [(2, 153), (8, 100), (8, 500)])
def test_it_is_what_the_best_of_equals_exceeds_the_truth_by(strategies: int, images: int):
    measured, said = flattered(strategies, images, 400)
    assert said == pytest.approx(measured, abs=0.35)


def test_epochs_add_to_it_and_images_take_from_it():
    _, few = draw(equal(8, 1, 153), np.random.default_rng(0))
    _, many = draw(equal(8, 1, 2000), np.random.default_rng(0))
    assert optimism(few, 20) > 1.4 * optimism(few) > 3 * optimism(many)
    assert optimism(few) == optimism(few)


def test_best_of_many_epochs_of_several_seeds():
    """Runs that each keep the best of ten epochs, where epochs are as different as seeds: measured directly."""
    source, gains, said = np.random.default_rng(1), [], []
    for number in range(150):
        _, validation = draw(equal(4, 30, 200), source)
        kept = [correct.reshape(3, 10, -1) for correct in validation]
        best = [np.stack([epochs[epochs.mean(axis=1).argmax()] for epochs in runs]) for runs in kept]
        gains.append(max(runs.mean() for runs in best) - 0.9)
        if number % 15 == 0:
            said.append(optimism(best, 10))
    assert np.mean(said) == pytest.approx(np.mean(gains), rel=0.2)


def test_one_run_beside_many_seeds_has_one_chance_of_its_own():
    """The solved one did not choose an epoch, and has no second seed to be the lucky one."""
    _, validation = draw(equal(4, 3, 200, solved=1), np.random.default_rng(3))
    assert optimism(validation) < optimism(validation, [1, 20, 20, 20]) < optimism(validation, 20)


def test_one_strategy_and_one_epoch_choose_nothing():
    run = np.random.default_rng(2).random((1, 200)) < 0.9
    assert optimism([run]) < 0.001
    assert optimism([run], 20) > 0.01
