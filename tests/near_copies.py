"""How many near-copies are found, and how many strangers are taken for one: `python -m tests.near_copies FOLDER…`.

Copies a hundred of the images of each folder in every way and looks for them among up to a thousand originals; prints
the rows of docs/near_copies.md. Not here: what a near-copy is (engine.data.grouping.near_copies).
"""

import io
import random
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from engine.data.decoder import decode, thumbnail
from engine.data.grouping.near_copies import near_copies, signature
from engine.errors import ImageError

ORIGINALS, COPIED = 1000, 100
_DRAW = random.Random(0)


def _cropped(picture: Image.Image, share: float) -> Image.Image:
    width, height = (int(side * share) for side in picture.size)
    left, top = _DRAW.randint(0, picture.width - width), _DRAW.randint(0, picture.height - height)
    return picture.crop((left, top, left + width, top + height))


def _encoded(picture: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=40)
    return Image.open(buffer).convert("RGB")


WAYS: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG of quality 40": _encoded,
    "half size": lambda picture: picture.resize((max(1, picture.width // 2), max(1, picture.height // 2))),
    "lighter, less contrast": lambda picture: ImageEnhance.Contrast(
        ImageEnhance.Brightness(picture).enhance(1.2)
    ).enhance(0.8),
    "mirrored": ImageOps.mirror,
    "turned by 90°": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    "tilted by 5°": lambda picture: picture.rotate(5, Image.Resampling.BICUBIC),
    "cropped to 90 % of each side": lambda picture: _cropped(picture, 0.9),
    "cropped to 80 %": lambda picture: _cropped(picture, 0.8),
}


def _signature(picture: Image.Image) -> np.ndarray:
    return signature(Image.open(io.BytesIO(thumbnail(picture))))


def _originals(folder: Path) -> list[Image.Image]:
    """Up to ORIGINALS images below `folder`, no file twice."""
    contents = {path.read_bytes(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    paths, pictures = list(contents.values()), list[Image.Image]()
    random.Random(0).shuffle(paths)
    for path in paths[:ORIGINALS]:
        try:
            pictures.append(decode(path))
        except ImageError:
            continue
    return pictures


def main() -> None:
    print("| images | originals called copies |", " | ".join(WAYS), "|")
    print("|---" * (2 + len(WAYS)) + "|")
    for folder in map(Path, sys.argv[1:]):
        pictures = _originals(folder)
        copied = _DRAW.sample(range(len(pictures)), min(COPIED, len(pictures)))
        originals = [_signature(picture) for picture in pictures]
        strangers = len(near_copies(np.stack(originals)))
        found = []
        for way in WAYS.values():
            copies = [_signature(way(pictures[place])) for place in copied]
            pairs = {(pair.first, pair.second) for pair in near_copies(np.stack([*originals, *copies]))}
            right = sum((place, len(pictures) + number) in pairs for number, place in enumerate(copied))
            found.append(f"{100 * right / len(copied):.0f} %")
        print(f"| {folder.name}, {len(pictures):,} | {strangers} | {' | '.join(found)} |", flush=True)


if __name__ == "__main__":
    main()
