"""Preprocessing: what a backbone expects, and augmented views as pure functions of content, number and seed.

Works on decoded images. No dataset, no cache, no torch.
"""

import hashlib
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image as pillow

MAX_RESIZED_PIXELS = 16_000_000
_OVERSAMPLING = 2.5
"""A view may be cut from an image this many times the crop; its smallest crop area (0.35) still needs 1.7."""

Crop = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How an image becomes the square a backbone expects; the values come from the published weights."""

    resize: tuple[int, ...]
    """One number: the shorter side, in pixels. Two: height and width, whatever the shape was."""
    crop: int
    """Side of the central square."""
    interpolation: str = "bilinear"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)


def eval_crop(image: pillow.Image, preprocessing: Preprocessing) -> Crop:
    """[crop, crop, 3] uint8, bit for bit what torchvision's `weights.transforms()` feeds to its normalisation."""
    resized = _resize(image, preprocessing)
    side = preprocessing.crop
    if min(resized.size) < side:
        resized = _pad(resized, side)
    left, top = round((resized.width - side) / 2.0), round((resized.height - side) / 2.0)
    return np.array(resized.crop((left, top, left + side, top + side)))


def view_key(sha256: str, number: int, data_seed: int) -> bytes:
    """What decides view `number` of the image with this content, and nothing else does."""
    return hashlib.sha256(f"view 1 {sha256} {number} {data_seed}".encode()).digest()


def view(image: pillow.Image, preprocessing: Preprocessing, *, key: bytes) -> Crop:
    """[crop, crop, 3] uint8: a random resized crop (Szegedy et al. 2015, area from 0.35) and a fair flip, decided by
    `key` alone."""
    left, top, width, height = _random_box(image.size, key)
    side = preprocessing.crop
    box = (left, top, left + width, top + height)
    cropped = image.resize((side, side), _interpolation(preprocessing), box=box, reducing_gap=3.0)
    flipped = uniforms(key, 0, 5)[4] < 0.5
    return np.array(cropped.transpose(pillow.Transpose.FLIP_LEFT_RIGHT) if flipped else cropped)


def view_side(preprocessing: Preprocessing) -> int:
    """The `side` to decode with when only views are cut: pixels beyond it would be averaged away."""
    return math.ceil(_OVERSAMPLING * preprocessing.crop)


def _resize(image: pillow.Image, preprocessing: Preprocessing) -> pillow.Image:
    if len(preprocessing.resize) == 2:
        height, width = preprocessing.resize
        return image.resize((width, height), _interpolation(preprocessing))
    side = preprocessing.resize[0]
    if side * int(side * max(image.size) / min(image.size)) > MAX_RESIZED_PIXELS:
        # A strip of 1 x 4000 would grow to hundreds of megapixels of which only the middle is kept.
        image = _middle(image)
    longer = int(side * max(image.size) / min(image.size))
    size = (side, longer) if image.width <= image.height else (longer, side)
    return image.resize(size, _interpolation(preprocessing))


def _middle(image: pillow.Image) -> pillow.Image:
    """The central part of an extremely long image, four times as long as wide."""
    width, height = (min(extent, 4 * min(image.size)) for extent in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _pad(image: pillow.Image, side: int) -> pillow.Image:
    """Black around an image that is smaller than the crop, as torchvision's center_crop does."""
    width, height = max(side, image.width), max(side, image.height)
    padded = pillow.new("RGB", (width, height))
    padded.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return padded


def _interpolation(preprocessing: Preprocessing) -> pillow.Resampling:
    return pillow.Resampling[preprocessing.interpolation.upper()]


def _random_box(size: tuple[int, int], key: bytes) -> tuple[int, int, int, int]:
    """Left, top, width, height of a box with 0.35 to 1 of the area and a shape between 3:4 and 4:3."""
    width, height = size
    for attempt in range(10):
        area, shape, across, down, _ = uniforms(key, attempt, 5)
        ratio = math.exp((2 * shape - 1) * math.log(4 / 3))
        target = width * height * (0.35 + 0.65 * area)
        box_width, box_height = round(math.sqrt(target * ratio)), round(math.sqrt(target / ratio))
        if 0 < box_width <= width and 0 < box_height <= height:
            return int(across * (width - box_width + 1)), int(down * (height - box_height + 1)), box_width, box_height
    box_width, box_height = min(width, max(1, round(height * 4 / 3))), min(height, max(1, round(width * 4 / 3)))
    return (width - box_width) // 2, (height - box_height) // 2, box_width, box_height


def uniforms(key: bytes, attempt: int, count: int) -> tuple[float, ...]:
    """So many numbers in [0, 1) from a hash: the same on every machine, in every version, in any order, in any
    thread."""
    digest = hashlib.blake2b(key + bytes([attempt]), digest_size=8 * count).digest()
    return tuple(int.from_bytes(digest[start : start + 8], "big") / 2**64 for start in range(0, 8 * count, 8))
