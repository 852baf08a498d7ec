"""Accounts: what became of every table among the files: the images that it labels, or why it labels none.

Not here: how a table is opened (opening), what its columns hold (columns), whether folders know better (layout).
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from engine.data.dataset_records import Split
from engine.data.readings.split_words import split_of
from engine.data.staging.zips import StagedFile
from engine.data.tables.class_names import ClassNames, class_names, named
from engine.data.tables.column_words import FILE_WORDS, is_one_of
from engine.data.tables.columns import Columns, read_columns
from engine.data.tables.file_finder import FileFinder, looks_like_an_image
from engine.data.tables.opening import TABLE_ENDINGS, open_table
from engine.data.tables.row_matching import Matching, match, written_as
from engine.data.tables.table_records import MatchedRow, TableAccount, TableChoice
from engine.errors import DatasetError

_SUBMISSION = re.compile(r"submission|제출", re.IGNORECASE)
_TEXTS = (".txt", ".lst")
_SUFFICIENT = 0.5
"""A table that says something else of more than this share of the images that another one labels is about something
else."""


@dataclass(frozen=True, kw_only=True)
class _Draft:
    """An account before the tables are compared with each other; `constant` says that all its lines are of one
    class."""

    account: TableAccount
    constant: bool = False
    names: ClassNames | None = None


def is_table(name: str) -> bool:
    """Whether a file of this name is read as a table."""
    return "." in name and name.rpartition(".")[2].casefold() in TABLE_ENDINGS


def read_tables(
    tables: Sequence[StagedFile], images: Sequence[StagedFile], choice: TableChoice | None = None
) -> tuple[TableAccount, ...]:
    """The account of each of `tables`: which of `images` it labels, or why it labels none; those that label most come
    first."""
    finder = FileFinder(images)
    foreign = {last for file in images if not (last := file.name.rpartition("/")[2].rpartition(".")[0]).isascii()}
    alone, beside = _parted(tables, images)
    drafts = [_draft(table, finder, foreign, choice=choice or TableChoice()) for table in alone]
    accounts = _apart(_without_constant(drafts))
    accounts = _with_names(accounts, [draft.names for draft in drafts if draft.names])
    return (*accounts, *beside)


def labelled(accounts: Iterable[TableAccount]) -> tuple[MatchedRow, ...]:
    """The images that the tables label, each once: of two tables the first one counts."""
    rows: dict[str, MatchedRow] = {}
    for account in accounts:
        for row in account.rows:
            rows.setdefault(row.file.name, row)
    return tuple(rows.values())


def _parted(
    tables: Sequence[StagedFile], images: Sequence[StagedFile]
) -> tuple[Sequence[StagedFile], Sequence[TableAccount]]:
    """Tables to read; and one account for the files that are called like an image each and describe that one."""
    stems = {_stem(file.name) for file in images}
    single = [
        table
        for table in tables
        if _stem(table.name) in stems and not table.name.casefold().endswith((".csv", ".tsv", ".xlsx"))
    ]
    if len(single) < 2:
        return tables, ()
    sentence = "Each is called like an image and describes that one; they were not read."
    account = TableAccount(name=f"{single[0].name} and {len(single) - 1} others", rows=(), sentence=sentence)
    known = {table.name for table in single}
    return [table for table in tables if table.name not in known], (account,)


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0].casefold()


def _draft(table: StagedFile, finder: FileFinder, foreign: Collection[str], *, choice: TableChoice) -> _Draft:
    try:
        opened = open_table(table, foreign)
    except (DatasetError, OSError) as error:
        return _Draft(account=TableAccount(name=table.name, rows=(), sentence=str(error)))
    notes = (opened.note,) if opened.note else ()
    columns = read_columns(opened.sheets, finder, table=table.name, choice=choice)
    if columns is None:
        return _Draft(account=TableAccount(name=table.name, rows=(), sentence="It is empty.", notes=notes))
    if columns.named == 0:
        names = class_names(table.name, opened.sheets)
        account = _of_no_file(columns, finder, names, table=table.name)
        return _Draft(account=replace(account, notes=notes), names=names)
    if _SUBMISSION.search(table.name.rpartition("/")[2]) and not choice.label_column:
        sentence = "It is not a table of labels: it is called like a submission, whose classes are not the true ones."
        return _Draft(account=TableAccount(name=table.name, rows=(), sentence=sentence, notes=notes))
    if columns.label is None and not columns.hot:
        sentence = f"It is not a table of labels: {columns.reason}."
        return _Draft(account=TableAccount(name=table.name, rows=(), sentence=sentence, notes=notes))
    account = _matched(columns, match(columns, finder, table.name), finder, table=table.name)
    doubts = (*(notes if opened.guessed else ()), *account.doubts)
    account = replace(account, notes=(*notes, *account.notes), doubts=doubts)
    return _Draft(account=account, constant=bool(columns.reason))


def _matched(columns: Columns, matching: Matching, finder: FileFinder, *, table: str) -> TableAccount:
    given = _split_of_table(table)
    rows = tuple(replace(row, split=row.split or given) for row in matching.rows.values())
    notes = [*columns.notes, *matching.notes(finder)]
    notes += written_as(columns)
    doubts = [f"The class could also be in {_listed(columns.rivals)}; choose the column."] if columns.rivals else []
    notes += doubts
    if columns.reason:
        return TableAccount(name=table, rows=rows, sentence=f"It is not a table of labels: {columns.reason}.")
    if not rows:
        return TableAccount(
            name=table, rows=(), sentence=f"It was not used. {notes[0]}", missed=True, notes=tuple(notes[1:])
        )
    name, classes = columns.names[columns.file].strip()[:40], _classes(columns)
    sentence = f"Used for {_images(len(rows))}: the column {name!r} names them, {classes}."
    return TableAccount(name=table, rows=rows, sentence=sentence, notes=tuple(notes), doubts=tuple(doubts))


def _classes(columns: Columns) -> str:
    if columns.label is not None:
        return f"{columns.names[columns.label].strip()[:40]!r} is the class"
    return f"{_listed([columns.names[place].strip()[:40] for place in columns.hot])} mark the class"


def _of_no_file(columns: Columns, finder: FileFinder, names: ClassNames | None, *, table: str) -> TableAccount:
    """Why a table is not used none of whose cells names a file that is here."""
    cells = [line[columns.file].strip() for line in columns.lines] or [columns.names[columns.file].strip()]
    nearest = finder.nearest_name(cells[0])
    told = f"{cells[0][-60:]!r}" + (f"; the nearest name here is {nearest[-80:]!r}" if nearest else "")
    missed = sum(map(looks_like_an_image, cells)) > len(cells) / 2
    missed = missed or (is_one_of(columns.names[columns.file], FILE_WORDS) and len(columns.names) > 1)
    if missed:
        sentence = f"It lists {_files(len(cells))}, and none of them is here: {told}."
    elif names and names.counted:
        sentence = f"It gives names to {len(names.by_number)} numbers, and is not a table of labels."
    elif names:
        sentence = f"It is a list of {len(names.by_number)} names, not a table of labels."
    elif len(columns.names) < 2 or table.casefold().endswith(_TEXTS):
        sentence = "It is a text, not a table of labels."
    else:
        sentence = f"It is not a table of labels: no column names files that are here, such as {told}."
    return TableAccount(name=table, rows=(), sentence=sentence, missed=missed)


def _split_of_table(name: str) -> Split | None:
    """The split that a table is about by its name or its folder's: `train.csv`, `trainLabels.csv`, `valid/a.csv`."""
    folder, _, last = name.rpartition("/")
    for part in (last.rpartition(".")[0], folder.rpartition("/")[2]):
        first = re.split(r"[\W_\d]+|(?<=[a-z])(?=[A-Z])", part)[0]
        if found := split_of(part) or split_of(first):
            return found
    return None


