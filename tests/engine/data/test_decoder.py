import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from pictures import encoded, picture
from PIL import Image

from engine.data import decoder, jpeg
from engine.data.decoder import decode, decode_as, thumbnail, why_not
from engine.errors import ImageError


def centre(content: bytes) -> tuple[int, ...]:
    image = decode(content)
    assert image.mode == "RGB"
    pixel = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(pixel, tuple)
    return pixel


def near(found: tuple[int, ...], expected: tuple[int, int, int]) -> bool:
    return np.allclose(found, expected, atol=6)


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        *[("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("BMP", "bmp"), ("TIFF", "tif")],
        *[("PPM", "ppm"), ("AVIF", "avif"), ("GIF", "gif")],
    ],
)
def test_formats_are_known_by_content(tmp_path: Path, kind: str, suffix: str) -> None:
    path = tmp_path / "misnamed.txt"
    path.write_bytes(picture(kind=kind))
    assert decode_as(path).suffix == suffix
    assert decode(path).size == (40, 30)
    assert why_not(path) is None


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr"])
def test_every_colour_mode_keeps_its_colour(mode: str) -> None:
    grey = (255, 255, 255) if mode == "1" else (102, 102, 102)
    kind = "TIFF" if mode in ("CMYK", "YCbCr") else "PNG"
    assert near(centre(encoded(Image.new("RGB", (20, 20), grey).convert(mode), kind)), grey)


def test_inverted_cmyk_jpeg() -> None:
    red = Image.new("RGB", (32, 32), (200, 40, 40))
    assert near(centre(encoded(red.convert("CMYK"), "JPEG", quality=95)), (200, 40, 40))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_and_not_clipped_to_white(kind: str) -> None:
    deep = Image.fromarray(np.full((20, 20), 30_000, dtype=np.uint16))
    assert near(centre(encoded(deep, kind)), (117, 117, 117))


@pytest.mark.parametrize(("value", "expected"), [(0.5, 128), (100.0, 100)])
def test_floating_point_tiff(value: float, expected: int) -> None:
    assert near(centre(encoded(Image.fromarray(np.full((9, 9), value, dtype=np.float32)), "TIFF")), (expected,) * 3)


def test_transparency_lies_on_white() -> None:
    assert centre(encoded(Image.new("RGBA", (20, 20), (255, 0, 0, 0)))) == (255, 255, 255)
    assert near(centre(encoded(Image.new("RGBA", (20, 20), (0, 0, 0, 128)))), (127, 127, 127))
    palette = Image.new("P", (20, 20), 0)
    palette.putpalette([10, 20, 30] * 256)
    assert centre(encoded(palette, transparency=0)) == (255, 255, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_out_upright(orientation: int) -> None:
    upright = Image.new("RGB", (40, 24), (0, 0, 0))
    upright.paste((255, 255, 255), (0, 0, 10, 8))
    inverse = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    stored = upright if inverse is None else upright.transpose(Image.Transpose(inverse))
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = decode(encoded(stored, "JPEG", quality=95, exif=exif))
    assert found.size == (40, 24)
    assert found.getpixel((3, 3)) > (200, 200, 200) and found.getpixel((36, 20)) < (50, 50, 50)


def header_only_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [7_000, 12_000, 60_000])
def test_too_many_pixels_are_refused_before_they_are_decoded(side: int) -> None:
    with pytest.raises(ImageError, match="megapixels"):
        decode(header_only_png(side, side))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"not an image at all, only words", "not an image"),
        (b"GIF89a,\x01,\x01 junk", "damaged|cut off"),
        (b"<html><body>404", "web page"),
        (b'<svg xmlns="x">', "SVG"),
        (b"%PDF-1.7", "PDF"),
        (picture(kind="PNG")[:200], "damaged|cut off"),
        (picture(kind="JPEG", size=(200, 200))[:3000], "cut off"),
        (encoded(Image.new("RGB", (9, 9)), "JPEG2000"), "JPEG 2000"),
    ],
)
def test_refusals_are_sentences(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "image.jpg"
    path.write_bytes(content)
    for source in (path, content):
        with pytest.raises(ImageError, match=words) as caught:
            decode(source)
        assert str(caught.value).endswith(".") and len(str(caught.value)) < 200


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "GIF"])
def test_mutations_decode_or_raise_image_error(kind: str) -> None:
    whole = picture(kind=kind, size=(48, 32))
    generator = np.random.default_rng(7)
    for _ in range(150):
        content = bytearray(whole)
        for position in generator.integers(0, len(whole), 6):
            content[position] = generator.integers(256)
        try:
            assert decode(bytes(content)).mode == "RGB"
        except ImageError:
            continue


