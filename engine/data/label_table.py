"""Label table: a CSV of `file,label` rows, as spreadsheets and scripts write it, in whatever encoding and with whatever
separator.

Knows names only; whether a listed file exists is for the layout to find out.
"""

import csv
import io
import re
from collections.abc import Sequence

from engine.data.file_names import clean_name, clean_text
from engine.data.tables.table_records import LabelRow

FILE_COLUMNS = (
    *("file", "filename", "file_name", "file_dir", "filepath", "file_path", "path"),
    *("image", "image_path", "image_name", "image_id"),
)
LABEL_COLUMNS = ("label", "class", "category", "target", "class_name", "label_name")
SPLIT_COLUMNS = ("split", "subset", "set", "fold")

_LEADING = re.compile(r"^(?:[a-zA-Z]:)?(?:\.{0,2}/)+")
"""What a path from another folder or machine begins with; the rest is matched against the files that are there."""


def read_labels(content: bytes) -> tuple[LabelRow, ...] | None:
    """The rows of a CSV that has a file and a label column, or None when it is some other table."""
    text = (_text(content) or "").lstrip()
    if not text:
        return None
    delimiter = max(",;\t", key=text.splitlines()[0].count)
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error:
        return None
    header = [cell.strip().casefold().replace(" ", "_") for cell in table[0]]
    file_column, label_column, split_column = (
        _column(header, names) for names in (FILE_COLUMNS, LABEL_COLUMNS, SPLIT_COLUMNS)
    )
    if file_column is None or label_column is None:
        return None
    rows = []
    for line in table[1:]:
        cells = [*line, *[""] * (len(header) - len(line))]
        if file := clean_name(_LEADING.sub("", cells[file_column].strip().replace("\\", "/"))):
            split = "" if split_column is None else cells[split_column].strip()
            rows.append(LabelRow(file=file, label=clean_text(cells[label_column]), split=split))
    return tuple(rows)


def _text(content: bytes) -> str | None:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    for encoding in ("utf-8-sig", "cp949"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def _column(header: Sequence[str], names: Sequence[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)
