"""Intake: files that are meant as images, verified, stored under our names and thumbnailed.

Every pixel is decoded here once, so that training meets no surprise, and what the images tell of how their dataset
should be rendered is put together. Not here: which files, and what class they have (importer, layout).
"""

import hashlib
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image as pillow

from engine.data.dataset_records import AS_EVER, Flaw, Image, Problem, Rendering
from engine.data.decoder import MAX_BYTES, Decoded, decode_as, thumbnail
from engine.data.pool import Progress, ordered
from engine.data.rendering import Evidence, choose_rendering
from engine.data.staging.zips import StagedFile
from engine.errors import ImageError, disk_error

_FEW_LEVELS = 32
_BLANK_SPREAD = 8
_DARK = 32
_TAIL = 0.005
"""A smaller share of bright pixels makes no image bright: hot pixels, a letter in the corner."""


@dataclass(frozen=True, kw_only=True)
class Intake:
    """For every file its image or why there is none, and how their dataset is to be rendered."""

    results: tuple[Image | Problem, ...]
    rendering: Rendering


def take_in(files: Sequence[StagedFile], folder: Path, progress: Progress, *, aside: Collection[str] = ()) -> Intake:
    """Verify, store and thumbnail `files` in `images/` and `thumbs/` of `folder`; those with a name of `aside` have no
    say in how the dataset is rendered."""
    taken: list[_Taken | Problem] = []
    progress("read", 0, len(files))
    reading = ordered(lambda file: _take(file, folder), files)
    try:
        for result in reading:
            taken.append(result)
            progress("read", len(taken), len(files))
    finally:
        reading.close()
    telling = (result for result in taken if isinstance(result, _Taken) and result.image.name not in aside)
    rendering = choose_rendering(result.evidence for result in telling)
    images = ordered(lambda result: _rendered(result, rendering, folder), taken)
    return Intake(results=tuple(images), rendering=rendering)


def flaw_of(image: pillow.Image) -> Flaw:
    """What makes an RGB image show little, if anything does."""
    if np.ptp(np.array(image.getextrema()), axis=1).max() < _BLANK_SPREAD:
        return "blank"
    levels = np.array(image.histogram()).reshape(3, 256)
    brighter = levels[:, _DARK:].sum(axis=1).max()
    if brighter < _TAIL * image.width * image.height:
        return "dark"
    if (levels > 0).sum(axis=1).max() > _FEW_LEVELS:
        return ""
    black_and_white = levels[:, :_DARK].any(axis=1) & levels[:, -_DARK:].any(axis=1)
    return "drawing" if black_and_white.any() else "few_levels"


@dataclass(frozen=True, kw_only=True)
class _Taken:
    image: Image
    evidence: Evidence


def _take(file: StagedFile, folder: Path) -> _Taken | Problem:
    """One file, into `images/` and `thumbs/` under its hash."""
    try:
        if file.path.stat().st_size > MAX_BYTES:
            return Problem(name=file.name, reason=f"It has more than {MAX_BYTES >> 20} MB.")
        content = file.path.read_bytes()
    except OSError as error:
        return Problem(name=file.name, reason=f"It cannot be read ({error.strerror}).")
    try:
        decoded = decode_as(content)
    except ImageError as error:
        return Problem(name=file.name, reason=str(error))
    sha256 = hashlib.sha256(content).hexdigest()
    stored = f"{sha256[:24]}.{decoded.suffix}"
    try:
        if file.owned:
            file.path.unlink()  # before the copy, so that an import never needs its space twice
        _store(folder / "images" / stored, content)
        _store_thumbnail(folder, stored, decoded)
    except OSError as error:
        raise disk_error("The import", folder, error) from error
    width, height = decoded.size
    image = Image(
        index=0,
        name=file.name,
        file=stored,
        label=0,
        split="train",
        width=width,
        height=height,
        sha256=sha256,
        bytes=len(content),
        flaw=flaw_of(decoded.image),
    )
    return _Taken(image=image, evidence=decoded.evidence)


def _rendered(taken: _Taken | Problem, rendering: Rendering, folder: Path) -> Image | Problem:
    """The image, its thumbnail drawn again where all images together showed that it has to be rendered otherwise."""
    if isinstance(taken, Problem):
        return taken
    changed = (taken.evidence.largest and rendering.white != AS_EVER.white) or (
        taken.evidence.brightness is not None and rendering.ground != AS_EVER.ground
    )
    if not changed:
        return taken.image
    decoded = decode_as(folder / "images" / taken.image.file, rendering=rendering)
    try:
        _store_thumbnail(folder, taken.image.file, decoded)
    except OSError as error:
        raise disk_error("The import", folder, error) from error
    return replace(taken.image, flaw=flaw_of(decoded.image))


def _store_thumbnail(folder: Path, stored: str, decoded: Decoded) -> None:
    _store(folder / "thumbs" / f"{stored.partition('.')[0]}.jpg", thumbnail(decoded.image))


def _store(path: Path, content: bytes) -> None:
    """Written to the disk itself: a dataset that is accepted must survive a power cut. Copies may write the same file
    at once."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
