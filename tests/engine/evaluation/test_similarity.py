"""Nearness: copies are nearest, look-alikes across splits are found, and only those."""

import numpy as np
import pytest

from engine.evaluation import similarity


def test_the_nearest_of_a_copy_is_the_copy_and_never_the_image_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "_BLOCK", 7)
    points = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    points[31] = points[4]
    places, close = similarity.nearest_neighbours(points, np.arange(30))
    assert places[31, 0] == 4 and abs(close[31, 0] - 1) < 1e-5
    assert not (places == np.arange(40)[:, None]).any()
    assert (places < 30).all() and (np.diff(close, axis=1) <= 0).all()


def test_few_training_images_leave_gaps() -> None:
    places, close = similarity.nearest_neighbours(np.eye(4, dtype=np.float32), np.array([2]))
    assert places[2].tolist() == [-1] * 5 and places[0].tolist() == [2, -1, -1, -1, -1]
    assert np.isfinite(close).all()
    assert (similarity.nearest_neighbours(np.eye(3, dtype=np.float32), np.zeros(0, int))[0] == -1).all()


def test_look_alikes_need_another_split_a_near_hash_and_a_near_feature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "_BLOCK", 2)
    base = 0x0F0F_1234_5678_9ABC
    hashes = [base, base ^ 0b111111, base ^ 0b1111111, base, base]
    points = np.array([[1, 0], [1, 0.01], [1, 0], [0, 1], [1, 0]], np.float32)
    found = similarity.near_duplicates(hashes, ["train", "test", "test", "test", "train"], points, least=0.9)
    assert {(pair.first, pair.second): pair.bits for pair in found} == {(0, 1): 6, (1, 4): 6}


def test_a_hash_survives_a_little_light_and_tells_pictures_apart() -> None:
    random = np.random.default_rng(0)
    pictures = random.integers(0, 200, (50, 8, 9))
    hashes = [similarity.difference_hash(picture) for picture in pictures]
    assert [similarity.difference_hash(picture + 20) for picture in pictures] == hashes
    apart = [(one ^ other).bit_count() for place, one in enumerate(hashes) for other in hashes[:place]]
    assert min(apart) > similarity.MOST_BITS


@pytest.mark.parametrize("shape", [(30, 100), (200, 5), (3, 1)])
def test_a_space_has_two_axes_at_least_and_no_holes(shape: tuple[int, int]) -> None:
    features = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    made = similarity.principal_components(features)
    assert 2 <= made.coordinates.shape[1] <= similarity.DIMENSIONS and np.isfinite(made.coordinates).all()
    assert made.explained[0] >= made.explained[1] >= 0
