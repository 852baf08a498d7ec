"""Relations: which stored images of an import are near-copies of each other, and which were taken in one burst.

Reads their files, so it runs in the child. Not here: how either is told (near_copies, capture_times), what follows for
the split (groups).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.data.decoder import decode
from engine.data.grouping.alignment import SIDE
from engine.data.grouping.capture_times import Capture, bursts, capture
from engine.data.grouping.near_copies import clusters, near_copies, signature
from engine.data.pool import Progress, ordered
from engine.errors import ImageError


@dataclass(frozen=True, kw_only=True)
class Relations:
    """Groups of files, by our own names of them."""

    near_copies: tuple[tuple[str, ...], ...]
    bursts: tuple[tuple[str, ...], ...]


def related(folder: Path, files: Sequence[str], progress: Progress) -> Relations:
    """The relations of the images in `folder`, an import or a dataset, that are called `files`."""
    files = sorted(set(files))
    signatures, captures = np.zeros((len(files), SIDE, SIDE), dtype=np.uint8), dict[str, Capture]()
    reading = ordered(lambda file: _read(folder, file), files)
    try:
        for place, (picture, taken) in enumerate(reading):
            signatures[place] = picture
            if taken is not None:
                captures[files[place]] = taken
            if place % 100 == 0:
                progress("compare", place, len(files))
    finally:
        reading.close()
    progress("compare", len(files), len(files))
    together = clusters(near_copies(signatures), len(files))
    copies = tuple(tuple(files[place] for place in places) for places in together)
    return Relations(near_copies=copies, bursts=bursts(captures))


def _read(folder: Path, file: str) -> tuple[np.ndarray, Capture | None]:
    """The signature, plain where there is none, and when the image was taken."""
    try:
        picture = signature(decode(folder / "thumbs" / f"{file.partition('.')[0]}.jpg"))
    except ImageError:
        picture = np.zeros((SIDE, SIDE), dtype=np.uint8)
    return picture, capture(folder / "images" / file)
