from pathlib import Path

from engine.data.tables.accounts import labelled, read_tables
from engine.data.tables.table_records import TableAccount
from engine.data.zips import StagedFile


def account(folder: Path, content: str, *names: str, called: str = "labels.csv") -> TableAccount:
    """The account of a table with this content, beside images of these names."""
    (folder / "table").write_text(content, encoding="utf-8")
    table = StagedFile(path=folder / "table", name=called)
    return read_tables([table], [StagedFile(path=folder / "x", name=name) for name in names])[0]


def labels(account: TableAccount) -> dict[str, str]:
    return {row.file.name: row.label for row in account.rows}


def test_rows_find_files_however_written_and_what_is_missing_is_said(tmp_path: Path) -> None:
    names = [f"d/img/{number}.jpg" for number in range(1, 6)]
    content = "file,label\nimg/1.jpg,ant\nhome/me/img/2.jpg,bee\n3,ant\nnowhere.jpg,bee\nimg/4.jpg,\n"
    result = account(tmp_path, content, *names, called="d/labels.csv")
    assert labels(result) == {"d/img/1.jpg": "ant", "d/img/2.jpg": "bee", "d/img/3.jpg": "ant"}
    assert any("nowhere.jpg" in note for note in result.notes)


def test_an_ambiguous_name_is_not_guessed(tmp_path: Path) -> None:
    result = account(tmp_path, "file,label\n1.jpg,ant\n2.jpg,bee\n", "a/1.jpg", "b/1.jpg", "b/2.jpg")
    assert labels(result) == {"b/2.jpg": "bee"}


def test_split_column_and_tables_named_after_splits(tmp_path: Path) -> None:
    column = account(tmp_path, "file,label,split\n1.jpg,ant,train\n2.jpg,bee,Validation\n", "1.jpg", "2.jpg")
    assert [row.split for row in column.rows] == ["train", "val"]
    named = account(tmp_path, "file,label\n1.jpg,ant\n", "1.jpg", called="test.csv")
    assert [row.split for row in named.rows] == ["test"]


def test_two_labels_of_one_image_are_a_decision(tmp_path: Path) -> None:
    result = account(tmp_path, "file,label\n1.jpg,ant\n1.jpg,bee\n2.jpg,bee\n", "1.jpg", "2.jpg")
    assert labels(result) == {"1.jpg": "ant", "2.jpg": "bee"}
    assert any("two labels" in note and "first" in note for note in result.notes)


def test_of_two_tables_the_first_counts(tmp_path: Path) -> None:
    one = account(tmp_path, "file,label\n1.jpg,ant\n", "1.jpg", "2.jpg")
    other = account(tmp_path, "file,label\n1.jpg,bee\n2.jpg,bee\n", "1.jpg", "2.jpg")
    assert [row.label for row in labelled([one, other])] == ["ant", "bee"]


def test_a_table_that_matches_nothing_names_the_nearest(tmp_path: Path) -> None:
    result = account(tmp_path, "file,label\nphoto_01.jpg,ant\nphoto_02.jpg,bee\n", "picture_01.jpg", "other.jpg")
    assert not result.rows and "'picture_01.jpg'" in result.sentence
