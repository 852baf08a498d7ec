"""Accounts: what became of every table among the files: the images that it labels, or why it labels none.

Not here: how a table is written (label_table), which file a cell means (file_finder), whether folders know better
(layout).
"""

from collections.abc import Iterable, Sequence

from engine.data.label_table import LabelRow, read_labels
from engine.data.split_words import split_of
from engine.data.tables.file_finder import FileFinder
from engine.data.tables.table_records import MatchedRow, TableAccount, TableChoice
from engine.data.zips import StagedFile

MAX_TABLE_BYTES = 64 << 20
_ENDINGS = (".csv", ".tsv")


def is_table(name: str) -> bool:
    """Whether a file of this name is read as a table."""
    return name.casefold().endswith(_ENDINGS)


def read_tables(
    tables: Sequence[StagedFile], images: Sequence[StagedFile], choice: TableChoice | None = None
) -> tuple[TableAccount, ...]:
    """The account of each of `tables`, in their order: which of `images` it labels, or why it labels none."""
    finder = FileFinder(images)
    return tuple(_account(table, finder) for table in tables)


def labelled(accounts: Iterable[TableAccount]) -> tuple[MatchedRow, ...]:
    """The images that the tables label, each once: of two tables the first one counts."""
    rows: dict[str, MatchedRow] = {}
    for account in accounts:
        for row in account.rows:
            rows.setdefault(row.file.name, row)
    return tuple(rows.values())


def _account(table: StagedFile, finder: FileFinder) -> TableAccount:
    large = table.path.stat().st_size > MAX_TABLE_BYTES
    lines = None if large else read_labels(table.path.read_bytes())
    if lines is None:
        return TableAccount(name=table.name, rows=(), sentence="It is a table without the columns file and label.")
    return _matched(table, lines, finder)


def _matched(table: StagedFile, lines: Sequence[LabelRow], finder: FileFinder) -> TableAccount:
    split = split_of(table.name.rpartition("/")[2].rpartition(".")[0])
    rows: dict[str, MatchedRow] = {}
    missing: list[str] = []
    twice: set[str] = set()
    for line in lines:
        if (file := finder.find(line.file, table.name).only) is None:
            missing.append(line.file)
        elif line.label and file.name not in rows:
            given = split_of(line.split) or split
            rows[file.name] = MatchedRow(file=file, label=line.label, split=given)
        elif line.label and rows[file.name].label != line.label:
            twice.add(file.name)
    if not rows:
        nearest = f", nearest name {finder.nearest_name(missing[0])!r}" if missing else ""
        sentence = f"It lists {len(lines)} files, and none of them is here{nearest}."
        return TableAccount(name=table.name, rows=(), sentence=sentence)
    notes = [f"It lists {len(missing)} files that are not here, such as {missing[0]!r}."] if missing else []
    notes += [f"It gives {len(twice)} images two labels; the first was taken."] if twice else []
    sentence = f"It labels {len(rows)} images."
    return TableAccount(name=table.name, rows=tuple(rows.values()), sentence=sentence, notes=tuple(notes))
