"""Weights between two ends: the mixture that is judged best is the one that stays, and the ends are the ends."""

import torch

from engine.training.interpolation import interpolate, mixed
from engine.training.plan import SHARES
from tests.engine.small_runs import value_of

BEFORE = {"w": torch.tensor([0.1, -3.7]), "n": torch.tensor(3)}
AFTER = {"w": torch.tensor([1.3, 5.9]), "n": torch.tensor(8)}


def test_the_best_of_all_mixtures_stays_and_all_are_told() -> None:
    moving = {name: torch.zeros_like(tensor) for name, tensor in AFTER.items()}

    def judge() -> tuple[float, float]:
        """Best at 0.3; accuracy cannot tell 0.2 from 0.4."""
        distance = abs(float((moving["w"][0] - 0.1) / 1.2) - 0.3)
        return distance, 1.0 if distance < 0.15 else 0.5

    for by_loss in (False, True):
        tried = value_of(interpolate((BEFORE, AFTER), moving, judge, by_loss=by_loss))
        assert [one.share for one in tried] == list(SHARES) and [one.share for one in tried if one.chosen] == [0.3]
        assert torch.equal(moving["w"], mixed(BEFORE, AFTER, 0.3)["w"]) and moving["n"] == 8


def test_at_its_ends_it_is_bit_for_bit_one_of_both() -> None:
    assert torch.equal(mixed(BEFORE, AFTER, 0.0)["w"], BEFORE["w"])
    assert torch.equal(mixed(BEFORE, AFTER, 1.0)["w"], AFTER["w"])
