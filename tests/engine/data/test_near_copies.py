"""Near-copies are found however they were made, and nothing else is, strokes least of all."""

import numpy as np
import pytest
from copied import COPIED, photograph, stroke
from PIL import Image

from engine.data.grouping.near_copies import clusters, near_copies, signature

STRANGERS = 20


def signatures(*pictures: Image.Image) -> np.ndarray:
    return np.stack([signature(picture) for picture in pictures])


@pytest.fixture(scope="module")
def strangers() -> np.ndarray:
    return signatures(*map(photograph, range(STRANGERS)))


def test_every_way_to_copy_a_picture_is_seen_through_and_strangers_stay_strangers(strangers: np.ndarray) -> None:
    copies = signatures(*(copied(photograph(place)) for place, copied in enumerate(COPIED.values())))
    pairs = near_copies(np.concatenate([strangers, copies]))
    missed = set(enumerate(COPIED)) - {(pair.first, list(COPIED)[pair.second - STRANGERS]) for pair in pairs}
    assert not missed
    assert all(pair.second - STRANGERS == pair.first and 0.97 <= pair.correlation <= 1 for pair in pairs)


def test_any_two_strokes_are_two_pictures_but_a_copy_of_one_is_not() -> None:
    strokes = [stroke(seed) for seed in range(12)]
    pairs = near_copies(signatures(*strokes, COPIED["half size"](strokes[3]), COPIED["mirrored"](strokes[5])))
    assert {(pair.first, pair.second) for pair in pairs} == {(3, 12), (5, 13)}


def test_plain_pictures_are_nobodys_copies() -> None:
    plain = np.full((5, 32, 32), 200, dtype=np.uint8)
    assert near_copies(plain) == () == near_copies(plain[:0])


def test_hundreds_of_copies_of_one_picture_are_one_cluster_for_few_looks(strangers: np.ndarray) -> None:
    noise = np.random.default_rng(0).integers(-2, 3, (300, 32, 32))
    many = np.clip(strangers[:1] + noise, 0, 255).astype(np.uint8)
    pairs = near_copies(np.concatenate([strangers[1:], many]))
    assert len(pairs) <= 6 * (300 + STRANGERS)
    assert clusters(pairs, 300 + STRANGERS - 1) == [list(range(STRANGERS - 1, 300 + STRANGERS - 1))]
