"""Augment: random distortions of a view (TrivialAugment, RandAugment) as pure functions of a key.

The operations and ranges are those of the papers, done by Pillow; torchvision's own versions draw from a global
generator, which decoding threads share. Not here: crops and flips (images).
"""

import hashlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image as pillow
from PIL import ImageEnhance, ImageOps

POLICIES = ("crop", "trivial", "rand")
_GREY = (124, 116, 104)
"""ImageNet's mean colour: what moves in from outside."""
Operation = Callable[[pillow.Image, float], pillow.Image]


def distort(crop: npt.NDArray[np.uint8], policy: str, key: bytes) -> npt.NDArray[np.uint8]:
    """[H, W, 3] uint8, distorted as `policy` says and `key` decides.

    trivial: one operation of uniform strength (Mueller and Hutter 2021, wide ranges). rand: two of 9/31 of the full
    strength (Cubuk et al. 2020). crop: none.
    """
    if policy == "crop":
        return crop
    image = pillow.fromarray(crop)
    for number in range(1 if policy == "trivial" else 2):
        choice, strength, sign = _uniforms(key, number)
        amount = strength if policy == "trivial" else 9 / 31
        operation = _OPERATIONS[int(choice * len(_OPERATIONS))]
        image = operation(image, amount if sign < 0.5 else -amount)
    return np.array(image)


def _affine(image: pillow.Image, *, b: float = 0, c: float = 0, d: float = 0, f: float = 0) -> pillow.Image:
    """Source coordinates x + b y + c and d x + y + f."""
    matrix = (1, b, c, d, 1, f)
    return image.transform(image.size, pillow.Transform.AFFINE, matrix, pillow.Resampling.BILINEAR, fillcolor=_GREY)


def _enhance(kind: type, image: pillow.Image, amount: float) -> pillow.Image:
    enhanced: pillow.Image = kind(image).enhance(1 + 0.99 * amount)
    return enhanced


_OPERATIONS: tuple[Operation, ...] = (
    lambda image, amount: image,
    lambda image, amount: _affine(image, b=0.99 * amount),
    lambda image, amount: _affine(image, d=0.99 * amount),
    lambda image, amount: _affine(image, c=amount * image.width / 7),
    lambda image, amount: _affine(image, f=amount * image.height / 7),
    lambda image, amount: image.rotate(135 * amount, pillow.Resampling.BILINEAR, fillcolor=_GREY),
    lambda image, amount: _enhance(ImageEnhance.Brightness, image, amount),
    lambda image, amount: _enhance(ImageEnhance.Color, image, amount),
    lambda image, amount: _enhance(ImageEnhance.Contrast, image, amount),
    lambda image, amount: _enhance(ImageEnhance.Sharpness, image, amount),
    lambda image, amount: ImageOps.posterize(image, 8 - round(6 * abs(amount))),
    lambda image, amount: ImageOps.solarize(image, round(255 * (1 - abs(amount)))),
    lambda image, amount: ImageOps.autocontrast(image),
    lambda image, amount: ImageOps.equalize(image),
)


def _uniforms(key: bytes, number: int) -> tuple[float, float, float]:
    """Three numbers in [0, 1) from a hash: the same on every machine, in any order, in any thread."""
    digest = hashlib.blake2b(key + b"distort" + bytes([number]), digest_size=24).digest()
    first, second, third = (int.from_bytes(digest[start : start + 8], "big") / 2**64 for start in (0, 8, 16))
    return first, second, third
