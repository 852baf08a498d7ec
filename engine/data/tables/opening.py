"""Opening: a file that may be a table, as the sheets that it may mean. By its first bytes and its ending; within
limits."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from engine.data.staging.zips import StagedFile
from engine.data.tables.decoding import decode_text
from engine.data.tables.dialects import text_sheets
from engine.data.tables.json_tables import json_sheets
from engine.data.tables.sheets import Sheet
from engine.data.tables.workbooks import workbook_sheets
from engine.errors import DatasetError

MAX_TABLE_BYTES = 64 << 20
_MOST_SHEETS = 12
_OLD = "It is a spreadsheet of another format. Save it as .xlsx or as CSV UTF-8."
_JSON: Callable[[str], Iterator[Sheet]] = lambda text: json_sheets(text.encode("utf-8", "replace"))  # noqa: E731
_TEXT = ("csv", "tsv", "tab", "txt", "lst")
_READERS: Mapping[str, Callable[[str], Iterator[Sheet]]] = {
    **dict.fromkeys(_TEXT, text_sheets),
    **dict.fromkeys(("json", "jsonl", "ndjson"), _JSON),
}
_WORKBOOKS, _UNREAD = ("xlsx", "xlsm"), ("xls", "ods", "numbers")
TABLE_ENDINGS = frozenset((*_READERS, *_WORKBOOKS, *_UNREAD))


@dataclass(frozen=True, kw_only=True)
class Opened:
    """`note` says what was doubtful about the text, `guessed` whether that is its encoding."""

    sheets: Sequence[Sheet]
    note: str = ""
    guessed: bool = False


def open_table(file: StagedFile, names: Collection[str]) -> Opened:
    """The sheets in `file`, which lies beside files of these `names`. DatasetError says why there are none."""
    size = file.path.stat().st_size
    if size > MAX_TABLE_BYTES:
        raise DatasetError(f"It has {size >> 20} MB; a table may have {MAX_TABLE_BYTES >> 20}.")
    ending = file.name.rpartition(".")[2].casefold()
    content = file.path.read_bytes()
    if content.startswith(b"PK\x03\x04") or ending in _WORKBOOKS:
        return Opened(sheets=list(islice(workbook_sheets(file.path), _MOST_SHEETS)))
    if ending in _UNREAD:
        raise DatasetError(_OLD)
    decoded = decode_text(content, names)
    sheets = islice(_READERS.get(ending, text_sheets)(decoded.text), _MOST_SHEETS)
    return Opened(sheets=[sheet for sheet in sheets if sheet.lines], note=decoded.note, guessed=decoded.guessed)
