"""Pictures, folders and zips for the tests of the data wing, made on the spot."""

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int = 0, size: tuple[int, int] = (40, 30), kind: str = "PNG") -> bytes:
    """Encoded noise over a gradient; another seed, other bytes."""
    generator = np.random.default_rng(seed)
    ramp = np.linspace(0, 180, size[0], dtype=np.float32)[None, :, None]
    pixels = (ramp + generator.uniform(0, 70, (size[1], size[0], 3))).astype(np.uint8)
    return encoded(Image.fromarray(pixels), kind)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def many(folder: str, count: int, start: int = 0) -> dict[str, bytes]:
    return {f"{folder}/{number:02d}.png": picture(start + number) for number in range(count)}


def two_classes(count: int = 10) -> dict[str, bytes]:
    return many("ants", count) | many("bees", count, 1000)


def make_folder(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


class RawName(zipfile.ZipInfo):
    """A member whose name is stored as the given bytes without the Unicode flag, as old Windows programs do."""

    raw = b""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.raw, self.flag_bits & ~0x800


def make_zip(path: Path, files: Mapping[str | bytes, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip of `files`; names given as bytes are stored as they are."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            info = RawName(name.decode("latin-1")) if isinstance(name, bytes) else zipfile.ZipInfo(name)
            info.compress_type = compression
            if isinstance(info, RawName) and isinstance(name, bytes):
                info.raw = name
            archive.writestr(info, content)
    return path


def make_tar(path: Path, files: Mapping[str, bytes], mode: str = "w:gz") -> Path:
    """A tar of `files`."""
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path
