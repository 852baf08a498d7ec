import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest
from pictures import make_tar

from engine.data.dataset_records import Problem
from engine.data.staging.tars import untar
from engine.data.staging.unpacking import DEFAULT_LIMITS, Limits, StagedFile
from engine.errors import DatasetError


def unpack(path: Path, limits: Limits = DEFAULT_LIMITS) -> tuple[dict[str, bytes], list[Problem]]:
    into = path.parent / "out"
    staged = untar(StagedFile(path=path, name=path.name), into, limits=limits)
    assert {file.path for file in staged.files} == set(into.iterdir()), "what is not returned must not stay"
    return {file.name: file.path.read_bytes() for file in staged.files}, list(staged.problems)


def test_nothing_is_written_outside_and_nothing_but_files(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "x.tgz", {"../../evil.jpg": b"e", "/evil.jpg": b"e", "ok.jpg": b"ok"})
    with tarfile.open(tmp_path / "y.tar", "w") as archive, tarfile.open(path) as given:
        for info in given:
            archive.addfile(info, given.extractfile(info))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE):
            special = tarfile.TarInfo(f"special{kind.decode()}")
            special.type, special.linkname = kind, "/etc/passwd"
            archive.addfile(special)
    files, problems = unpack(tmp_path / "y.tar")
    assert files == {"ok.jpg": b"ok"} and len(problems) == 6
    assert sum("link" in problem.reason for problem in problems) == 2


def test_system_folders_are_counted(tmp_path: Path) -> None:
    files, problems = unpack(make_tar(tmp_path / "m.tgz", {"a/1.jpg": b"1", "__MACOSX/a/._1.jpg": b"x"}))
    assert list(files) == ["a/1.jpg"]
    assert problems == [Problem(name="__MACOSX/ (1 file)", reason="system folder", kind="system")]


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(files=2), "more than 2 files"),
        (Limits(total_bytes=100_000), "would unpack to more"),
    ],
)
def test_limits_hold_while_it_is_read(tmp_path: Path, limits: Limits, words: str) -> None:
    path = make_tar(tmp_path / "x.tgz", {f"{n}.jpg": bytes(60_000) for n in range(3)})
    with pytest.raises(DatasetError, match=words):
        unpack(path, limits)


def test_a_large_file_is_left_out_and_the_others_are_read(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "x.tgz", {"large.jpg": bytes(3000), "small.jpg": b"x"})
    files, problems = unpack(path, Limits(file_bytes=2000))
    assert list(files) == ["small.jpg"] and problems[0].name == "large.jpg"


def test_an_endless_stream_is_stopped(tmp_path: Path) -> None:
    """What a bomb does: a header that states terabytes, and a name of gigabytes."""
    member = tarfile.TarInfo("a.jpg")
    member.size = 1 << 42
    (tmp_path / "x.tgz").write_bytes(gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(70 << 20)))
    with pytest.raises(DatasetError, match="would unpack to more"):
        unpack(tmp_path / "x.tgz")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 1 << 33
    (tmp_path / "y.tar").write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(DatasetError):
        unpack(tmp_path / "y.tar")


@pytest.mark.parametrize(
    "content", [b"", gzip.compress(b"only text", mtime=0), b"\x1f\x8b\x08", b"BZh9junk", b"\xfd7zXZ\0junk"]
)
def test_what_holds_no_tar_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tgz").write_bytes(content)
    with pytest.raises(DatasetError, match="holds no tar"):
        unpack(tmp_path / "x.tgz")


def test_what_came_before_a_damaged_place_is_kept(tmp_path: Path) -> None:
    files = {f"{n}.jpg": os.urandom(5000) for n in range(6)}
    content = make_tar(tmp_path / "whole.tgz", files).read_bytes()
    (tmp_path / "cut.tgz").write_bytes(content[: len(content) // 2])
    read, problems = unpack(tmp_path / "cut.tgz")
    assert 1 <= len(read) < 6 and all(files[name] == found for name, found in read.items()) and problems


def test_mutations_never_escape_as_other_errors(tmp_path: Path) -> None:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for number in range(3):
            info = tarfile.TarInfo(f"ants/{number}.jpg")
            info.size = 400
            archive.addfile(info, io.BytesIO(bytes(400)))
    for position in range(0, 1600, 7):
        content = bytearray(whole.getvalue())
        content[position] ^= 0xFF
        (tmp_path / "mutated.tar").write_bytes(content)
        try:
            untar(StagedFile(path=tmp_path / "mutated.tar", name="mutated.tar"), tmp_path / "mutated")
        except DatasetError:
            continue
