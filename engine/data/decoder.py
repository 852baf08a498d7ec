"""Decoder: untrusted bytes to an upright RGB image, or one sentence that says why not.

Formats are chosen from a short list by content, never by file name. What is done with the image is not its business.
"""

import importlib
import importlib.util
import io
import threading
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from PIL import Image as pillow
from PIL import ImageOps

from engine.data.dataset_records import AS_EVER, Rendering
from engine.data.jpeg import MOST_SCANS, draft_to, scans
from engine.data.rendering import Evidence, declared_largest, rendered
from engine.data.staging.magic import kind_of, unknown
from engine.errors import ImageError

FORMATS = {
    "JPEG": "jpg",
    "MPO": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "BMP": "bmp",
    "TIFF": "tif",
    "PPM": "ppm",
    "AVIF": "avif",
    "GIF": "gif",
    "HEIF": "heic",
}
"""What is decoded, and the suffix we store it under. Of a file with several pictures, the first."""
MAX_PIXELS = 40_000_000
"""Of what is decoded. A JPEG may hold more, for it is decoded at a half, a quarter or an eighth."""
MAX_JPEG_PIXELS = 260_000_000
MAX_PROGRESSIVE_PIXELS = 80_000_000
"""A progressive JPEG is held whole, as coefficients, whatever size comes out of it."""
MAX_HEIF_PIXELS = 50_000_000
"""What phones take at most, and no more memory than 40 of others."""
MAX_BYTES = 512 << 20
LARGE_PIXELS = 12_000_000
THUMBNAIL_SIDE = 160
_OPENERS = [name for name in FORMATS if name not in ("MPO", "HEIF")]  # MPO is a JPEG that holds several pictures
_HEIF_PACKAGE = "pillow_heif"
_large = threading.Lock()
pillow.MAX_IMAGE_PIXELS = None  # its own limit knows no JPEG that is decoded smaller; ours stand above


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """An upright RGB image, the suffix of the format it really was in, its size before a large JPEG was decoded
    smaller, and what it tells of its dataset."""

    image: pillow.Image
    suffix: str
    size: tuple[int, int]
    evidence: Evidence


def decode(source: Path | bytes, *, side: int = 0, rendering: Rendering = AS_EVER) -> pillow.Image:
    """The image as upright 8-bit RGB. `side` lets a JPEG be decoded smaller, its shorter side not below `side` pixels.

    Transparency lies on a ground and 16-bit values are scaled to 8 as `rendering` says, CMYK and palettes converted.
    Raises ImageError with the reason.
    """
    return decode_as(source, side=side, rendering=rendering).image


def decode_as(source: Path | bytes, *, side: int = 0, rendering: Rendering = AS_EVER) -> Decoded:
    """`decode`, together with what the file was."""
    content = _content(source)
    with _open(content) as opened:
        suffix, size = FORMATS[opened.format or ""], opened.size
        if suffix == "jpg":
            _check_jpeg(opened, content)
            draft_to(opened, side=side, pixels=MAX_PIXELS)
        else:
            _check_pixels(opened, MAX_HEIF_PIXELS if suffix == "heic" else MAX_PIXELS)
        # large ones one at a time, or eight threads with 40 megapixels each would need gigabytes
        with _large if size[0] * size[1] > LARGE_PIXELS else nullcontext():
            image, evidence = _upright_rgb(opened, rendering)
    turned = (size[0] < size[1]) != (image.width < image.height)
    return Decoded(image=image, suffix=suffix, size=size[::-1] if turned else size, evidence=evidence)


def why_not(path: Path) -> str | None:
    """None for a file that begins like an image that can be read here; otherwise what it seems to be, as a sentence."""
    kind = kind_of(path)
    if kind is None:
        return unknown(path)
    return None if kind.reader in ("image", "heif") else kind.sentence


def thumbnail(image: pillow.Image) -> bytes:
    """A JPEG whose shorter side has about 160 pixels and whose longer one at most twice as many."""
    scale = min(1.0, THUMBNAIL_SIDE / min(image.size), 2 * THUMBNAIL_SIDE / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    buffer = io.BytesIO()
    image.resize(size, pillow.Resampling.LANCZOS, reducing_gap=2.0).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _content(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source
    try:
        if source.stat().st_size > MAX_BYTES:
            raise ImageError(f"It has more than {MAX_BYTES >> 20} MB. Save it smaller.")
        return source.read_bytes()
    except OSError as error:
        _refuse(error)


def _open(content: bytes) -> pillow.Image:
    """The image in `content`, its header read and nothing decoded."""
    kind = kind_of(content)
    if kind is None:
        raise ImageError(unknown(content))
    if kind.reader not in ("image", "heif"):
        raise ImageError(kind.sentence)
    openers = [*_OPENERS, "HEIF"] if kind.reader == "heif" else _OPENERS
    if kind.reader == "heif":
        _register_heif()
    try:
        return pillow.open(io.BytesIO(content), formats=openers)
    except Exception as error:  # decoders meet hostile bytes: whatever they raise concerns this one file
        _refuse(error)


def _register_heif() -> None:
    """Teach Pillow to read HEIC, where the package is installed. ImageError where it is not."""
    if importlib.util.find_spec(_HEIF_PACKAGE) is None:
        raise ImageError(
            "It is a HEIC image. Save it as JPEG, or install what reads it: pip install -r requirements-heic.txt."
        )
    importlib.import_module(_HEIF_PACKAGE).register_heif_opener(thumbnails=False)


def _check_jpeg(opened: pillow.Image, content: bytes) -> None:
    progressive = bool(opened.info.get("progressive"))
    _check_pixels(opened, MAX_PROGRESSIVE_PIXELS if progressive else MAX_JPEG_PIXELS)
    if scans(content) > MOST_SCANS:
        raise ImageError(f"It has more than {MOST_SCANS} scans, which takes minutes to decode. Save it anew.")


def _check_pixels(opened: pillow.Image, most: int) -> None:
    pixels = opened.width * opened.height
    if pixels > most:
        raise ImageError(f"It has {pixels / 1e6:.0f} megapixels; the limit is {most // 1_000_000}. Save it smaller.")


def _upright_rgb(opened: pillow.Image, rendering: Rendering) -> tuple[pillow.Image, Evidence]:
    try:
        opened.load()
        image, evidence = rendered(ImageOps.exif_transpose(opened), rendering)
        if evidence.largest:
            evidence = replace(evidence, largest=max(evidence.largest, declared_largest(opened)))
        return image, evidence
    except MemoryError:
        raise ImageError("It needs more memory than there is. Save it smaller.") from None
    except Exception as error:
        _refuse(error)


def _refuse(error: Exception) -> NoReturn:
    text = str(error).lower()
    if isinstance(error, FileNotFoundError):
        raise ImageError("The file is gone.") from error
    if isinstance(error, OSError) and error.strerror:
        raise ImageError(f"It cannot be read ({error.strerror}).") from error
    if "truncated" in text or "cut" in text or "not enough" in text:
        raise ImageError("It is cut off: the file ends before the image does. Copy or download it again.") from error
    raise ImageError("It is damaged and cannot be decoded. Copy or download it again.") from error
