"""How many images it takes, against the power that the test has on them."""

import pytest

from engine.evaluation.power import images_needed
from tests.simulations import mcnemar_power


def test_the_images_needed_have_the_power_they_promise():
    for difference, discordance in ((0.02, 0.1), (0.05, 0.2), (0.03, 0.05)):
        images = images_needed(difference, discordance - difference**2)
        assert images is not None
        assert mcnemar_power(difference, discordance, images) == pytest.approx(0.8, abs=0.04)


def test_no_number_of_images_makes_up_for_seeds():
    assert images_needed(0.02, 0.1, seed_variance=0.0001, freedom=4.0) is None
    few, many = images_needed(0.02, 0.1), images_needed(0.02, 0.1, seed_variance=1e-5, freedom=40.0)
    assert few and many and many > 1.2 * few
