from pathlib import Path

from engine.data.staging.zips import StagedFile
from engine.data.tables.listing import read_list


def test_lines_keep_their_order_and_what_is_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("img/2.jpg\nimg/9.jpg\nimg/1.jpg\nimg/2.jpg\n3\n")
    beside = [StagedFile(path=tmp_path / "x", name=name) for name in ("img/1.jpg", "img/2.jpg", "a/3.jpg", "b/3.jpg")]
    listed = read_list(StagedFile(path=tmp_path / "list", name="list.txt"), beside)
    assert [line.file.name if line.file else line.name for line in listed] == [
        *("img/2.jpg", "img/9.jpg", "img/1.jpg", "img/2.jpg", "3")
    ]
    assert "no such file" in listed[1].reason and "2 files here" in listed[4].reason


def test_blanks_in_names_do_not_divide_a_list(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("file\na/1.jpg\nb c/2.jpg\nb c/3.jpg\n")
    beside = [StagedFile(path=tmp_path / "x", name=name) for name in ("a/1.jpg", "b c/2.jpg", "b c/3.jpg")]
    listed = read_list(StagedFile(path=tmp_path / "list", name="list.csv"), beside)
    assert [line.file.name for line in listed if line.file] == ["a/1.jpg", "b c/2.jpg", "b c/3.jpg"]
