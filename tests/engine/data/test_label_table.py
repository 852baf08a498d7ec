import pytest

from engine.data.label_table import read_labels
from engine.data.tables.table_records import LabelRow

TABLE = "file,label\n개미/1.jpg,개미\nbees/2.jpg,꿀벌\n"
ROWS = (LabelRow(file="개미/1.jpg", label="개미", split=""), LabelRow(file="bees/2.jpg", label="꿀벌", split=""))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
def test_encodings_that_spreadsheets_write(encoding: str) -> None:
    assert read_labels(TABLE.encode(encoding)) == ROWS


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators(separator: str) -> None:
    assert read_labels(TABLE.replace(",", separator).encode()) == ROWS


@pytest.mark.parametrize("file", ["file", "filename", "file_name", "image", "path", "file_dir", "File Name"])
@pytest.mark.parametrize("label", ["label", "class", "category", "target", "Class"])
def test_column_names_in_use(file: str, label: str) -> None:
    assert read_labels(f"n,{label},{file}\n1,ant,a.jpg\n".encode()) == (LabelRow(file="a.jpg", label="ant", split=""),)


def test_split_column_and_short_lines_and_quotes() -> None:
    rows = read_labels(b'file,label,split\n"a,1.jpg",ant,Train\nb.jpg\n,bee,val\n')
    assert rows == (LabelRow(file="a,1.jpg", label="ant", split="Train"), LabelRow(file="b.jpg", label="", split=""))


@pytest.mark.parametrize(
    "written", ["./x/1.jpg", "../x/1.jpg", "/x/1.jpg", "C:\\x\\1.jpg", "x\\1.jpg", "../../x/1.jpg"]
)
def test_paths_from_elsewhere_lose_their_beginning(written: str) -> None:
    rows = read_labels(f"file,label\n{written},ant\n".encode())
    assert rows is not None and rows[0].file == "x/1.jpg"


@pytest.mark.parametrize("content", [b"", b"\n\n", b"a,b\n1,2\n", b"\xff\xd8\xff\xe0\x00\x10JFIF", b"just a sentence"])
def test_other_tables_are_none(content: bytes) -> None:
    assert read_labels(content) is None
