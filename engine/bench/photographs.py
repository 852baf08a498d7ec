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

from engine.bench.workloads import HEIGHT, WIDTH
from engine.data.importer import IMAGE_SUFFIXES
from engine.errors import DatasetError

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


def make_photographs(folder: Path, *, train: int, val: int, seed: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    """`folder`/{train,val}/class N/*.jpg, a pure function of the arguments. Nothing happens when it is there
    already."""
    if folder.is_dir():
        return folder
    building = _fresh(folder)
    for split, count in zip(_SPLITS, (train, val), strict=True):
        for number in range(count):
            label = number % CLASSES
            path = building / split / f"class {label + 1}" / f"{number:05d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            random = np.random.default_rng([seed, _SPLITS.index(split), number])
            photograph(label, random, size).save(path, quality=QUALITY)
    building.rename(folder)
    return folder


def photograph(label: int, random: np.random.Generator, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Image:
    """Patches of all sizes with grain, a tint of the class, and stripes in its direction, of random place, width and
    colour."""
    width, height = size
    tint = _TINT * np.cos(2 * np.pi * (label / CLASSES - np.arange(3) / 3))
    canvas = np.tile((128 + tint).astype(np.float32), (height, width, 1))
    for cells, deviation in _OCTAVES:
        canvas += _patches(random, cells, deviation, size)
    canvas += _stripes(label, random, size)[..., None] * random.uniform(0.4, 1.0, 3).astype(np.float32)
    canvas += random.normal(0, _GRAIN, (height, width, 1)).astype(np.float32)
    return Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))


def take_photographs(source: Path, folder: Path, *, train: int, val: int, seed: int) -> Path:
    """The same layout from real pictures: `source` has a folder a class, or train/ and val/ with such folders, which
    are pooled.

    Takes equally many of every class as far as there are enough. DatasetError when there are fewer than two classes or
    too few images.
    """
    if folder.is_dir():
        return folder
    classes = _found(source)
    if len(classes) < 2 or sum(map(len, classes.values())) < train + val:
        counted = f"{sum(map(len, classes.values()))} images in {len(classes)} classes"
        raise DatasetError(f"{source} has {counted}; {train + val} in at least two classes are needed. Lower --images.")
    random = np.random.default_rng(seed)
    turns = [
        (place, label, path) for label, paths in classes.items() for place, path in enumerate(_shuffled(paths, random))
    ]
    chosen = sorted(turns, key=lambda turn: turn[:2])[: train + val]  # one of every class in turn
    building = _fresh(folder)
    for number, (_, label, path) in enumerate(chosen):
        target = building / _SPLITS[number >= train] / label / f"{number:05d}{path.suffix.lower()}"
        target.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(path, target)
    building.rename(folder)
    return folder


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """A second name for a file that nobody changes; a copy where the file system has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _fresh(folder: Path) -> Path:
    building = folder.with_name(f"{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    return building


def _found(source: Path) -> dict[str, list[Path]]:
    """Class name -> its pictures."""
    roots = [source / split for split in _SPLITS if (source / split).is_dir()] or [source]
    classes: dict[str, list[Path]] = {}
    for root in roots:
        for path in sorted(root.glob("*/*")):
            if path.suffix.lower().lstrip(".") in IMAGE_SUFFIXES and path.is_file():
                classes.setdefault(path.parent.name, []).append(path)
    return classes


def _shuffled(paths: list[Path], random: np.random.Generator) -> list[Path]:
    return [paths[place] for place in random.permutation(len(paths))]


def _patches(
    random: np.random.Generator, cells: int, deviation: float, size: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """[height, width, 3] soft patches around zero."""
    small = random.normal(0, deviation, (3, cells * 3 // 4 + 1, cells)).astype(np.float32)
    grown = [np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC)) for plane in small]
    return np.stack(grown, axis=-1)


def _stripes(label: int, random: np.random.Generator, size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """[height, width] waves across the direction of the class, give or take a tenth of a turn between classes."""
    angle = np.pi * (label + random.normal(0, 0.15)) / CLASSES
    wave = random.uniform(9, 22) * size[0] / WIDTH
    across, down = np.meshgrid(np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32))
    phase = random.uniform(0, 2 * np.pi)
    waves: npt.NDArray[np.float32] = _STRIPES * np.sin(
        2 * np.pi * (across * np.cos(angle) + down * np.sin(angle)) / wave + phase
    )
    return waves.astype(np.float32)