def _without_constant(drafts: Sequence[_Draft]) -> list[TableAccount]:
    """Tables whose lines all say the same label nothing, unless each says something else and there is no other one."""
    constant = [draft.account for draft in drafts if draft.constant and draft.account.rows]
    others = any(draft.account.rows for draft in drafts if not draft.constant)
    together = not others and len({account.rows[0].label for account in constant}) > 1
    accounts = []
    for draft in drafts:
        account = draft.account
        if draft.constant and together:
            account = replace(account, sentence=f"Used for {_images(len(account.rows))}, all of one class.")
        elif draft.constant:
            account = replace(account, rows=(), notes=())
        accounts.append(account)
    return accounts


def _apart(accounts: Sequence[TableAccount]) -> list[TableAccount]:
    """The tables, those that label most first; one that contradicts those before it is set aside."""
    taken: dict[str, tuple[str, str]] = {}
    sorted_accounts = []
    for account in sorted(accounts, key=lambda account: -len(account.rows)):
        known = [(row, *taken[row.file.name]) for row in account.rows if row.file.name in taken]
        other = [(row, label, name) for row, label, name in known if label != row.label]
        if other and len(other) > _SUFFICIENT * len(known):
            row, label, name = other[0]
            told = f"It calls {_images(len(other))} otherwise than {name} ({row.label[:40]!r} for {label[:40]!r})"
            account = replace(account, rows=(), sentence=f"{told} and was not used.")
        elif other:
            told = f"{_images(len(other))} have another class in {other[0][2]}, which was taken."
            account = replace(account, notes=(*account.notes, told))
        for row in account.rows:
            taken.setdefault(row.file.name, (row.label, account.name))
        sorted_accounts.append(account)
    return sorted_accounts


def _with_names(accounts: Sequence[TableAccount], lists: Sequence[ClassNames]) -> list[TableAccount]:
    """The tables with names for their numbers, where a file beside them says what the numbers are called."""
    rows = labelled(accounts)
    for names in lists:
        if named(rows, names):
            used = [replace(account, rows=named(account.rows, names) or ()) for account in accounts]
            sentence = f"It gives the {len(names.by_number)} classes their names."
            return [replace(each, sentence=sentence) if each.name == names.file else each for each in used]
    return list(accounts)


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:6])) + (" and others" if len(names) > 6 else "")
