"""Augment: random distortions of a view (TrivialAugment, RandAugment) as pure functions of a key.

The operations and ranges are those of the papers, done by Pillow; torchvision's own versions draw from a global
generator, which decoding threads share. Not here: crops and flips (images).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image as pillow
from PIL import ImageEnhance, ImageOps

from engine.data.preprocessing import uniforms

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
        choice, strength, sign = uniforms(key + b"distort", number, 3)
        amount = strength if policy == "trivial" else 9 / 31
        operation = _OPERATIONS[int(choice * len(_OPERATIONS))]
        image = operation(image, amount if sign < 0.5 else -amount)
    return np.array(image)


def _affine(image: pillow.Image, *, b: float = 0, c: float = 0, d: float = 0, f: float = 0) -> pillow.Image:
    """Source coordinates x + b y + c and d x + y + f."""
    matrix = (1, b, c, d, 1, f)
    return image.transform(image.size, pillow.Transform.AFFINE, matrix, pillow.Resampling.BILINEAR, fillcolor=_GREY)


_OPERATIONS: tuple[Operation, ...] = (
    lambda image, amount: image,
    lambda image, amount: _affine(image, b=0.99 * amount),
    lambda image, amount: _affine(image, d=0.99 * amount),
    lambda image, amount: _affine(image, c=amount * image.width / 7),
    lambda image, amount: _affine(image, f=amount * image.height / 7),
    lambda image, amount: image.rotate(135 * amount, pillow.Resampling.BILINEAR, fillcolor=_GREY),
    lambda image, amount: ImageEnhance.Brightness(image).enhance(1 + 0.99 * amount),
    lambda image, amount: ImageEnhance.Color(image).enhance(1 + 0.99 * amount),
    lambda image, amount: ImageEnhance.Contrast(image).enhance(1 + 0.99 * amount),
    lambda image, amount: ImageEnhance.Sharpness(image).enhance(1 + 0.99 * amount),
    lambda image, amount: ImageOps.posterize(image, 8 - round(6 * abs(amount))),
    lambda image, amount: ImageOps.solarize(image, round(255 * (1 - abs(amount)))),
    lambda image, amount: ImageOps.autocontrast(image),
    lambda image, amount: ImageOps.equalize(image),
)
