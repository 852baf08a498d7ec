"""Order and batches: pure functions, and no image is lost."""

import numpy as np
import pytest
import torch

from engine.training.batches import cut, epoch_order, filled
from tests.engine.training.toy import Pictures


def order(count: int, *, seed: int = 0, epoch: int = 0) -> np.ndarray:
    return epoch_order(torch.zeros(count, dtype=torch.int64), seed=seed, epoch=epoch)


@pytest.mark.parametrize("count", range(1, 40))
@pytest.mark.parametrize("size", [1, 2, 8, 32])
def test_every_image_is_in_exactly_one_batch_and_none_stands_alone(count: int, size: int) -> None:
    batches = cut(order(count), size)
    assert sorted(np.concatenate(batches)) == list(range(count))
    assert size == 1 or count == 1 or all(len(batch) > 1 for batch in batches)


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    first = order(50, seed=3, epoch=7)
    np.random.default_rng(0).permutation(5)
    assert (first == order(50, seed=3, epoch=7)).all()
    assert (first != order(50, seed=3, epoch=8)).any() and (first != order(50, seed=4, epoch=7)).any()


def test_filled_batches_hold_the_rows_they_are_named_by() -> None:
    source, batches = Pictures(11), cut(order(11), 4)
    seen = list(filled(source, batches, epoch=0))
    assert [list(rows) for rows, _ in seen] == [list(rows) for rows in batches]
    assert all(torch.equal(inputs, source.batch(rows, 0)) for rows, inputs in seen)
    assert list(filled(source, [], epoch=0)) == []


def test_balanced_sampling_shows_rare_classes_as_often() -> None:
    targets = torch.tensor([0] * 900 + [1] * 100)
    first, again = (epoch_order(targets, seed=0, epoch=0, balanced=True) for _ in range(2))
    assert len(first) == 1000 and 0.4 < targets[torch.from_numpy(first)].float().mean() < 0.6
    assert (first == again).all()


@pytest.mark.parametrize("instant", [True, False])
def test_a_source_is_asked_for_the_inputs_of_the_block_it_starts_at(
    monkeypatch: pytest.MonkeyPatch, instant: bool
) -> None:
    """In order and once each, whether made ahead in a thread or on the spot."""
    asked: list[tuple[list[int], int | None, int]] = []

    def batch(rows: np.ndarray, epoch: int | None, start: int = 0) -> torch.Tensor:
        asked.append((rows.tolist(), epoch, start))
        return torch.from_numpy(rows)

    source = Pictures(7)
    monkeypatch.setattr(source, "batch", batch)
    monkeypatch.setattr(source, "instant", lambda epoch, start: instant)
    seen = list(filled(source, cut(np.arange(7), 3), epoch=4, start=2))
    assert asked == [([0, 1, 2], 4, 2), ([3, 4, 5, 6], 4, 2)]
    assert all(torch.equal(inputs, torch.from_numpy(rows)) for rows, inputs in seen) and len(seen) == 2
