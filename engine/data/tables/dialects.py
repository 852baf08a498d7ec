"""Dialects: text with separators as sheets: CSV as spreadsheets and scripts write it, and lists of paths and classes.

Which of several readings is right shows when files are sought for its cells (columns).
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

from engine.data.tables.sheets import Sheet, sheet_of, without_titles

_SEPARATORS = "\t;|,"
"""A comma last: it occurs inside the cells of the others, as in 0,5."""
_SAMPLE = 64 << 10


def text_sheets(text: str) -> Iterator[Sheet]:
    """The sheets that `text` may mean, the likeliest first; none for a text without content."""
    text = text.lstrip("\ufeff\r\n").replace("\0", "")
    first, _, rest = text.partition("\n")
    if first.strip().strip('"').casefold().startswith("sep=") and len(first.strip().strip('"')) == 5:
        yield sheet_of(without_titles(_cells(rest, first.strip().strip('"')[-1])))
        return
    if not text.strip():
        return
    sample = text[:_SAMPLE].rpartition("\n")[0] if len(text) > _SAMPLE else text
    (share, _), _, separator = max((_regular(sample, one), -place, one) for place, one in enumerate(_SEPARATORS))
    if share > 0.5:
        yield sheet_of(without_titles(_cells(text, separator)))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if share <= 0.9:
        parted = [line.split() for line in lines]
        if min(map(len, parted)) == max(map(len, parted)) > 2:
            yield sheet_of(parted)
        yield sheet_of([line.rsplit(None, 1) for line in lines])
        yield sheet_of([[line] for line in lines])


def _regular(sample: str, separator: str) -> tuple[float, int]:
    """The share of lines that it parts into the same number of cells, more than one, and how many these are; up to the
    first line where it stands amid quotation marks."""
    widths: Counter[int] = Counter()
    with suppress(csv.Error):
        lines = csv.reader(io.StringIO(sample, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
        widths.update(len(line) for line in lines if line)
    most = max((count for width, count in widths.items() if width > 1), default=0)
    return most / max(1, widths.total()), most


def _cells(text: str, separator: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True))
    except csv.Error:  # a quotation mark that is never closed makes one endless cell
        return [line.split(separator) for line in text.splitlines()]
