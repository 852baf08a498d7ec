"""Magic numbers: what a file is by its first bytes, whatever it is called; one table wherever files arrive.

A kind either has a reader or a sentence that says what to do with it. Not here: reading (decoder, zips, tars).
"""

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

HEAD_BYTES = 512
"""What has to be known of a file: the name of a tape archive's format stands at 257, that of NIfTI at 344."""
_TAIL_BYTES = 66_000
Reader = Literal["image", "heif", "zip", "tar", ""]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a file is, such as "a RAR archive", which part reads it (none: empty), and what a person can do instead."""

    name: str
    reader: Reader = ""
    remedy: str = ""

    @property
    def sentence(self) -> str:
        """Why it is no image."""
        return f"It is {self.name}, which is not read here. {self.remedy}".rstrip()


def kind_of(source: Path | bytes) -> Kind | None:
    """What the file is; None for one that begins like nothing known. OSError where it cannot be read."""
    if isinstance(source, bytes):
        head, tail = source[:HEAD_BYTES], source[-_TAIL_BYTES:]
    else:
        head, tail = _ends(source)
    kind = (
        _by_brand(head)
        or next((kind for mark, kind in _MARKS if re.match(mark, head, re.DOTALL)), None)
        or _by_words(head)
    )
    return _by_members(head, tail) or kind if kind is ZIP else kind


def unknown(source: Path | bytes) -> str:
    """Why a file that is of no known kind is no image."""
    if isinstance(source, bytes):
        head = source[:HEAD_BYTES]
    else:
        with open(source, "rb") as file:
            head = file.read(HEAD_BYTES)
    if not head:
        return "The file is empty."
    if _is_text(head):
        return "It is not an image but text."
    return "It is not an image, or it is damaged."


def _ends(path: Path) -> tuple[bytes, bytes]:
    """The beginning, and of a zip also the end, where it lists its members."""
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
        if not head.startswith(b"PK"):
            return head, b""
        file.seek(0, 2)
        file.seek(max(0, file.tell() - _TAIL_BYTES))
        return head, file.read()


def _by_brand(head: bytes) -> Kind | None:
    """Of the family that begins with a box `ftyp`: images, videos and what cameras call raw, told apart by brands."""
    if head[4:8] != b"ftyp":
        return None
    end = max(16, min(int.from_bytes(head[:4], "big"), len(head)))
    brands = [head[8:12], *(head[start : start + 4] for start in range(16, end, 4))]
    main = head[8:12]
    if main in (b"mif1", b"msf1"):  # says only that it is a picture; what kind follows
        main = next((brand for brand in brands if brand in _AVIF | _HEIC), b"heic")
    if main in _AVIF:
        return Kind(name="an AVIF image", reader="image")
    if main in _HEIC:
        return HEIF
    if main == b"crx ":
        return _RAW
    return _SOUND if main in (b"M4A ", b"M4B ") else _VIDEO


def _by_words(head: bytes) -> Kind | None:
    """Of what is written in letters."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")) or b"<html" in text[:200]:
        return Kind(name="a web page", remedy="The download went wrong: get the image itself.")
    if b"<svg" in text:
        return Kind(name="an SVG drawing", remedy=_SAVE)
    if text.startswith(b"version https://git-lfs"):
        return Kind(name="a pointer of Git LFS", remedy="Get the file itself with git lfs pull.")
    return None


def _by_members(head: bytes, tail: bytes) -> Kind | None:
    """A document or a model that is a zip only in its outer form; None for a zip that is meant as one."""
    if head[30:38] == b"mimetype" or (head[30:39] == b"META-INF/" and _lists(tail, b"META-INF/MANIFEST.MF")):
        return _DOCUMENT
    if _lists(tail, b"[Content_Types].xml"):
        return _DOCUMENT
    return _WEIGHTS if b"/data.pkl" in tail and b"/version" in tail else None


def _lists(tail: bytes, name: bytes) -> bool:
    """Whether a zip that ends with `tail` has this member at its top."""
    return any(
        tail[found.start() - 46 : found.start() - 42] == b"PK\x01\x02" for found in re.finditer(re.escape(name), tail)
    )


