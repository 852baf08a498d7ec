"""Workbooks: the sheets of an Excel file (.xlsx), line by line and within limits; formulas are never computed, what
Excel last showed for them is read."""

import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

from engine.data.tables.sheets import Sheet, sheet_of, without_titles
from engine.errors import DatasetError

MAX_UNPACKED_BYTES = 256 << 20
MAX_LINES, MAX_CELLS = 1_000_000, 100
_FEW_LINES_BETWEEN = 1_000
"""After so many empty lines nothing more is expected: a single cell in the last line of a sheet makes a million."""


def workbook_sheets(path: Path) -> Iterator[Sheet]:
    """The sheets of the workbook at `path` that hold anything. DatasetError when it is damaged, locked or too large."""
    _check(path)
    try:
        yield from _sheets(path)
    except Exception as error:  # KeyError, ValueError, ParseError, BadZipFile, ... : whatever a hostile one brings up
        raise DatasetError("It cannot be opened as an Excel workbook. Save it as CSV UTF-8.") from error


def _check(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as opened:
            size = sum(info.file_size for info in opened.infolist())
    except Exception as error:
        raise DatasetError("It is not an Excel workbook (.xlsx), or it is locked. Save it as CSV UTF-8.") from error
    if size > MAX_UNPACKED_BYTES:
        raise DatasetError(f"It would unpack to {size >> 20} MB; the limit is {MAX_UNPACKED_BYTES >> 20} MB.")


def _sheets(path: Path) -> Iterator[Sheet]:
    from openpyxl import load_workbook

    with warnings.catch_warnings(), open(path, "rb") as file:  # a path would have to end in .xlsx
        warnings.simplefilter("ignore")  # of styles and extensions that do not matter here
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        try:
            for page in book.worksheets:
                page.reset_dimensions()  # what a file says of its size is not believed
                if lines := list(_lines(page.iter_rows(max_row=MAX_LINES, max_col=MAX_CELLS, values_only=True))):
                    yield sheet_of(without_titles(lines))
        finally:
            book.close()


def _lines(rows: Iterator[tuple[object, ...]]) -> Iterator[list[str]]:
    empty = 0
    for row in rows:
        cells = [_text(value) for value in row]
        empty = 0 if any(cells) else empty + 1
        if empty > _FEW_LINES_BETWEEN:
            return
        if not empty:
            yield cells


def _text(value: object) -> str:
    """As a person reads the cell: Excel keeps every number as a fraction."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)
