"""Columns: which column of a sheet names images, which holds their class, split and group: found by what is in them.

Names only break ties between columns that would do. Not here: what is made of the lines (accounts).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.data.readings.split_words import split_of
from engine.data.tables.column_words import (
    FILE_WORDS,
    GROUP_WORDS,
    LABEL_WORDS,
    SPLIT_COLUMN_WORDS,
    is_one_of,
    rank,
)
from engine.data.tables.file_finder import FileFinder, looks_like_an_image
from engine.data.tables.sheets import Sheet
from engine.data.tables.table_records import TableChoice

_SAMPLE = 400
"""Lines, evenly over the table, in which files are sought to find the column that names them."""
_ABOUT_AS_MANY = 0.7
_FEW = 10
"""So many classes a table may have however short it is."""
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_YES_OR_NO = frozenset(("0", "1", "0.0", "1.0", "true", "false", ""))
YES = frozenset(("1", "1.0", "true"))


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Places of columns. `hot` are several columns, of which each line marks the one that is its class; `rivals` are
    heads of columns that could hold the class as well."""

    names: tuple[str, ...]
    lines: Sequence[tuple[str, ...]]
    file: int
    named: float
    """The share of lines, of a sample, that name a file of their own that is there."""
    label: int | None = None
    hot: tuple[int, ...] = ()
    split: int | None = None
    group: int | None = None
    rivals: tuple[str, ...] = ()
    reason: str = ""
    """Why the lines have no classes; with a `label` all the same where every line says the same."""
    notes: tuple[str, ...] = ()

    @property
    def has_classes(self) -> bool:
        return not self.reason and (self.label is not None or bool(self.hot))


def read_columns(sheets: Iterable[Sheet], finder: FileFinder, *, table: str, choice: TableChoice) -> Columns | None:
    """The columns of the sheet that names most files, or about as many and has classes; None without any sheet."""
    found = [_find_columns(sheet, finder, table=table, choice=choice) for sheet in sheets]
    most = max((columns.named for columns in found), default=0.0)
    good = [columns for columns in found if columns.named >= _ABOUT_AS_MANY * most]
    return max(good, key=lambda columns: (columns.has_classes, columns.named), default=None)


