"""Photographs: the zip that the tests bring: three classes told apart by colour, hostile names, one broken file."""

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = {"개나리": (220, 190, 40), "<img src=x onerror=window.hostile=1>": (60, 90, 200), "moss": (60, 160, 70)}
HOSTILE_FILE = "moss/![x](https:evil.example).jpg"  # a browser needs no slashes to find that host
BROKEN_FILE = "moss/broken.jpg"
EACH = 14


def make_zip(path: Path) -> Path:
    random = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for label, colour in CLASSES.items():
            for number in range(EACH):
                archive.writestr(f"{label}/{number:02d}.jpg", _photograph(random, colour))
        archive.writestr(HOSTILE_FILE, _photograph(random, CLASSES["moss"]))
        archive.writestr(BROKEN_FILE, b"\xff\xd8\xff this is no photograph")
        archive.writestr("__MACOSX/._moss", b"\0")
    return path


def _photograph(random: np.random.Generator, colour: tuple[int, int, int]) -> bytes:
    """A blurred patch of the colour on noise, so hard that a few epochs leave mistakes."""
    small = random.normal(128, 60, (8, 10, 3))
    small[2:6, 3:7] = small[2:6, 3:7] * 0.6 + np.array(colour) * 0.4
    image = Image.fromarray(np.clip(small, 0, 255).astype(np.uint8)).resize((160, 128), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return file.getvalue()
