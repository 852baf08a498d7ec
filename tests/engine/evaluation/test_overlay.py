"""A heat map over a picture: colours that grow lighter, and grey where the picture had colours of its own."""

import io

import numpy as np
from PIL import Image

from engine.evaluation.overlay import COLOURS, overlay, png

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def test_every_step_is_lighter_than_the_one_before() -> None:
    assert (np.diff(COLOURS @ LUMINANCE) > 5).all()


def test_hot_places_are_lighter_than_cold_ones_on_the_same_picture() -> None:
    for shade in (0, 128, 200):
        ramp = overlay(np.full((1, 11, 3), shade, dtype=np.uint8), np.linspace(0, 1, 11)[None])
        assert ramp.shape == (1, 11, 3) and ramp.dtype == np.uint8
        assert ramp[0, -1, 0] > ramp[0, -1, 2] + 50  # yellow
        assert ramp[0, 0, 2] > ramp[0, 0, 0]  # blue
    assert (np.diff((ramp.astype(float) @ LUMINANCE)[0])[4:] > 0).all()


def test_the_colours_of_the_picture_are_gone_and_its_edges_are_not() -> None:
    red, green = np.zeros((2, 2, 3), dtype=np.uint8), np.zeros((2, 2, 3), dtype=np.uint8)
    red[..., 0], green[..., 1] = 200, round(200 * 0.299 / 0.587)
    cold = np.zeros((2, 2))
    assert np.abs(overlay(red, cold).astype(int) - overlay(green, cold)).max() <= 1
    edge = np.zeros((2, 2, 3), dtype=np.uint8)
    edge[:, 1] = 255
    assert np.ptp(overlay(edge, cold)[0, :, 0].astype(int)) > 120


def test_a_png_holds_the_picture_exactly() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    with Image.open(io.BytesIO(png(picture))) as read:
        assert read.format == "PNG"
        assert np.array_equal(np.array(read), picture)
