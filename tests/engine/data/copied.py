"""Pictures that are full of detail, and what people make of one picture, for tests of near-copies."""

import io
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageOps

SIDE = 128


def photograph(seed: int) -> Image.Image:
    """Random fields from coarse to fine: another seed, another picture."""
    generator, pixels = np.random.default_rng(seed), np.zeros((SIDE, SIDE, 3))
    for size, weight in ((4, 60), (8, 45), (16, 30), (32, 20), (64, 10)):
        field = Image.fromarray(generator.integers(0, 256, (size, size, 3), dtype=np.uint8))
        pixels += weight * (np.asarray(field.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) / 127.5 - 1)
    return Image.fromarray(np.clip(pixels + 128, 0, 255).astype(np.uint8))


def stroke(seed: int) -> Image.Image:
    """A black line on white, somewhere."""
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    ends = np.random.default_rng(seed).integers([15, 15, 80, 15], [45, 110, 110, 110])
    ImageDraw.Draw(picture).line([int(end) for end in ends], fill="black", width=7)
    return picture


def reencoded(picture: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=40)
    return Image.open(buffer).convert("RGB")


COPIED: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "re-encoded": reencoded,
    "half size": lambda picture: picture.resize((SIDE // 2, SIDE // 2)),
    "cropped": lambda picture: picture.crop((6, 9, SIDE - 7, SIDE - 4)),
    "mirrored": ImageOps.mirror,
    "turned": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    "tilted": lambda picture: picture.rotate(4, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128)),
    "brighter": lambda picture: picture.point(lambda value: int(40 + 0.7 * value)),
}
