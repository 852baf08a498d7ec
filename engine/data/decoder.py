"""Decoder: untrusted bytes to an upright RGB image, or one sentence that says why not.

Formats are chosen from a short list by content, never by file name. What is done with the image is not its business.
"""

import io
import threading
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt
from PIL import Image as pillow
from PIL import ImageOps

from engine.errors import ImageError

FORMATS = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp", "BMP": "bmp", "TIFF": "tif"}
"""What is decoded, and the suffix we store it under. GIF is left out as in torchvision's ImageFolder: among photographs
it is a placeholder or an animation."""
MAX_PIXELS = 40_000_000
LARGE_PIXELS = 12_000_000
THUMBNAIL_SIDE = 160
_OPENERS = [name for name in FORMATS if name != "MPO"]  # a JPEG that turns out to hold several pictures
_large = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """An upright RGB image and the suffix of the format it really was in."""

    image: pillow.Image
    suffix: str


def decode(source: Path | bytes, *, side: int = 0) -> pillow.Image:
    """The image as upright 8-bit RGB. `side` lets a JPEG be decoded smaller, its shorter side not below `side` pixels.

    Transparency lies on white, 16-bit values are scaled to 8, CMYK and palettes converted. Raises ImageError with the
    reason.
    """
    return decode_as(source, side=side).image


def decode_as(source: Path | bytes, *, side: int = 0) -> Decoded:
    """`decode`, together with the true format."""
    with _open(source) as opened:
        pixels = opened.width * opened.height
        if pixels > MAX_PIXELS:
            raise ImageError(
                f"It has {pixels / 1e6:.0f} megapixels; the limit is {MAX_PIXELS // 1_000_000}. Save it smaller."
            )
        suffix = FORMATS[opened.format or ""]
        if side and suffix == "jpg":
            shrink = max(1.0, min(opened.size) / side)
            opened.draft("RGB", (int(opened.width / shrink), int(opened.height / shrink)))
        # large ones one at a time, or eight threads with 40 megapixels each would need gigabytes
        with _large if pixels > LARGE_PIXELS else nullcontext():
            return Decoded(image=_upright_rgb(opened), suffix=suffix)


def why_not(path: Path) -> str | None:
    """None for a file that begins like a supported image; otherwise what it seems to be, as a sentence."""
    head = _head(path)
    tiff, webp = head[:4] in (b"II*\0", b"MM\0*"), head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return None if tiff or webp or head.startswith((b"\xff\xd8\xff", b"\x89PNG", b"BM")) else _unsupported(head)


def thumbnail(image: pillow.Image) -> bytes:
    """A JPEG whose shorter side has about 160 pixels and whose longer one at most twice as many."""
    scale = min(1.0, THUMBNAIL_SIDE / min(image.size), 2 * THUMBNAIL_SIDE / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    buffer = io.BytesIO()
    image.resize(size, pillow.Resampling.LANCZOS, reducing_gap=2.0).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _open(source: Path | bytes) -> pillow.Image:
    try:
        return pillow.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_OPENERS)
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning):
        raise ImageError(f"It has more than {MAX_PIXELS // 1_000_000} megapixels. Save it smaller.") from None
    except pillow.UnidentifiedImageError:
        raise ImageError(_unsupported(source)) from None
    except Exception as error:  # decoders meet hostile bytes: whatever they raise concerns this one file
        _refuse(error)


def _upright_rgb(opened: pillow.Image) -> pillow.Image:
    try:
        opened.load()
        return _rgb(ImageOps.exif_transpose(opened))
    except MemoryError:
        raise ImageError("It needs more memory than there is. Save it smaller.") from None
    except Exception as error:
        _refuse(error)


def _rgb(image: pillow.Image) -> pillow.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep(np.asarray(image, dtype=np.float64), sixteen=image.mode.startswith("I;16")).convert("RGB")
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = pillow.new("RGBA", layer.size, (255, 255, 255, 255))
        return pillow.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _from_deep(values: npt.NDArray[np.float64], *, sixteen: bool) -> pillow.Image:
    """Grey values of 16 or 32 bits as 8: PIL's own conversion clips them to white."""
    finite = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    top = float(finite.max(initial=0.0))
    scale = 255.0 if top <= 1 else 255 / max(top, 255)
    if sixteen or 255 < top <= 65535:
        scale = 255 / 65535
    return pillow.fromarray(np.clip(np.rint(finite * scale), 0, 255).astype(np.uint8))


def _head(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(64)


def _unsupported(source: Path | bytes) -> str:
    head = source[:64] if isinstance(source, bytes) else _head(source)
    for mark, reason in _MARKS:
        if mark in head[:32]:
            return reason
    return "The file is empty." if not head else "It is not an image, or it is damaged."


_SAVE = "is not supported. Save it as JPEG or PNG."
_WEB_PAGE = "It is a web page, not an image: the download went wrong."
_MARKS = (
    (b"GIF8", f"GIF (animation or placeholder graphic) {_SAVE}"),
    (b"ftyphei", f"HEIC {_SAVE}"),
    (b"ftypmif", f"HEIC {_SAVE}"),
    (b"ftypavif", f"AVIF {_SAVE}"),
    (b"<svg", f"SVG {_SAVE}"),
    (b"%PDF", f"PDF {_SAVE}"),
    (b"8BPS", f"Photoshop's format {_SAVE}"),
    (b"jP  ", f"JPEG 2000 {_SAVE}"),
    (b"<html", _WEB_PAGE),
    (b"<!DOCTYPE", _WEB_PAGE),
    (b"PK\x03\x04", "It is an archive inside; unpack it first."),
)


def _refuse(error: Exception) -> NoReturn:
    text = str(error).lower()
    if "truncated" in text or "cut" in text or "not enough" in text:
        raise ImageError("It is cut off: the file ends before the image does. Copy or download it again.") from error
    if isinstance(error, FileNotFoundError):
        raise ImageError("The file is gone.") from error
    raise ImageError("It is damaged and cannot be decoded. Copy or download it again.") from error
