"""The range test climbs until the loss breaks, and suggests a rate at which it falls."""

import math

import pytest

from engine.training.lr_range import HIGHEST, LOWEST, Point, range_test, suggestion
from tests.engine.training.toy import Pictures, config, training


def test_the_rate_climbs_and_the_suggestion_lies_where_the_loss_falls() -> None:
    points = list(range_test(training(config(strategy="full_finetune", batch_size=12)), Pictures(48), steps=40))
    rates = [point.rate for point in points]
    assert rates[0] == LOWEST and rates == sorted(rates) and rates[-1] <= HIGHEST
    assert 1e-5 < (suggestion(points) or 0) < 0.3


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_it_ends_when_the_loss_breaks(optimizer: str) -> None:
    points = list(range_test(training(config(strategy="full_finetune", optimizer=optimizer)), Pictures(24), steps=60))
    assert all(math.isfinite(point.loss) for point in points)


def test_a_curve_that_never_falls_gives_no_suggestion() -> None:
    assert suggestion([Point(rate=10.0**-number, loss=1.0) for number in range(20, 0, -1)]) is None
    assert suggestion([]) is None
    valley = [1, 1, 1, 0.98, 0.9, 0.6, 0.5, 0.49, 0.6, 3.0]
    assert suggestion([Point(rate=10.0**number, loss=loss) for number, loss in enumerate(valley)]) in (1e4, 1e5)