def _is_text(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # which may end within a letter
    except UnicodeDecodeError:
        return False
    return not re.search(rb"[\0-\x08\x0e-\x1f]", head)


def _rows(kind: Kind, patterns: Iterable[bytes]) -> list[tuple[bytes, Kind]]:
    return [(pattern, kind) for pattern in patterns]


_SAVE = "Save it as JPEG or PNG."
_FRAMES = "Save the frames that you need as JPEG or PNG."
_UNPACK = "Unpack it, and bring the folder or a zip of it."
_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
HEIF = Kind(name="a HEIC image", reader="heif")
ZIP = Kind(name="a zip archive", reader="zip", remedy="It lies inside two others: unpack one of them first.")
TAR = Kind(name="a tar archive", reader="tar", remedy="It lies inside two others: unpack one of them first.")
_RAW = Kind(name="a raw image of a camera", remedy="Develop it and save it as JPEG or PNG.")
_VIDEO = Kind(name="a video", remedy=_FRAMES)
_SOUND = Kind(name="a sound file")
_DOCUMENT = Kind(name="a document (Word, Excel, PowerPoint or the like)", remedy="Save its pictures as JPEG or PNG.")
_WEIGHTS = Kind(name="a file of PyTorch", remedy="Weights are brought on the page Configure.")
_MARKS = [
    *_rows(_RAW, (rb"II\*\0....CR", rb"IIR[OS]|MMOR|IIU\0", b"FUJIFILMCCD-RAW")),
    *_rows(Kind(name="a JPEG", reader="image"), (rb"\xff\xd8\xff",)),
    *_rows(Kind(name="a PNG", reader="image"), (rb"\x89PNG",)),
    *_rows(Kind(name="a GIF", reader="image"), (b"GIF8",)),
    *_rows(Kind(name="a TIFF", reader="image"), (rb"II[*+]\0|MM\0[*+]",)),
    *_rows(Kind(name="a WebP image", reader="image"), (b"RIFF....WEBP",)),
    *_rows(Kind(name="a BMP", reader="image"), (rb"BM.{10}\0\0",)),
    *_rows(Kind(name="a PPM, PGM or PBM", reader="image"), (rb"P[1-6]\s*#|P[1-6]\s+\d",)),
    *_rows(ZIP, (rb"PK\x03\x04|PK\x05\x06|PK\x07\x08",)),
    *_rows(TAR, (rb".{257}ustar", rb"\x1f\x8b", rb"BZh[1-9]", rb"\xfd7zXZ\0")),
    *_rows(Kind(name="a RAR archive", remedy=_UNPACK), (b"Rar!",)),
    *_rows(Kind(name="a 7z archive", remedy=_UNPACK), (rb"7z\xbc\xaf",)),
    *_rows(Kind(name="an EGG archive", remedy=_UNPACK), (b"EGGA",)),
    *_rows(Kind(name="an ALZ archive", remedy=_UNPACK), (rb"ALZ\x01",)),
    *_rows(Kind(name="a Zstandard archive", remedy=_UNPACK), (rb"\x28\xb5\x2f\xfd",)),
    *_rows(Kind(name="a LHA archive", remedy=_UNPACK), (rb"..-lh[0-7d]-",)),
    *_rows(Kind(name="a cabinet archive", remedy=_UNPACK), (rb"MSCF\0",)),
    *_rows(
        _VIDEO,
        (b"RIFF....AVI ", rb"\x1a\x45\xdf\xa3", rb"\0\0\x01[\xb3\xba]", rb"FLV\x01", rb"\x30\x26\xb2\x75\x8e\x66"),
    ),
    *_rows(_VIDEO, (b"OggS", rb"G.{187}G", rb"\0...(?:moov|mdat|wide|free|skip)")),
    *_rows(_SOUND, (b"ID3", b"RIFF....WAVE", b"fLaC", b"MThd", rb"\xff[\xe3\xf2\xf3\xfb]")),
    *_rows(Kind(name="a DICOM image", remedy="Export it as PNG, 16 bits of grey included."), (b".{128}DICM",)),
    *_rows(Kind(name="a NIfTI volume", remedy=_FRAMES), (rb".{344}(?:n\+1|ni1)\0",)),
    *_rows(Kind(name="a JPEG XL image", remedy=_SAVE), (rb"\xff\x0a", rb"\0\0\0\x0cJXL ")),
    *_rows(Kind(name="a JPEG 2000 image", remedy=_SAVE), (rb"\0\0\0\x0cjP  ", rb"\xff\x4f\xff\x51")),
    *_rows(Kind(name="a file of Photoshop", remedy=_SAVE), (b"8BPS",)),
    *_rows(Kind(name="a file of GIMP", remedy=_SAVE), (b"gimp xcf",)),
    *_rows(Kind(name="a PDF", remedy="Save its pictures as JPEG or PNG."), (b"%PDF", b".{0,8}%PDF")),
    *_rows(Kind(name="a PostScript drawing", remedy=_SAVE), (b"%!PS", rb"\xc5\xd0\xd3\xc6")),
    *_rows(Kind(name="a Windows icon", remedy=_SAVE), (rb"\0\0[\x01\x02]\0[^\0]\0",)),
    *_rows(Kind(name="an OpenEXR or Radiance image", remedy=_SAVE), (rb"\x76\x2f\x31\x01", rb"#\?RADIANCE")),
    *_rows(Kind(name="a DDS, QOI or FITS image", remedy=_SAVE), (b"DDS ", b"qoif", b"SIMPLE  =")),
    *_rows(_DOCUMENT, (rb"\xd0\xcf\x11\xe0", b"HWP Document File", rb"\{\\rtf")),
    *_rows(
        Kind(name="a file of numbers (NumPy, HDF5 or MATLAB)", remedy="Save each picture as PNG."),
        (rb"\x93NUMPY", rb"\x89HDF", b"MATLAB 5"),
    ),
    *_rows(Kind(name="a database", remedy="Save its pictures as JPEG or PNG."), (b"SQLite format 3", b"PAR1")),
    *_rows(Kind(name="a program"), (rb"MZ.\0", rb"\x7fELF")),
    *_rows(
        Kind(name="a TGA image", remedy=_SAVE), (rb"\0[\0\x01][\x01-\x03\x09-\x0b].{13}[\x08\x10\x18\x20][\0-\x3f]",)
    ),
]
"""First match wins: images before frames of sound, which begin with ff too, and TGA, which has no mark, last."""
