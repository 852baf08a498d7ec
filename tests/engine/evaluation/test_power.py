"""What so many images can show: against a sum over all outcomes, published orders of size, and inverses of each
other."""

import numpy as np
import pytest
from scipy.stats import binom

from engine.evaluation.paired import mcnemar_mid_p
from engine.evaluation.power import images_needed, mcnemar_power


@pytest.mark.parametrize(
    ("difference", "discordance", "images"), [(0.0, 0.2, 40), (0.1, 0.2, 60), (0.1, 0.1, 50), (0.3, 1.0, 30)]
)
def test_power_is_the_sum_over_all_tables(difference: float, discordance: float, images: int):
    total = 0.0
    for disagreements in range(images + 1):
        for first in range(disagreements + 1):
            if mcnemar_mid_p(first, disagreements - first) <= 0.05:
                chance = binom.pmf(disagreements, images, discordance)
                total += chance * binom.pmf(first, disagreements, (1 + difference / discordance) / 2)
    assert mcnemar_power(difference, discordance, images) == pytest.approx(total, abs=1e-6)


@pytest.mark.parametrize(
    ("images", "discordance", "points"),
    [(153, 0.1, 7.0), (153, 0.2, 9.8), (300, 0.05, 3.5), (500, 0.1, 4.0), (1000, 0.1, 3.0), (5000, 0.2, 1.8)],
)
def test_the_smallest_difference_is_what_simulation_found(images: int, discordance: float, points: float):
    """Found before by simulation in steps of a quarter to half a point."""
    below, above = (mcnemar_power(points / 100 + step, discordance, images) for step in (-0.003, 0.003))
    assert below < 0.8 <= above


def test_a_hundred_images_with_five_disagreements_show_nothing():
    assert mcnemar_power(0.05, 0.05, 100) < 0.8


def test_the_images_needed_have_the_power_they_promise():
    for difference, discordance in ((0.02, 0.1), (0.05, 0.2), (0.03, 0.05)):
        images = images_needed(difference, discordance - difference**2)
        assert images is not None
        assert mcnemar_power(difference, discordance, images) == pytest.approx(0.8, abs=0.04)


def test_no_number_of_images_makes_up_for_seeds():
    assert images_needed(0.02, 0.1, seed_variance=0.0001, freedom=4.0) is None
    few, many = images_needed(0.02, 0.1), images_needed(0.02, 0.1, seed_variance=1e-5, freedom=40.0)
    assert few and many and many > 1.2 * few


def test_impossible_differences_are_refused():
    with pytest.raises(ValueError, match="discordance"):
        mcnemar_power(0.2, 0.1, 100)
    assert mcnemar_power(0.0, 0.0, 100) == 0.0
    assert np.isclose(mcnemar_power(1.0, 1.0, 50), 1.0)
