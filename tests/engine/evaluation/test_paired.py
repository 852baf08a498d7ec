"""Paired differences agree with scipy, with counting by hand, and with themselves: interval and p never contradict each
other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, ttest_rel

from engine.errors import RunError
from engine.evaluation.paired import SOLVED, checked, difference, holm, interval, mcnemar_mid_p, seed_variances


def runs(first_only: int, second_only: int, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Two runs that are right together on all images but these."""
    first, second = np.ones((1, images), dtype=bool), np.ones((1, images), dtype=bool)
    second[0, :first_only] = False
    first[0, first_only : first_only + second_only] = False
    return first, second


@given(st.integers(0, 60), st.integers(1, 60))
def test_the_mid_p_is_the_exact_p_less_half_of_what_was_seen_on_both_sides(first_only: int, second_only: int):
    total = first_only + second_only
    exact, seen = binomtest(first_only, total).pvalue, binom.pmf(first_only, total, 0.5)
    expected = exact - seen if first_only != second_only else 1.0
    assert mcnemar_mid_p(first_only, second_only) == pytest.approx(expected, abs=1e-9)
    assert mcnemar_mid_p(second_only, first_only) == pytest.approx(expected, abs=1e-9)
    assert mcnemar_mid_p(0, 0) == 1.0


@given(st.integers(0, 14), st.integers(0, 14), st.sampled_from([0.8, 0.9, 0.95, 0.99, 0.999]))
def test_interval_and_p_agree_about_zero_and_the_difference_lies_inside(
    first_only: int, second_only: int, level: float
):
    gap = difference(*runs(first_only, second_only, 60))
    low, high = interval(gap, level)
    assert (low <= 0 <= high) == (gap.p >= 1 - level)
    assert low - 1e-12 <= gap.value <= high + 1e-12
    assert gap.value == pytest.approx((first_only - second_only) / 60)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4))
def test_interval_and_p_agree_with_several_seeds(seed: int, first_seeds: int, second_seeds: int):
    draw = np.random.default_rng(seed)
    gap = difference(draw.random((first_seeds, 40)) < 0.8, draw.random((second_seeds, 40)) < draw.random())
    for level in (0.5, 0.95):
        low, high = interval(gap, level)
        assert (low <= 0 <= high) == (gap.p >= 1 - level)


def test_many_images_and_no_luck_of_the_seed_come_to_the_ordinary_paired_t_test():
    """Three equal seeds are one run three times: nothing but the images varies."""
    draw = np.random.default_rng(1)
    first, second = draw.random((1, 5000)) < 0.90, draw.random((1, 5000)) < 0.89
    gap = difference(np.repeat(first, 3, axis=0), np.repeat(second, 3, axis=0))
    assert gap.seed_variance == pytest.approx(0.0, abs=1e-20)
    assert gap.p == pytest.approx(ttest_rel(first[0].astype(float), second[0].astype(float)).pvalue, abs=0.005)


def test_no_disagreement_is_not_certainty():
    low, high = interval(difference(*runs(0, 0, 100)))
    assert -0.04 < low < -0.02 and 0.02 < high < 0.04  # the rule of three says 3 %


def test_luck_of_the_seed_widens_what_images_alone_would_narrow():
    """Whole runs are lucky or not: ten times the images must not make the interval much narrower."""
    draw = np.random.default_rng(2)

    def width(images: int, spread: float) -> float:
        chances = 0.8 + spread * np.array([-1, 0, 1])[:, None]
        low, high = interval(difference(draw.random((3, images)) < chances, draw.random((3, images)) < chances))
        return high - low

    assert width(20_000, 0.0) < 0.35 * width(1000, 0.0)
    assert width(20_000, 0.1) > 0.8 * width(1000, 0.1)


def test_one_strategy_with_one_seed_takes_its_luck_from_the_others():
    draw = np.random.default_rng(3)
    chances = np.array([0.7, 0.8, 0.9])[:, None]
    several, single = draw.random((3, 800)) < chances, draw.random((1, 800)) < 0.8
    both_single, mixed = difference(several[:1], single), difference(several, single)
    assert both_single.seed_variance is None
    own, luck = seed_variances([several, single])
    assert luck and own == luck and luck.whole == pytest.approx(2 * several.mean(axis=1).var(ddof=1))  # nothing guards
    assert mixed.seed_variance == pytest.approx(luck.alone * (1 / 3 + 1))
    assert mixed.freedom < 4
    third = difference(several[:1], single, (luck, luck))  # a third strategy shows what seeds do to these two
    assert third.seed_variance == pytest.approx(2 * luck.alone) and third.discordant is None
    assert third.p > both_single.p


def test_what_is_solved_has_no_luck_and_lends_none_to_the_others():
    draw = np.random.default_rng(3)
    chances = np.array([0.7, 0.8, 0.9])[:, None]
    several, other, solved = (
        draw.random((3, 800)) < chances,
        draw.random((3, 800)) < chances,
        draw.random((1, 800)) < 0.8,
    )
    beside, alone = seed_variances([several, other, solved], [False, False, True]), seed_variances([several, other])
    assert beside == [*alone, SOLVED]
    luck = beside[0]
    assert luck
    mixed = difference(several, solved, (luck, SOLVED))
    assert mixed.seed_variance == pytest.approx(luck.alone / 3) and mixed.discordant is None
    assert mixed.seed_variance < (difference(several, solved, (luck, luck)).seed_variance or 0.0)
    both = difference(solved, ~solved, (SOLVED, SOLVED))  # known to vary by nothing, which is not to know nothing
    assert both.seed_variance == 0.0 and both.discordant is not None
    assert both.p == mcnemar_mid_p(*both.discordant)
    once = seed_variances([several[:1], solved], [False, True])  # nobody ran twice
    assert once == [None, SOLVED] and difference(several[:1], solved, (None, SOLVED)).seed_variance is None


def test_disagreement_of_seeds_on_single_images_is_not_taken_for_luck():
    """Independent coins: seeds differ in accuracy only because they disagree on images, which is counted there."""
    draw = np.random.default_rng(4)
    coins = [[draw.random((seeds, 400)) < 0.8 for seeds in (5, 5, 1)] for _ in range(400)]
    alone = [seed_variances(three)[2] for three in coins]  # what ran once takes the average
    assert abs(np.mean([luck.alone for luck in alone if luck])) < 0.1 * 0.8 * 0.2 / 400


def test_holm_by_hand_and_in_any_order():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.6])) == pytest.approx([1.0, 1.0])
    assert holm(np.array([0.01, 0.02]), np.array([3, 1])) == pytest.approx([0.03, 0.03])
    assert holm(np.array([])).size == 0


def test_what_cannot_be_compared_is_named():
    with pytest.raises(RunError, match=r"last_block.*\[seeds, images\]"):
        checked(np.ones(5, dtype=bool), "last_block")
    with pytest.raises(RunError, match="true or false"):
        checked(np.array([[0.5, 1.0]]), "x")
    with pytest.raises(RunError, match="same images: 4 and 5"):
        difference(np.ones((1, 4), dtype=bool), np.ones((1, 5), dtype=bool))