def test_a_jpeg_can_be_decoded_smaller_but_never_below_the_side() -> None:
    content = picture(kind="JPEG", size=(800, 600))
    assert decode(content).size == (800, 600)
    small = decode(content, side=140)
    assert 140 <= min(small.size) < 300
    assert decode(content, side=590).size == (800, 600)
    assert decode(picture(kind="PNG", size=(80, 60)), side=10).size == (80, 60)


@pytest.mark.parametrize("size", [(1000, 600), (40, 30), (1, 4000), (4000, 1), (1, 1)])
def test_thumbnails_are_small_upright_jpegs(size: tuple[int, int]) -> None:
    small = decode_as(thumbnail(Image.new("RGB", size, (9, 9, 9))))
    assert small.suffix == "jpg" and max(small.image.size) <= 320 and min(small.image.size) <= 160


def test_a_missing_file_is_an_image_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="gone"):
        decode(tmp_path / "absent.jpg")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_every_portable_map_keeps_its_colour(mode: str) -> None:
    assert near(centre(encoded(Image.new("RGB", (9, 9), (255, 255, 255)).convert(mode), "PPM")), (255, 255, 255))
    twelve = b"P5 2 1 4095\n" + struct.pack(">2H", 0, 4095)
    assert np.asarray(decode(twelve))[0, :, 0].tolist() == [0, 255], "a map says what white is"


def test_of_an_animation_the_first_picture_is_taken() -> None:
    red, blue = (Image.new("RGB", (20, 20), colour) for colour in ((255, 0, 0), (0, 0, 255)))
    assert near(centre(encoded(red, "GIF", save_all=True, append_images=[blue])), (255, 0, 0))


@pytest.mark.filterwarnings("error")
def test_a_jpeg_of_a_large_sensor_is_decoded_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "MAX_PIXELS", 10_000)
    exif = Image.Exif()
    exif[0x0112] = 6
    content = picture(kind="JPEG", size=(320, 240))
    found = decode_as(encoded(Image.open(io.BytesIO(content)), "JPEG", exif=exif))
    assert found.size == (240, 320) and found.image.size == (60, 80)
    with pytest.raises(ImageError, match="megapixels"):
        decode(picture(size=(320, 240)))
    monkeypatch.setattr(decoder, "MAX_PROGRESSIVE_PIXELS", 50_000)
    with pytest.raises(ImageError, match="megapixels"):
        decode(encoded(Image.open(io.BytesIO(content)), "JPEG", progressive=True))


def test_a_jpeg_of_thousands_of_scans_is_refused_and_a_video_behind_one_is_not() -> None:
    content = encoded(Image.new("RGB", (64, 64), (9, 99, 9)), "JPEG", progressive=True)
    last, end = content.rindex(b"\xff\xda"), content.rindex(b"\xff\xd9")
    with pytest.raises(ImageError, match="scans"):
        decode(content[:end] + 200 * content[last:end] + content[end:])
    assert near(centre(content + 1000 * b"\xff\xda"), (9, 99, 9))


def test_a_sequential_jpeg_with_a_scan_for_each_colour_is_counted_too() -> None:
    content = encoded(Image.new("RGB", (64, 64), (9, 99, 9)), "JPEG")
    start = content.rindex(b"\xff\xda")
    one = content[:start] + b"\xff\xda\0\x08\x01\x01\0\0\x3f\0" + content[start + 14 :]
    assert jpeg.scans(content) == jpeg.scans(content + 300 * content[start:]) == 1
    assert jpeg.scans(one[:-2] + 300 * one[start:-2] + one[-2:]) == 301


def test_heic_is_read_where_its_package_is_installed_and_named_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"\x00\x00\x00\x18ftypheic\0\0\0\0mif1heic"
    monkeypatch.setattr(decoder, "_HEIF_PACKAGE", "no_such_package")
    with pytest.raises(ImageError, match=r"HEIC.*requirements-heic\.txt"):
        decode(content)
    heif = pytest.importorskip("pillow_heif")
    monkeypatch.undo()
    heif.register_heif_opener()
    assert decode_as(encoded(Image.new("RGB", (64, 48), (9, 99, 9)), "HEIF")).suffix == "heic"
