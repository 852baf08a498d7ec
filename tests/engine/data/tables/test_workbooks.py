import zipfile
from pathlib import Path

import openpyxl
import pytest

from engine.data.tables.workbooks import MAX_UNPACKED_BYTES, workbook_sheets
from engine.errors import DatasetError


def book(path: Path, *lines: tuple[object, ...]) -> Path:
    made = openpyxl.Workbook()
    for line in lines:
        made.active.append(line)
    made.save(path)
    return path.rename(path.with_suffix(".bin"))  # as members of archives are called


def test_numbers_are_read_as_a_person_reads_them(tmp_path: Path) -> None:
    path = book(tmp_path / "t.xlsx", ("파일", "라벨", "n"), (7, "개미", 1.5), ("007", "꿀벌", 2.0), (None, None, None))
    assert next(workbook_sheets(path)).lines == (("파일", "라벨", "n"), ("7", "개미", "1.5"), ("007", "꿀벌", "2"))


def test_formulas_are_not_computed(tmp_path: Path) -> None:
    path = book(tmp_path / "t.xlsx", ("file", "label"), ("1.jpg", '=WEBSERVICE("http://host.example")'))
    assert next(workbook_sheets(path)).lines[1] == ("1.jpg", "")


def test_cells_in_opposite_corners_take_no_memory(tmp_path: Path) -> None:
    made = openpyxl.Workbook()
    made.active["A1"], made.active["XFD1048576"] = "file", "x"
    made.save(tmp_path / "t.xlsx")
    assert next(workbook_sheets(tmp_path / "t.xlsx")).lines[0][0] == "file"


def test_a_bomb_is_not_opened(tmp_path: Path) -> None:
    path = book(tmp_path / "t.xlsx", ("file", "label"))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as opened, opened.open("xl/media/x.bin", "w") as member:
        for _ in range((MAX_UNPACKED_BYTES >> 24) + 1):
            member.write(bytes(1 << 24))
    with pytest.raises(DatasetError, match="would unpack"):
        list(workbook_sheets(path))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"text", b"\xd0\xcf\x11\xe0"])
def test_what_is_no_workbook_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.xlsx").write_bytes(content)
    with pytest.raises(DatasetError, match="CSV"):
        list(workbook_sheets(tmp_path / "t.xlsx"))


def test_another_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as opened:
        opened.writestr("1.jpg", b"x")
    with pytest.raises(DatasetError, match="CSV"):
        list(workbook_sheets(tmp_path / "t.xlsx"))
