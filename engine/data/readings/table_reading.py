"""Table reading: the classes as tables of labels have them; splits and groups from the folders where tables are silent.

Not here: which row means which file (engine.data.tables).
"""

from collections.abc import Sequence
from dataclasses import replace

from engine.data.readings.folder_readings import folder_parts
from engine.data.readings.folder_tree import folder_of
from engine.data.readings.reading import LabelledFile, Reading, settled
from engine.data.staging.unpacking import StagedFile
from engine.data.tables.accounts import labelled
from engine.data.tables.table_records import TableAccount


def by_table(files: Sequence[StagedFile], tables: Sequence[TableAccount]) -> tuple[Reading, ...]:
    """The reading by those `tables` that label some of the files; none where there is no such table."""
    entries = _entries(files, tables)
    if not entries:
        return ()
    names = " and ".join(table.name for table in tables if table.rows)
    listed = {entry.file.name for entry in entries}
    aside = {file.name: f"{names} does not list it." for file in files if file.name not in listed}
    says = f"Classes are those of {names}"
    return (settled(Reading(key="table", kind="table", says=says, entries=entries, aside=aside, uses_tables=True)),)


def completed(folders: Reading, files: Sequence[StagedFile], tables: Sequence[TableAccount]) -> Reading:
    """The reading `folders` of `files` with labels of `tables`, where these are of its classes and for images without
    any."""
    new = _entries(files, tables)
    added = {entry.file.name for entry in new}
    known = not added.isdisjoint(entry.file.name for entry in folders.entries)
    if not new or known or not {entry.label for entry in new} <= folders.classes.keys():
        return folders
    says = f"{folders.says}, and for {len(new)} more images what {' and '.join(t.name for t in tables if t.rows)} says"
    aside = {name: why for name, why in folders.aside.items() if name not in added}
    return settled(replace(folders, says=says, entries=(*folders.entries, *new), aside=aside, uses_tables=True))


def _entries(files: Sequence[StagedFile], tables: Sequence[TableAccount]) -> tuple[LabelledFile, ...]:
    """What the rows say; the folders speak of splits where no row does."""
    rows, parts = labelled(tables), folder_parts(files)
    splits = any(row.split for row in rows)
    entries = []
    for row in rows:
        part = parts[folder_of(row.file.name)]
        given = row.split if splits else part.split
        entries.append(LabelledFile(file=row.file, label=row.label, given=given, group=row.group or part.group))
    return tuple(entries)
