import os
import re
import stat
import struct
import unicodedata
import zipfile
from pathlib import Path

import pytest
from pictures import make_zip

from engine.data.dataset_records import Problem
from engine.data.staging.zips import DEFAULT_LIMITS, Limits, StagedFile, unzip
from engine.errors import DatasetError


def unpack(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> tuple[dict[str, bytes], list[Problem]]:
    into = path.parent / "out"
    staged = unzip(StagedFile(path=path, name=path.name), into, limits=limits)
    assert {file.path for file in staged.files} == set(into.iterdir()), "what is not returned must not stay"
    return {file.name: file.path.read_bytes() for file in staged.files}, list(staged.problems)


@pytest.mark.parametrize("encoding", ["cp949", "utf-8"])
def test_korean_names_without_the_unicode_flag(tmp_path: Path, encoding: str) -> None:
    names = ["개미/사진 하나.jpg", "꿀벌/2.jpg"]
    files, problems = unpack(make_zip(tmp_path / "k.zip", {name.encode(encoding): b"x" for name in names}))
    assert sorted(files) == names and not problems


def test_mac_names_are_composed_and_mac_folders_counted(tmp_path: Path) -> None:
    entries = {unicodedata.normalize("NFD", "개미/1.jpg"): b"1", "__MACOSX/개미/._1.jpg": b"x", "__MACOSX/._x": b"x"}
    files, problems = unpack(make_zip(tmp_path / "m.zip", entries))
    assert files == {"개미/1.jpg": b"1"}
    assert problems == [Problem(name="__MACOSX/ (2 files)", reason="system folder", kind="system")]


def test_nothing_is_written_outside(tmp_path: Path) -> None:
    names = ("../../evil.jpg", "/evil.jpg", "C:\\evil.jpg", "a/../../evil.jpg", "\\\\host\\evil.jpg")
    before = set(tmp_path.parent.rglob("*"))
    files, problems = unpack(make_zip(tmp_path / "slip.zip", {**{name: b"evil" for name in names}, "ok.jpg": b"ok"}))
    assert files == {"ok.jpg": b"ok"}
    assert [problem.reason for problem in problems] == ["Its path leads out of the archive."] * 5
    assert {path for path in tmp_path.parent.rglob("*") if "evil" in path.name} - before == set()


def test_links_are_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "link.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("ants/link.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("ants/ok.jpg", "ok")
    files, problems = unpack(path)
    assert list(files) == ["ants/ok.jpg"] and "link" in problems[0].reason


def test_one_damaged_member_does_not_stop_the_others(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "crc.zip", {"bad.jpg": b"A" * 500, "good.jpg": b"B" * 500}, zipfile.ZIP_STORED)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"AAAA", b"AAXA", 1))
    files, problems = unpack(path)
    assert list(files) == ["good.jpg"] and problems[0].name == "bad.jpg" and "damaged" in problems[0].reason


def test_overlapping_members_are_refused(tmp_path: Path) -> None:
    """Two directory entries that share one body, the second hidden in the first one's range: a bomb in miniature."""
    path = make_zip(tmp_path / "bomb.zip", {"a.bin": bytes(1000), "b.bin": bytes(1000)}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    second = content.rfind(b"PK\x01\x02")
    content[second + 42 : second + 46] = struct.pack("<I", 0)
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="overlap"):
        unpack(path)


def test_extreme_ratio_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "ratio.zip", {f"{n}.jpg": bytes(20 << 20) for n in range(4)})
    with pytest.raises(DatasetError, match="times its size"):
        unpack(path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(files=2), "holds 3 files"),
        (Limits(total_bytes=1 << 20), "would unpack to 3 MB"),
        (Limits(file_bytes=1 << 19), None),
    ],
)
def test_limits(tmp_path: Path, limits: Limits, words: str | None) -> None:
    path = make_zip(tmp_path / "big.zip", {f"{n}.jpg": os.urandom(1 << 20) for n in range(3)})
    if words:
        with pytest.raises(DatasetError, match=words):
            unpack(path, limits=limits)
    else:
        files, problems = unpack(path, limits=limits)
        assert not files and len(problems) == 3


def test_a_password_is_named(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "locked.zip", {"a.jpg": b"x", "b.jpg": b"y"})
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        for found in re.finditer(mark, bytes(content)):
            content[found.start() + offset] |= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="password"):
        unpack(path)


@pytest.mark.parametrize("head", [b"Rar!\x1a\x07", b"7z\xbc\xaf'\x1c", b"\x1f\x8b\x08"])
def test_other_archives_are_named(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(head + bytes(100))
    with pytest.raises(DatasetError, match="Unpack it and make a zip"):
        unpack(tmp_path / "x.zip")


def test_every_truncation_is_a_sentence(tmp_path: Path) -> None:
    content = make_zip(tmp_path / "whole.zip", {f"{n}.jpg": os.urandom(300) for n in range(5)}).read_bytes()
    for length in range(0, len(content), 37):
        (tmp_path / "cut.zip").write_bytes(content[:length])
        with pytest.raises(DatasetError, match="damaged or incomplete"):
            unpack(tmp_path / "cut.zip")


def test_mutations_never_escape_as_other_errors(tmp_path: Path) -> None:
    whole = make_zip(tmp_path / "whole.zip", {f"ants/{n}.jpg": bytes([n]) * 400 for n in range(3)}).read_bytes()
    for position in range(0, len(whole), 4):
        content = bytearray(whole)
        content[position] ^= 0xFF
        (tmp_path / "mutated.zip").write_bytes(content)
        try:
            unzip(StagedFile(path=tmp_path / "mutated.zip", name="mutated.zip"), tmp_path / "mutated")
        except DatasetError:
            continue


def test_a_table_of_contents_beyond_reason_is_not_even_read(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", {"a.jpg": b"x"})
    content = bytearray(path.read_bytes())
    content[-10:-6] = struct.pack("<I", 1 << 30)
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="far too many"):
        unpack(path)
