"""Class names: files that only say what numbered classes are called, such as `classes.txt`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.data.file_names import clean_text
from engine.data.tables.columns import is_number
from engine.data.tables.sheets import Sheet
from engine.data.tables.table_records import MatchedRow

_MOST = 20_000


@dataclass(frozen=True, kw_only=True)
class ClassNames:
    """Names by number, as `file` gives them; a list without numbers may be counted from 0 or from 1."""

    file: str
    by_number: Mapping[str, str]
    counted: bool


def class_names(file: str, sheets: Iterable[Sheet]) -> ClassNames | None:
    """The names that one of `sheets` gives to numbers, or lists line by line; None where none does."""
    for sheet in sheets:
        lines = [tuple(clean_text(cell) for cell in line) for line in sheet.lines[:_MOST]]
        for cells in (lines, lines[1:]):
            for number, name in ((0, 1), (1, 0)):
                pairs = {line[number]: line[name] for line in cells if len(line) == 2}
                if _is_numbering(pairs, cells):
                    return ClassNames(file=file, by_number=pairs, counted=True)
        names = [line[0] for line in lines]
        short = all(name and len(name) <= 80 and any(map(str.isalpha, name)) for name in names)
        if len(set(names)) == len(names) > 1 and short and all(len(line) == 1 for line in lines):
            return ClassNames(
                file=file, by_number={str(place): name for place, name in enumerate(names)}, counted=False
            )
    return None


def named(rows: Sequence[MatchedRow], names: ClassNames) -> tuple[MatchedRow, ...] | None:
    """`rows` with names for their numbers; None where the classes are no numbers, or some have no name."""
    numbers = {row.label for row in rows}
    if not numbers or not all(number.isdecimal() for number in numbers):
        return None
    by_number = names.by_number
    if not names.counted and "0" not in numbers:
        by_number = {str(int(number) + 1): name for number, name in by_number.items()}
    by_value = {int(number): name for number, name in by_number.items()}
    if not {int(number) for number in numbers} <= by_value.keys():
        return None
    return tuple(replace(row, label=by_value[int(row.label)]) for row in rows)


def _is_numbering(pairs: Mapping[str, str], lines: Sequence[Sequence[str]]) -> bool:
    """Whether every line gives a whole number of its own a name of its own."""
    if len(pairs) < 2 or len(pairs) != len(lines) or len(set(pairs.values())) != len(pairs):
        return False
    return all(map(str.isdecimal, pairs)) and not any(map(is_number, pairs.values())) and all(pairs.values())
