"""Distortions: decided by the key alone, and doing something."""

import numpy as np
import pytest

from engine.data.augment import distort
from engine.data.preprocessing import view_key

CROP = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("policy", ["trivial", "rand"])
def test_a_distortion_is_a_function_of_the_key(policy: str) -> None:
    keys = [view_key("a" * 64, number, 0) for number in range(60)]
    first = [distort(CROP, policy, key) for key in keys]
    np.random.default_rng(1).random(7)
    assert all((a == distort(CROP, policy, key)).all() for a, key in zip(first, keys, strict=True))
    assert len({picture.tobytes() for picture in first}) > 30, "keys must differ in what they do"
    assert all(picture.shape == CROP.shape and picture.dtype == np.uint8 for picture in first)


def test_crop_distorts_nothing() -> None:
    assert distort(CROP, "crop", b"key") is CROP
