"""Rendering: from a decoded image of any mode to 8-bit RGB, as the dataset says where the file does not.

Also what an image tells about how its dataset should be rendered. Not here: decoding.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image as pillow

from engine.data.dataset_records import AS_EVER, Rendering

_DEPTHS = (8, 10, 12, 14, 16)
_BRIGHT = 170.0
"""A drawing brighter than this hardly shows on white."""
_CLEAR = 0.02
"""An image with a smaller transparent share stands for itself on any ground."""
_BITS, _LARGEST, _LARGEST_SIGNED = 258, 281, 341
_STRIP_ROWS = 256


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What one image tells: the largest grey value it holds or its file allows (0: it has 8 bits), and how bright its
    opaque part is, from 0 to 255 (None: it has no transparent part)."""

    largest: int = 0
    brightness: float | None = None


NOTHING = Evidence()


def rendered(image: pillow.Image, rendering: Rendering) -> tuple[pillow.Image, Evidence]:
    """`image` as 8-bit RGB, and what it tells of its dataset."""
    if image.mode == "RGB":
        return image, NOTHING
    if image.mode.startswith("I") or image.mode == "F":
        grey, largest = _from_deep(image, rendering.white)
        return grey.convert("RGB"), Evidence(largest=largest)
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        layer = image.convert("RGBA")
        ground = pillow.new("RGBA", layer.size, rendering.ground)
        return pillow.alpha_composite(ground, layer).convert("RGB"), Evidence(brightness=_brightness(layer))
    return image.convert("RGB"), NOTHING


def declared_largest(opened: pillow.Image) -> int:
    """The largest grey value that the file of an image says it may hold; 0 where it says nothing that can be used.

    A TIFF of 12 bits a sample does, or one with SMaxSampleValue; "16 bits" says nothing. PPM is scaled by its reader.
    """
    if opened.format == "PPM":
        return 65_535 if opened.mode.startswith("I") else 0
    tags = getattr(opened, "tag_v2", {})
    bits = tags.get(_BITS, (16,))
    if len(bits) == 1 and 8 < bits[0] < 16:
        return (1 << int(bits[0])) - 1
    stated = [value for tag in (_LARGEST, _LARGEST_SIGNED) for value in _numbers(tags.get(tag))]
    return int(max((value for value in stated if 255 < value <= 65_535), default=0))


def choose_rendering(evidence: Iterable[Evidence]) -> Rendering:
    """How a dataset of such images is rendered: white is the largest value of the fewest bits that hold all of them,
    and transparent drawings lie on black when most of them are too bright for white."""
    told = list(evidence)
    largest = max((image.largest for image in told), default=0)
    white = next((top for bits in _DEPTHS if (top := (1 << bits) - 1) >= largest), largest) if largest else 65_535
    bright = [image.brightness for image in told if image.brightness is not None]
    ground = "black" if bright and float(np.median(bright)) > _BRIGHT else "white"
    return Rendering(white=white, ground="black" if ground == "black" else "white")


def _numbers(value: object) -> list[float]:
    several = value if isinstance(value, tuple) else (value,)
    return [float(number) for number in several if isinstance(number, int | float)]


def _from_deep(image: pillow.Image, white: int) -> tuple[pillow.Image, int]:
    """Grey values of 16 or 32 bits as 8, and the largest of them: PIL's own conversion clips them to white.

    Strip by strip: a copy of 40 megapixels in float64 takes 320 MB, and several are needed.
    """
    values = np.asarray(image)
    strips = range(0, len(values), _STRIP_ROWS)
    top = max((float(_finite(values[row : row + _STRIP_ROWS]).max(initial=0.0)) for row in strips), default=0.0)
    scale, grey = _scale(image.mode, top, white), np.empty(values.shape, dtype=np.uint8)
    for row in strips:
        part = slice(row, row + _STRIP_ROWS)
        grey[part] = np.clip(np.rint(_finite(values[part]) * scale), 0, 255)
    # values up to 1 are shares and tell nothing of bits
    return pillow.fromarray(grey), int(min(top, 2**32)) if top > 1 else 0


def _scale(mode: str, top: float, white: int) -> float:
    if mode.startswith("I;16") or (white != AS_EVER.white and top > 1) or 255 < top <= 65_535:
        return 255 / white
    return 255.0 if top <= 1 else 255 / max(top, 255)


def _finite(values: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    return np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)


def _brightness(layer: pillow.Image) -> float | None:
    """The mean brightness of the opaque part of an RGBA image, seen from afar; None where nearly all of it is
    opaque."""
    small = np.asarray(layer.resize((min(256, layer.width), min(256, layer.height)), pillow.Resampling.NEAREST))
    opaque = small[..., 3] >= 128
    if (~opaque).mean() < _CLEAR or not opaque.any():
        return None
    return float((small[..., :3] @ np.array([0.299, 0.587, 0.114]))[opaque].mean())
