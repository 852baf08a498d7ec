import numpy as np
import pytest
from pictures import encoded
from PIL import Image

from engine.data.dataset_records import AS_EVER, Rendering
from engine.data.decoder import decode, decode_as
from engine.data.rendering import Evidence, choose_rendering

_BITS, _SMAX = 258, 341


def deep(top: int, kind: str = "PNG", dtype: type = np.uint16, **options: object) -> bytes:
    """A ramp from 0 to `top`."""
    ramp = np.linspace(0, top, 40 * 30).reshape(30, 40)
    return encoded(Image.fromarray(ramp.astype(dtype)), kind, **options)


def ends(content: bytes, rendering: Rendering) -> tuple[int, int]:
    """The darkest and the brightest value."""
    values = np.asarray(decode(content, rendering=rendering))
    return int(values.min()), int(values.max())


@pytest.mark.parametrize(
    ("tops", "white"),
    [([4095, 3000], 4095), ([3500, 900], 4095), ([16_383], 16_383), ([65_535, 20_000], 65_535), ([1000], 1023)],
)
@pytest.mark.parametrize(
    ("kind", "dtype"), [("PNG", np.uint16), ("TIFF", np.uint16), ("TIFF", np.int32), ("TIFF", np.float32)]
)
def test_white_is_what_the_whole_dataset_needs(tops: list[int], white: int, kind: str, dtype: type) -> None:
    images = [deep(top, kind, dtype) for top in tops]
    rendering = choose_rendering(decode_as(content).evidence for content in images)
    assert rendering.white == white
    for top, content in zip(tops, images, strict=True):
        assert ends(content, rendering) == (0, round(255 * top / white))


def test_eight_bits_and_shares_tell_nothing_of_white() -> None:
    images = [encoded(Image.new("L", (9, 9), 40)), deep(1, "TIFF", np.float32), encoded(Image.new("RGB", (9, 9)))]
    assert choose_rendering(decode_as(content).evidence for content in images) == AS_EVER


def test_a_file_that_says_what_it_may_hold_is_believed() -> None:
    dim = deep(700, "TIFF", tiffinfo={_SMAX: 4095})
    assert choose_rendering([decode_as(dim).evidence]).white == 4095
    nonsense = deep(3000, "TIFF", tiffinfo={_SMAX: 2})
    assert choose_rendering([decode_as(nonsense).evidence]).white == 4095


def test_what_is_full_range_is_rendered_as_ever() -> None:
    content = deep(65_535)
    rendering = choose_rendering([decode_as(content).evidence])
    assert rendering == AS_EVER and decode(content, rendering=rendering).tobytes() == decode(content).tobytes()


def drawing(ink: tuple[int, int, int], paper: int = 0) -> bytes:
    picture = Image.new("RGBA", (60, 60), (*ink, paper))
    picture.paste((*ink, 255), (20, 20, 40, 40))
    return encoded(picture)


@pytest.mark.parametrize(
    ("ink", "ground"), [((255, 255, 255), "black"), ((0, 0, 0), "white"), ((200, 40, 40), "white")]
)
def test_drawings_lie_on_the_ground_that_shows_them(ink: tuple[int, int, int], ground: str) -> None:
    rendering = choose_rendering([decode_as(drawing(ink)).evidence] * 3)
    assert rendering.ground == ground
    pixels = np.asarray(decode(drawing(ink), rendering=rendering), dtype=int)
    assert np.ptp(pixels, axis=(0, 1)).max() > 80


def test_opaque_images_tell_nothing_of_the_ground() -> None:
    opaque = encoded(Image.new("RGBA", (20, 20), (255, 255, 255, 255)))
    assert decode_as(opaque).evidence == Evidence() and choose_rendering([]) == AS_EVER
