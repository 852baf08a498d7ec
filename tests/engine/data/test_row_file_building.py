"""Cache files whose name is taken away, that cannot be opened or that are closed twice: never the bytes of another
file."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from rows import CONTENTS, COUNT, SIZE, built, content, right

from engine.data import row_file as files
from engine.data.row_file import Rows, being_filled, cache_budget_bytes
from engine.errors import ConfigError


@contextmanager
def stranger(folder: Path, count: int = 8) -> Iterator[list[int]]:
    """Other files that take the lowest free descriptors, as the system hands them out."""
    opened = []
    for number in range(count):
        (folder / f"stranger{number}").write_bytes(b"\xff" * 256)
        opened.append(os.open(folder / f"stranger{number}", os.O_RDONLY))
    try:
        yield opened
    finally:
        for file in opened:
            os.close(file)


def test_a_file_whose_name_is_removed_while_it_is_filled_is_read_on(path: Path) -> None:
    building = built(path)
    for left in path.parent.iterdir():
        left.unlink()
    with pytest.raises(OSError):
        building.finish(CONTENTS)
    with stranger(path.parent):
        assert all(right(building, row) for row in range(COUNT))
        building.close()
    assert not path.exists()


def test_closing_again_closes_nothing_of_others(path: Path) -> None:
    for file in (built(path), built(path).finish(CONTENTS)):
        file.close()
        with stranger(path.parent) as opened:
            file.close()
            assert all(os.fstat(other).st_size == 256 for other in opened)
            out = np.zeros(SIZE, dtype=np.uint8)
            with pytest.raises(OSError):
                file.read(0, out)
            assert not out.any()


def test_finishing_opens_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process may be at its limit of open files just then."""
    building = built(path)

    def too_many(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", too_many)
        patch.setattr("builtins.open", too_many)
        file = building.finish(CONTENTS)
    assert file.header.contents == CONTENTS and file.sound() and Rows.open(path).sound()
    file.close()


def test_whoever_reads_a_file_while_it_is_finished_reads_on_until_it_is_closed(
    path: Path, descriptors: set[int]
) -> None:
    building = built(path)
    file = building.finish(CONTENTS)
    building.close()
    assert all(right(building, row) and right(file, row) for row in range(COUNT))
    file.close()
    assert not descriptors
    with stranger(path.parent), pytest.raises(OSError):
        right(building, 0)


def test_a_row_that_was_cut_off_after_it_was_checked_is_not_there(path: Path) -> None:
    file = built(path).finish(CONTENTS)
    assert right(file, 2)
    os.truncate(path, 2 * SIZE + 5)
    assert not right(file, 2) and not right(file, 3)
    file.close()


@pytest.mark.parametrize("harm", [OSError(errno.EIO, "no"), b"", b"12345"])
def test_a_file_that_cannot_be_opened_stays_open_for_nobody(
    path: Path, descriptors: set[int], monkeypatch: pytest.MonkeyPatch, harm: OSError | bytes
) -> None:
    built(path).finish(CONTENTS).close()

    def harmed(*_: object) -> bytes:
        if isinstance(harm, OSError):
            raise harm
        return harm

    monkeypatch.setattr(os, "pread", harmed)
    with pytest.raises((OSError, ValueError)):
        Rows.open(path)
    assert not descriptors


def test_what_is_given_up_takes_no_room_and_can_still_be_written_to(path: Path, descriptors: set[int]) -> None:
    building = built(path)
    (file,) = descriptors
    building.abandon()
    assert os.fstat(file).st_size == 0 and list(path.parent.iterdir()) == []
    assert not building.has(1) and not right(building, 1)
    building.write(1, content(1))  # by a thread that was at it
    assert right(building, 1)
    building.close()
    assert not descriptors


def test_a_file_is_being_filled_until_it_is_complete_or_has_lain_for_hours(path: Path) -> None:
    building = built(path)
    (temporary,) = path.parent.iterdir()
    assert being_filled(temporary)
    old = files.time.time() - 7 * 3600
    os.utime(temporary, (old, old))
    assert not being_filled(temporary)
    building.finish(CONTENTS).close()
    assert not being_filled(path) and not being_filled(temporary)


@pytest.mark.parametrize("text", ["inf", "-inf", "nan", "-1", "much", "1e999"])
def test_a_budget_that_is_no_number_of_gigabytes_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("THAW_SOME_GB", text)
    with pytest.raises(ConfigError, match=f"THAW_SOME_GB must be a number of GB, such as 3, .* it is '{text}'"):
        cache_budget_bytes("THAW_SOME_GB", 3)
