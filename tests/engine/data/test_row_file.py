"""Cache files: complete or absent, and every byte that is not what was written is noticed."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rows import CONTENTS, COUNT, SIZE, built, content, empty, opened, right, write

from engine.data import row_file as files
from engine.data.row_file import Building, Rows, cache_budget_bytes, evict, open_rows


def intact(path: Path) -> bool:
    """Whether a reader of this file would be told that all of it, rows and description, is what was written."""
    if (file := opened(path)) is None:
        return False
    try:
        return file.sound()
    finally:
        file.close()


def full(*arguments: object) -> int:
    raise OSError(28, "No space left on device")


def test_rows_written_in_any_order_come_back(path: Path) -> None:
    write(path)
    file = opened(path)
    assert file is not None and file.header.contents == CONTENTS and file.sound()
    assert all(right(file, row) for row in (4, 0, 4, 2))
    file.close()


def test_a_file_is_absent_until_it_is_complete(path: Path) -> None:
    building = empty(path)
    for row in range(COUNT):
        assert not right(building, row) and not building.has(row) and not building.complete
        building.write(row, content(row))
        assert right(building, row) and not path.exists() and opened(path) is None
    assert building.complete
    building.finish(CONTENTS).close()
    assert names(path.parent) == {path.name}


def test_what_was_never_finished_leaves_nothing(path: Path) -> None:
    built(path).close()
    assert not names(path.parent)


def test_a_file_cut_off_in_the_middle_of_being_written_is_not_complete(path: Path) -> None:
    """A crash leaves the temporary file, whatever it is called."""
    building = built(path)
    (left,) = path.parent.iterdir()
    assert left.suffix == ".tmp" and left.name.startswith(".")
    left.rename(path)
    assert opened(path) is None
    os.close(building._file)


def test_two_who_fill_the_same_file_do_not_meet(path: Path) -> None:
    one, other = empty(path), built(path)
    one.write(0, content(9))
    other.finish(CONTENTS).close()
    one.close()
    assert intact(path)


def test_every_flipped_byte_is_noticed(path: Path) -> None:
    write(path)
    whole = path.read_bytes()
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 0x01
        path.write_bytes(changed)
        assert not intact(path), f"byte {position} of {len(whole)}"
    path.write_bytes(whole)
    assert intact(path)


@pytest.mark.parametrize("where", [0, SIZE - 1, COUNT * SIZE])  # in the row itself, or in its checksum
def test_a_damaged_row_is_refused_for_ever_and_the_others_are_not(path: Path, where: int) -> None:
    write(path)
    changed = bytearray(path.read_bytes())
    changed[where] ^= 0x80
    path.write_bytes(changed)
    file = opened(path)
    assert file is not None
    assert [right(file, row) for row in (0, 1, 0)] == [False, True, False]
    assert not file.sound()
    file.close()


@pytest.mark.parametrize(
    "change",
    [
        *(lambda whole, end=end: whole[:end] for end in (0, 1, SIZE, COUNT * SIZE, -1, -8)),
        lambda whole: whole[SIZE:],
        lambda whole: b"x" + whole,
        lambda whole: whole + b"x",
    ],
)
def test_a_file_that_lost_an_end_or_grew_is_not_opened(path: Path, change: Callable[[bytes], bytes]) -> None:
    write(path)
    path.write_bytes(change(path.read_bytes()))
    assert opened(path) is None


def test_a_file_that_is_cut_while_it_is_open_is_noticed(path: Path) -> None:
    write(path)
    file = Rows.open(path)
    os.truncate(path, SIZE + 3)
    assert [right(file, row) for row in range(3)] == [True, False, False]
    file.close()


@pytest.mark.parametrize("shape", [{"rows": COUNT - 1}, {"row_bytes": SIZE + 1}])
def test_a_file_of_another_shape_is_not_opened(path: Path, shape: dict[str, int]) -> None:
    write(path)
    assert open_rows(path, **{"rows": COUNT, "row_bytes": SIZE, **shape}) is None


def test_a_dropped_file_is_read_on_by_whoever_has_it(path: Path) -> None:
    write(path)
    file = Rows.open(path)
    file.drop()
    file.drop()
    file.touch()
    assert not path.exists() and right(file, 2)
    file.close()


def test_rows_come_from_and_go_to_several_threads(path: Path) -> None:
    count = 400
    building = Building(path, rows=count, row_bytes=SIZE)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda row: building.write(row, content(row)), range(count)))
        file = building.finish(CONTENTS)
        assert all(threads.map(lambda row: right(file, row), range(count)))
    file.close()


def test_a_full_disk_is_an_error_and_the_row_is_not_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    building, real = empty(path), os.pwrite
    for write_some in (full, lambda file, data, at: real(file, data[: SIZE // 2], at)):
        monkeypatch.setattr(os, "pwrite", write_some)
        with pytest.raises(OSError):
            building.write(1, content(1))
        assert not building.has(1) and not right(building, 1)
    building.close()
    assert not names(path.parent)


@pytest.mark.parametrize("failing", [full, lambda file, data, at: len(data) // 2])
def test_a_disk_that_is_full_at_the_very_end_leaves_no_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, failing: Callable[..., int]
) -> None:
    building = built(path)
    monkeypatch.setattr(os, "pwrite", failing)
    with pytest.raises(OSError):
        building.finish(CONTENTS)
    assert not path.exists() and right(building, 3)
    building.close()
    assert not names(path.parent)


def aged(folder: Path, ages: dict[str, float], size: int = 100) -> dict[str, Path]:
    """Files of `size` bytes that were last used so many seconds ago."""
    now = files.time.time()
    for name, age in ages.items():
        (folder / name).write_bytes(bytes(size))
        os.utime(folder / name, (now - age, now - age))
    return {name: folder / name for name in ages}


def names(folder: Path) -> set[str]:
    return {found.name for found in folder.iterdir()}


def test_the_least_recently_used_goes_first_and_only_as_many_as_needed(tmp_path: Path) -> None:
    made = aged(tmp_path, {"a.rows": 10, "b.rows": 400, "c.rows": 300, "d.rows": 200})
    assert evict(made.values(), 400) == 0
    assert evict(made.values(), 250) == 200 and names(tmp_path) == {"a.rows", "d.rows"}
    assert evict(made.values(), 0) == 200 and names(tmp_path) == set()


def test_opening_a_file_is_using_it(tmp_path: Path) -> None:
    old, new = tmp_path / "old.rows", tmp_path / "new.rows"
    for made, age in ((old, 1000), (new, 500)):
        write(made)
        os.utime(made, (files.time.time() - age,) * 2)
    assert intact(old)
    evict([old, new], old.stat().st_size)
    assert names(tmp_path) == {"old.rows"}


def test_what_is_spared_or_being_filled_stays(tmp_path: Path) -> None:
    made = aged(tmp_path, {"spared.rows": 900, ".half.tmp": 900, "other.rows": 5})
    assert evict(made.values(), 0, spare=frozenset([made["spared.rows"]])) == 100
    assert names(tmp_path) == {"spared.rows", ".half.tmp"}


def test_left_overs_of_a_crash_are_swept_even_when_there_is_room(tmp_path: Path) -> None:
    made = aged(tmp_path, {".old.tmp": 7 * 3600, ".young.tmp": 5 * 3600, "a.rows": 1e6})
    assert evict(made.values(), 10**9) == 100
    assert names(tmp_path) == {".young.tmp", "a.rows"}


def test_a_file_that_vanishes_meanwhile_is_no_error(tmp_path: Path) -> None:
    made = aged(tmp_path, {"a.rows": 1})
    assert evict([*made.values(), tmp_path / "gone.rows"], 0) == 100


@pytest.mark.parametrize(("text", "expected"), [("0", 0), ("0.5", 2**29), ("", 3 * 2**30), (" 2 ", 2**31)])
def test_the_budget_is_a_variable_with_a_default(monkeypatch: pytest.MonkeyPatch, text: str, expected: int) -> None:
    monkeypatch.setenv("THAW_SOME_GB", text)
    assert cache_budget_bytes("THAW_SOME_GB", 3) == expected
    monkeypatch.delenv("THAW_SOME_GB")
    assert cache_budget_bytes("THAW_SOME_GB", 3) == 3 * 2**30


def test_a_tenth_of_the_disk_stays_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"total": 1000, "used": 0, "free": 160})
    monkeypatch.setattr(files.shutil, "disk_usage", lambda folder: usage)
    assert files.free_bytes(tmp_path) == 60
    usage.free = 90
    assert files.free_bytes(tmp_path) == 0
