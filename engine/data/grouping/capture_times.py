"""Capture times: when cameras say that pictures were taken, and which were taken in one burst.

Reads EXIF data of stored files, so it runs in the child. Not here: what follows for the split (groups).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from PIL import Image as pillow

BURST_SECONDS = 2.0
"""Pictures of one camera that follow each other within this show the same moment."""
_MAKE, _MODEL, _EXIF, _ORIGINAL, _FRACTION = 271, 272, 0x8769, 36867, 37521


@dataclass(frozen=True, kw_only=True)
class Capture:
    """Which camera took a picture, as it calls itself, and when: seconds on its own clock."""

    camera: str
    seconds: float


def capture(path: Path) -> Capture | None:
    """What the picture at `path` says; None where it says nothing that can be read."""
    try:
        with pillow.open(path) as opened:
            exif = opened.getexif()
        details = exif.get_ifd(_EXIF)
        taken = datetime.strptime(str(details.get(_ORIGINAL, ""))[:19], "%Y:%m:%d %H:%M:%S")
    except Exception:  # hostile bytes: whatever a parser raises, this file has no time
        return None
    fraction = "".join(filter(str.isdecimal, str(details.get(_FRACTION, ""))[:6]))
    camera = f"{exif.get(_MAKE, '')} {exif.get(_MODEL, '')}"[:200]
    whole = (taken - datetime(1970, 1, 1)).total_seconds()
    return Capture(camera=camera, seconds=whole + float(f"0.{fraction or 0}"))


def bursts(captures: Mapping[str, Capture]) -> tuple[tuple[str, ...], ...]:
    """The names in `captures` that were taken in one burst, two at least each, in the order of their times."""
    ordered = sorted(captures, key=lambda name: (captures[name].camera, captures[name].seconds, name))
    found: list[list[str]] = [ordered[:1]]
    for before, name in pairwise(ordered):
        one, other = captures[before], captures[name]
        follows = one.camera == other.camera and other.seconds - one.seconds <= BURST_SECONDS
        found[-1].append(name) if follows else found.append([name])
    return tuple(tuple(burst) for burst in found if len(burst) > 1)