def _find_columns(sheet: Sheet, finder: FileFinder, *, table: str, choice: TableChoice) -> Columns:
    """The columns of `sheet`, which holds at least one line, in the table at the path `table`."""
    sample = sheet.lines[:: max(1, len(sheet.lines) // _SAMPLE)][1 if len(sheet.lines) > 1 and not sheet.head else 0 :]
    shares = [_named(column, finder, table) for column in zip(*sample, strict=True)]
    heads = sheet.head or sheet.lines[0]
    ranked = sorted(range(len(heads)), key=lambda place: (-shares[place][1], rank(heads[place], FILE_WORDS), place))
    file, lost = _chosen(heads, choice.file_column) if choice.file_column else (ranked[0], "")
    headed = bool(sheet.head) or _is_head(sheet.lines, file, finder, table=table)
    columns = Columns(
        names=tuple(heads) if headed else tuple(f"{place + 1}" for place in range(len(heads))),
        lines=sheet.lines[0 if sheet.head or not headed else 1 :],
        file=file,
        named=shares[file][0] if file < len(shares) else 0.0,
        reason=lost,
    )
    return columns if lost else _with_classes(columns, choice)


def is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell) is not None


def _named(cells: Sequence[str], finder: FileFinder, table: str) -> tuple[float, float]:
    """The share of `cells` that name a file, each another one, and how well that makes them the column of names."""
    found = {file.name for cell in cells for file in finder.find(cell, table).files[:1]}
    share = len(found) / max(1, len(cells))
    counted = all(cell.isdigit() for cell in cells) and _is_serial([int(cell) for cell in cells])
    looks = sum(map(looks_like_an_image, cells)) / max(1, len(cells))
    return share, (share * (0.4 if counted else 1.0) if share > 0.02 else 0.0) + 0.5 * looks


def _is_serial(numbers: Sequence[int]) -> bool:
    return len(numbers) > 1 and list(numbers) == sorted(set(numbers))


def _chosen(heads: Sequence[str], wanted: str) -> tuple[int, str]:
    """The place of the column that a person means, or why there is none."""
    same = [place for place, head in enumerate(heads) if head.strip().casefold() == wanted.strip().casefold()]
    if same:
        return same[0], ""
    if wanted.isdigit() and 1 <= int(wanted) <= len(heads):
        return int(wanted) - 1, ""
    listed = ", ".join(head.strip()[:40] for head in heads[:12])
    return 0, f"it has no column {wanted[:40]!r}; its columns are {listed}"


def _is_head(lines: Sequence[Sequence[str]], file: int, finder: FileFinder, *, table: str) -> bool:
    first = lines[0][file]
    if looks_like_an_image(first) or finder.find(first, table).files:
        return False
    return len(lines) > 1 and not (is_number(first) and any(is_number(line[file]) for line in lines[1:20]))


def _with_classes(columns: Columns, choice: TableChoice) -> Columns:
    cells = [tuple(cell.strip() for cell in column) for column in zip(*columns.lines, strict=True)]
    words = {place: frozenset(filter(None, column)) for place, column in enumerate(cells) if place != columns.file}
    split = next((place for place in words if _is_split(columns.names[place], words[place])), None)
    group = next((place for place in words if is_one_of(columns.names[place], GROUP_WORDS)), None)
    columns = replace(columns, split=split, group=group)
    if choice.label_column:
        place, lost = _chosen(columns.names, choice.label_column)
        return replace(columns, label=None if lost else place, reason=lost)
    free = {place: found for place, found in words.items() if place not in (split, group)}
    fit = {place: found for place, found in free.items() if _may_be_class(columns, place, found)}
    hot = tuple(place for place in free if free[place] and {cell.casefold() for cell in free[place]} <= _YES_OR_NO)
    is_called = any(is_one_of(columns.names[place], LABEL_WORDS) for place in fit)
    if len(hot) > 1 and not is_called:
        marked = _one_hot(columns, hot)
        fit = {place: found for place, found in fit.items() if place not in hot}
        if marked.hot or not fit:
            return marked
    if not fit:
        return _without_classes(columns, free)
    return _best(columns, fit, cells)


def _is_split(head: str, words: frozenset[str]) -> bool:
    known = [split_of(word) for word in words]
    if not words or len(words) > 12 or len(set(known) - {None}) < 1:
        return False
    return is_one_of(head, SPLIT_COLUMN_WORDS) or (known.count(None) <= 1 and len(set(known) - {None}) > 1)


def _may_be_class(columns: Columns, place: int, words: frozenset[str]) -> bool:
    """Whether a column with these different words divides the lines into classes."""
    lines = len(columns.lines)
    if len(words) < 2 or _mostly(words, looks_like_an_image) or _mostly(words, _is_fraction):
        return False
    if is_one_of(columns.names[place], LABEL_WORDS):
        return True
    few = len(words) <= max(lines / 2, min(lines, _FEW))
    return few and not (len(words) == lines and all(map(is_number, words)))


def _mostly(words: frozenset[str], what: Callable[[str], bool]) -> bool:
    return sum(map(what, words)) > len(words) / 2


def _is_fraction(word: str) -> bool:
    return is_number(word) and not float(word).is_integer()


def _one_hot(columns: Columns, hot: tuple[int, ...]) -> Columns:
    marked = [sum(line[place].strip().casefold() in YES for place in hot) for line in columns.lines]
    names = _listed(columns, hot)
    if marked.count(1) >= 0.9 * max(1, len(marked)):
        return replace(columns, hot=hot)
    several = sum(count > 1 for count in marked)
    if several > 0.05 * len(marked):
        return replace(columns, reason=f"{several} lines mark several of {names}, and an image has one class here")
    return replace(columns, reason=f"of its columns {names} no line says which one is the class")


def _without_classes(columns: Columns, free: Mapping[int, frozenset[str]]) -> Columns:
    """Why no column of `free` is the class; one that says the same everywhere is still given, as the class of all."""
    constant = [place for place, words in free.items() if len(words) == 1]
    constant.sort(key=lambda place: rank(columns.names[place], LABEL_WORDS))
    numbers = [place for place, words in free.items() if words and all(map(is_number, words))]
    if not free:
        return replace(columns, reason="it has no column beside the one that names files")
    if len(numbers) > 1:
        return replace(columns, reason=f"its columns {_listed(columns, numbers)} hold numbers")
    if constant and (len(free) == 1 or is_one_of(columns.names[constant[0]], LABEL_WORDS)):
        (word,) = free[constant[0]]
        told = f"all its {len(columns.lines)} lines say {word[:60]!r} in the column {_listed(columns, constant[:1])}"
        return replace(columns, label=constant[0], reason=told)
    told = f"none of its columns {_listed(columns, list(free))} divides the lines into classes"
    return replace(columns, reason=told)


def _listed(columns: Columns, places: Sequence[int]) -> str:
    names = ", ".join(repr(columns.names[place].strip()[:40]) for place in places[:6])
    return names + (" and others" if len(places) > 6 else "")


def _best(columns: Columns, fit: Mapping[int, frozenset[str]], cells: Sequence[Sequence[str]]) -> Columns:
    """Of columns that would do: the one that is called so, then one with words, then the first."""

    def order(place: int) -> tuple[int, bool, int]:
        return rank(columns.names[place], LABEL_WORDS), all(map(is_number, fit[place])), place

    best = min(fit, key=order)
    notes: tuple[str, ...] = ()
    if all(map(is_number, fit[best])):
        for place, words in fit.items():
            pairs = set(zip(cells[best], cells[place], strict=True))
            if len(pairs) == len(words) == len(fit[best]) and not any(map(is_number, words)):
                told = f"Its column {columns.names[place].strip()[:40]!r} has the names of the numbers in "
                notes, best = (f"{told}{columns.names[best].strip()[:40]!r}, and was taken.",), place
                break
    called = is_one_of(columns.names[best], LABEL_WORDS) or bool(notes)
    rivals = () if called else tuple(columns.names[place].strip()[:40] for place in fit if place != best)
    return replace(columns, label=best, rivals=rivals, notes=notes)
