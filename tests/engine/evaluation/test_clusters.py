"""Images that come in groups are fewer witnesses than they seem; where each stands for itself nothing changes."""

import numpy as np
import pytest

from engine.evaluation.bootstrap import resampled_accuracies
from engine.evaluation.clusters import clustered
from engine.evaluation.paired import difference, interval, seed_variances
from engine.evaluation.seed_interval import accuracy_interval
from engine.evaluation.selection_bias import optimism
from engine.evaluation.verdict import Entrant, judge

GROUPS = np.repeat(np.arange(30), 10)


def alike(seed: int, share: float = 0.8, seeds: int = 1) -> np.ndarray:
    """Runs that are right or wrong on whole groups, the same in every seed."""
    right = np.random.default_rng(seed).random(30) < share
    return np.repeat(right[GROUPS][None], seeds, axis=0)


def test_groups_of_one_image_are_no_groups() -> None:
    assert clustered(None) is None is clustered(np.arange(300)[::-1])
    first, second = alike(0), alike(1)
    assert difference(first, second, groups=np.arange(300)) == difference(first, second)
    assert accuracy_interval(first, groups=np.arange(300)) == accuracy_interval(first)


def test_whole_groups_that_go_together_are_as_uncertain_as_so_many_images() -> None:
    first, second = alike(0), alike(1)
    thirty, alone = difference(first[:, ::10], second[:, ::10]), difference(first, second)
    gap = difference(first, second, groups=GROUPS)
    assert gap.value == alone.value and gap.discordant is None
    assert gap.image_variance == pytest.approx(thirty.image_variance, rel=0.05)
    assert gap.image_variance > 8 * alone.image_variance and gap.freedom == pytest.approx(thirty.freedom)
    for level in (0.5, 0.95):
        low, high = interval(gap, level)
        assert (low <= 0 <= high) == (gap.p >= 1 - level)
    spread, of_thirty = (np.diff(accuracy_interval(*of)) for of in ((first,), (first[:, ::10],)))
    assert np.diff(accuracy_interval(first, groups=GROUPS)) >= of_thirty > 2 * spread


def test_no_disagreement_within_few_groups_is_not_certainty() -> None:
    right = np.ones((1, 300), dtype=bool)
    low, high = interval(difference(right, right, groups=GROUPS))
    assert -0.4 < low < -0.05 and 0.05 < high < 0.4
    assert accuracy_interval(right, groups=GROUPS)[0] < 0.92 < accuracy_interval(right)[0]


def test_resampling_draws_whole_groups() -> None:
    run = alike(2)
    share = run.mean()
    drawn = resampled_accuracies([run], 4000, groups=GROUPS)[:, 0]
    assert drawn.std() == pytest.approx(np.sqrt(share * (1 - share) / 30), rel=0.06)
    uneven = np.searchsorted([100, 150, 200], np.arange(300), side="right")
    assert np.allclose(resampled_accuracies([np.ones((1, 300), bool)], 50, groups=uneven), 1.0)


def test_what_seeds_do_to_whole_groups_is_not_luck_of_the_run() -> None:
    draw = np.random.default_rng(5)
    coins = [np.repeat(draw.random((4, 30)) < 0.8, 10, axis=1) for _ in range(300)]
    lucks = [luck for runs in coins for luck in seed_variances([runs, runs], groups=GROUPS) if luck]
    assert abs(np.mean([luck.alone for luck in lucks])) < 0.1 * 0.8 * 0.2 / 30
    assert optimism([alike(0), alike(1)], groups=GROUPS) > 2 * optimism([alike(0), alike(1)])


def test_a_verdict_shows_less_where_images_come_in_groups_and_knows_how_many() -> None:
    entrants = [
        Entrant(
            name=name,
            correct_test=alike(seed, share),
            correct_val=alike(seed + 7, share),
            seconds=1.0,
            trainable_parameters=1,
            peak_memory_bytes=1,
        )
        for name, seed, share in (("good", 3, 0.9), ("poor", 4, 0.6))
    ]
    blind, seeing = judge(entrants), judge(entrants, groups={"test": GROUPS, "val": GROUPS})
    assert (blind.groups, seeing.groups) == (None, 30)
    assert blind.rivals[0].p < 1e-6 < 1e-4 < seeing.rivals[0].p
    assert (seeing.rivals[0].more_images or 0) > 5 * (blind.rivals[0].more_images or 0)
    assert seeing.chosen_share <= blind.chosen_share
