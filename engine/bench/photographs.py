"""Photographs: pictures that cost what photographs cost to decode, made from a seed, or taken from a folder of real
ones.

Both come as train/ and val/ with a folder a class. Not here: importing them (experiment), what is trained on them.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from engine.data.readings.recognised import IMAGE_SUFFIXES
from engine.errors import DatasetError

SIZE = (500, 375)
"""Width and height in pixels of a photograph that is made."""
CLASSES = 5
QUALITY = 90
_OCTAVES = ((3, 38.0), (8, 26.0), (24, 18.0), (72, 12.0))
"""(patches across the picture, their deviation in grey levels)"""
_GRAIN = 7.0
_STRIPES = 18.0
"""Amplitude in grey levels of the texture that tells the classes apart."""
_TINT = 34.0
"""Likewise of the colour cast: strong enough that sixty images teach it, so that accuracies say something."""
_SPLITS = ("train", "val")


def make_photographs(folder: Path, *, train: int, val: int, seed: int) -> None:
    """`folder`/{train,val}/class N/*.jpg, a pure function of the arguments."""
    for split, count in enumerate((train, val)):
        for number in range(count):
            label = number % CLASSES
            path = _place(folder / _SPLITS[split] / f"class {label + 1}", f"{number:05d}.jpg")
            photograph(label, np.random.default_rng([seed, split, number])).save(path, quality=QUALITY)


def photograph(label: int, random: np.random.Generator) -> Image.Image:
    """Patches of all sizes with grain, a tint of the class, and stripes in its direction, of random place, width and
    colour."""
    width, height = SIZE
    tint = _TINT * np.cos(2 * np.pi * (label / CLASSES - np.arange(3) / 3))
    canvas = np.tile((128 + tint).astype(np.float32), (height, width, 1))
    for cells, deviation in _OCTAVES:
        small = random.normal(0, deviation, (3, cells * 3 // 4 + 1, cells)).astype(np.float32)
        planes = [np.asarray(Image.fromarray(plane).resize(SIZE, Image.Resampling.BICUBIC)) for plane in small]
        canvas += np.stack(planes, axis=-1)
    canvas += _stripes(label, random)[..., None] * random.uniform(0.4, 1.0, 3).astype(np.float32)
    canvas += random.normal(0, _GRAIN, (height, width, 1)).astype(np.float32)
    return Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))


def take_photographs(source: Path, folder: Path, *, train: int, val: int, seed: int) -> None:
    """The same layout from real pictures: `source` has a folder a class, or train/ and val/ with such folders, which
    are pooled.

    Takes equally many of every class as far as there are enough. DatasetError when there are fewer than two classes or
    too few images.
    """
    classes = _by_class(source)
    count = sum(map(len, classes.values()))
    if len(classes) < 2 or count < train + val:
        raise DatasetError(
            f"{source} has {count} images in {len(classes)} classes; {train + val} in at least two classes are needed. "
            "Lower --images."
        )
    random = np.random.default_rng(seed)
    turns = [
        (turn, label, paths[place])
        for label, paths in classes.items()
        for turn, place in enumerate(random.permutation(len(paths)))
    ]
    turns.sort(key=lambda entry: entry[:2])  # one of every class in turn
    for number, (_, label, path) in enumerate(turns[: train + val]):
        name = f"{number:05d}{path.suffix.lower()}"
        link_or_copy(path, _place(folder / _SPLITS[number >= train] / label, name))


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """A second name for a file that nobody changes; a copy where the file system has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _place(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def _by_class(source: Path) -> dict[str, list[Path]]:
    """Class name -> its pictures."""
    classes: dict[str, list[Path]] = {}
    for root in [source / split for split in _SPLITS if (source / split).is_dir()] or [source]:
        for path in sorted(root.glob("*/*")):
            if path.suffix.lower().lstrip(".") in IMAGE_SUFFIXES and path.is_file():
                classes.setdefault(path.parent.name, []).append(path)
    return classes


def _stripes(label: int, random: np.random.Generator) -> npt.NDArray[np.float32]:
    """[height, width] waves across the direction of the class, give or take a tenth of a turn between classes."""
    angle = np.pi * (label + random.normal(0, 0.15)) / CLASSES
    wave = random.uniform(9, 22)
    across, down = np.meshgrid(*(np.arange(side, dtype=np.float32) for side in SIZE))
    phase = random.uniform(0, 2 * np.pi)
    along = across * np.cos(angle) + down * np.sin(angle)
    return (_STRIPES * np.sin(2 * np.pi * along / wave + phase)).astype(np.float32)
