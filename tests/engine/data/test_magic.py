"""Every kind is written by whoever writes such files, where that is at hand; elsewhere its published mark stands for
it."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pictures import encoded
from PIL import Image

from engine.data.staging.magic import kind_of, unknown


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"x" * 20)
    return buffer.getvalue()


def tape() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    return buffer.getvalue()


def array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def box(brand: bytes, *more: bytes) -> bytes:
    return (16 + 4 * len(more)).to_bytes(4, "big") + b"ftyp" + brand + bytes(4) + b"".join(more)


NAMED: dict[str, tuple[bytes, str, str]] = {
    **{kind: (encoded(Image.new("RGB", (9, 9)), kind), "", "image") for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF")},
    **{kind: (encoded(Image.new("RGB", (9, 9)), kind), "", "image") for kind in ("WEBP", "PPM", "AVIF")},
    "BigTIFF": (encoded(Image.new("RGB", (9, 9)), "TIFF", big_tiff=True), "", "image"),
    "AVIF in a general box": (box(b"mif1", b"miaf", b"avif"), "AVIF", "image"),
    "HEIC": (box(b"heic", b"mif1"), "HEIC", "heif"),
    "HEIC in a general box": (box(b"mif1", b"heic"), "HEIC", "heif"),
    "MP4": (box(b"isom", b"avc1"), "a video", ""),
    "QuickTime": (box(b"qt  "), "a video", ""),
    "Matroska": (b"\x1a\x45\xdf\xa3", "a video", ""),
    "AVI": (b"RIFF\0\0\0\0AVI LIST", "a video", ""),
    "CR3": (box(b"crx "), "raw image", ""),
    "DICOM": (bytes(128) + b"DICM", "DICOM", ""),
    "JPEG XL": (b"\xff\x0a\xfa", "JPEG XL", ""),
    "JPEG XL in a box": (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL", ""),
    "JPEG 2000": (encoded(Image.new("RGB", (9, 9)), "JPEG2000"), "JPEG 2000", ""),
    "TGA": (encoded(Image.new("RGB", (9, 9)), "TGA"), "TGA", ""),
    "ICO": (encoded(Image.new("RGB", (16, 16)), "ICO"), "icon", ""),
    "PDF": (encoded(Image.new("RGB", (9, 9)), "PDF"), "PDF", ""),
    "EPS": (encoded(Image.new("RGB", (9, 9)), "EPS"), "PostScript", ""),
    "RAR": (b"Rar!\x1a\x07\x01\0", "RAR", ""),
    "7z": (b"7z\xbc\xaf\x27\x1c", "7z", ""),
    "EGG": (b"EGGA\0\x01", "EGG", ""),
    "ALZ": (b"ALZ\x01\n\0", "ALZ", ""),
    "zip": (zipped("a.jpg"), "zip", "zip"),
    "a zip of a folder with a document in it": (zipped("word/[Content_Types].xml"), "zip", "zip"),
    "docx": (zipped("[Content_Types].xml", "word/document.xml"), "document", ""),
    "xlsx, its types last": (zipped("xl/workbook.xml", "[Content_Types].xml"), "document", ""),
    "hwpx": (zipped("mimetype", "Contents/section0.xml"), "document", ""),
    "old Word": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "document", ""),
    "tar": (tape(), "tar", "tar"),
    "tgz": (gzip.compress(tape()), "tar", "tar"),
    "NumPy": (array(), "numbers", ""),
    "SVG": (b'<?xml version="1.0" encoding="UTF-8"?>\n<!-- drawn -->\n<svg xmlns="x">', "SVG", ""),
    "a web page": (b"\n<!DOCTYPE html><html>", "web page", ""),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull", ""),
}


@pytest.mark.parametrize(("content", "words", "reader"), NAMED.values(), ids=NAMED)
def test_a_file_is_known_by_its_content(tmp_path: Path, content: bytes, words: str, reader: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    for kind in (kind_of(path), kind_of(content)):
        assert kind is not None and kind.reader == reader and words in kind.sentence
        assert "damaged" not in kind.sentence and kind.sentence.endswith(".")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"BM is short for", "text"),
        ("사진이 아닙니다".encode(), "text"),
        (b"P1 is the best", "text"),
        (b"\x00\x01\x02\x03\x80\x81", "damaged"),
    ],
)
def test_what_is_of_no_known_kind(content: bytes, words: str) -> None:
    assert kind_of(content) is None and words in unknown(content)


def test_noise_is_rarely_taken_for_something() -> None:
    random: Callable[[int], bytes] = np.random.default_rng(0).bytes
    taken = sum(kind_of(random(600)) is not None for _ in range(2000))
    assert taken < 10
