"""Row matching: the lines of a table with known columns, matched with the files that are there; each image once.

Not here: the columns (columns), what is said about it (accounts).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.data.file_names import clean_text
from engine.data.readings.split_words import split_of
from engine.data.tables.columns import YES, Columns, is_number
from engine.data.tables.file_finder import FileFinder, Found
from engine.data.tables.table_records import MatchedRow

_DAMAGED = "\ufffd"
_NO_CLASS = frozenset(("", "nan", "null", "n/a", "#n/a"))
_SHOWN = 3


@dataclass(kw_only=True)
class Matching:
    """What came of the lines of one table, gathered line by line."""

    rows: dict[str, MatchedRow] = field(default_factory=dict)
    distances: dict[str, tuple[int, str]] = field(default_factory=dict)
    """By file, how far the line was from its name, and how it was written."""
    missing: list[str] = field(default_factory=list)
    several: dict[str, Found] = field(default_factory=dict)
    twice: set[str] = field(default_factory=set)
    unlabelled: set[str] = field(default_factory=set)
    damaged: int = 0

    def notes(self, finder: FileFinder) -> list[str]:
        """What a person should know of the lines that were not simply taken, a sentence each."""
        notes = []
        if self.several:
            cell, found = next(iter(self.several.items()))
            files = " and ".join(file.name[-80:] for file in found.files[:2])
            notes.append(f"{_lines(self.several)} more than one file, such as {cell[-80:]!r}: {files}.")
        if self.missing:
            nearest = finder.nearest_name(self.missing[0])
            names = _listed(self.missing)
            notes.append(
                f"{_lines(self.missing)} no file that is here: {names}; the nearest name is {nearest[-80:]!r}."
            )
        if self.twice:
            told = f"{_images(len(self.twice))} two labels, such as {min(self.twice)[-80:]}"
            notes.append(f"{told}; the first was taken: an image has one class here.")
        if self.unlabelled:
            notes.append(f"{_images(len(self.unlabelled))} no class in it, such as {min(self.unlabelled)[-80:]}.")
        if self.damaged:
            notes.append(f"{self.damaged} of its lines were left out because their name or class is damaged.")
        return notes


def match(columns: Columns, finder: FileFinder, table: str) -> Matching:
    """The lines of the table at the path `table`, each with the file that it means. Of two lines about one file the one
    that is closer to its name counts, then the first."""
    matching = Matching()
    labels = _labels(columns)
    for line, found_labels in zip(columns.lines, labels, strict=True):
        cell = line[columns.file].strip()
        found = finder.find(cell, table)
        if _DAMAGED in cell or any(_DAMAGED in label for label in found_labels):
            matching.damaged += 1
        elif not found.files:
            matching.missing.append(cell)
        elif found.only is None:
            matching.several[cell] = found
        else:
            row = MatchedRow(
                file=found.files[0],
                label=found_labels[0] if found_labels else "",
                split=None if columns.split is None else split_of(line[columns.split]),
                group="" if columns.group is None else clean_text(line[columns.group]),
            )
            _take(matching, row, (found.distance, cell), several=len(found_labels) > 1)
    matching.unlabelled -= matching.rows.keys()
    return matching


def _take(matching: Matching, row: MatchedRow, distance: tuple[int, str], *, several: bool) -> None:
    name, before = row.file.name, matching.distances.get(row.file.name)
    if before and before[0] < distance[0]:
        matching.missing.append(distance[1])
        return
    if before and before[0] > distance[0]:  # what was taken for this file meant another one
        matching.missing.append(before[1])
        matching.rows.pop(name, None)
        matching.twice.discard(name)
    matching.distances[name] = distance
    if not row.label:
        matching.unlabelled.add(name)
    elif name not in matching.rows:
        matching.rows[name] = row
    elif matching.rows[name].label != row.label:
        matching.twice.add(name)
    if several:
        matching.twice.add(name)


def _labels(columns: Columns) -> Sequence[tuple[str, ...]]:
    """For each line its classes, cleaned: none, one, or the several that it marks. Whole numbers are written as
    such."""
    if columns.hot:
        titles = {place: clean_text(columns.names[place]) for place in columns.hot}
        return [tuple(titles[at] for at in titles if line[at].strip().casefold() in YES) for line in columns.lines]
    if columns.label is None:
        return [() for _ in columns.lines]
    cells = [clean_text(line[columns.label]) for line in columns.lines]
    written = _whole({cell for cell in cells if cell.casefold() not in _NO_CLASS})
    return [(written[cell],) if cell in written else () for cell in cells]


def _whole(words: set[str]) -> Mapping[str, str]:
    """How each of `words` is written where all are whole numbers: 1 for 1.0."""
    if all(is_number(word) and float(word).is_integer() and len(word) < 16 for word in words):
        return {word: str(int(float(word))) if "." in word else word for word in words}
    return {word: word for word in words}


def written_as(columns: Columns) -> list[str]:
    """Sentences where 1 and 1.0 are one class, and where a class is written as several: `ant|bee`."""
    if columns.label is None:
        return []
    words = {line[columns.label].strip() for line in columns.lines} - {""}
    notes = []
    if both := sorted((word, other) for word, other in _whole(words).items() if word != other and other in words):
        notes.append(f"{both[0][1]} and {both[0][0]} were taken as one class, as were others written so.")
    if several := sorted(word for word in words if "|" in word.strip("|")):
        told = f"{len(several)} of its classes name several, such as {several[0][:60]!r}"
        notes.append(f"{told}: each is a class of its own here.")
    return notes


def _lines(lines: Sequence[str] | Mapping[str, Found]) -> str:
    return "1 line names" if len(lines) == 1 else f"{len(lines)} lines name"


def _images(count: int) -> str:
    return "1 image has" if count == 1 else f"{count} images have"


def _listed(cells: Sequence[str]) -> str:
    return ", ".join(repr(cell[-60:]) for cell in cells[:_SHOWN]) + (" and others" if len(cells) > _SHOWN else "")
