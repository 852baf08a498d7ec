"""Listing: the images that a table names, line by line in its order, whether it gives them classes or not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.data.file_names import clean_text
from engine.data.staging.zips import StagedFile
from engine.data.tables.columns import read_columns
from engine.data.tables.file_finder import FileFinder
from engine.data.tables.opening import open_table
from engine.data.tables.table_records import TableChoice


@dataclass(frozen=True, kw_only=True)
class ListedImage:
    """One line: what it calls an image, the file that it means, or why there is none, and the class that it says."""

    name: str
    file: StagedFile | None
    reason: str = ""
    label: str = ""


def read_list(table: StagedFile, beside: Sequence[StagedFile]) -> tuple[ListedImage, ...]:
    """The lines of `table` about images among the files `beside` it. DatasetError when it cannot be read."""
    finder = FileFinder(beside)
    sheets = open_table(table, [file.name.rpartition("/")[2] for file in beside]).sheets
    columns = read_columns(sheets, finder, table=table.name, choice=TableChoice())
    if columns is None:
        return ()
    lines = [line for line in columns.lines if line[columns.file].strip()]
    labels = ["" if columns.label is None else clean_text(line[columns.label]) for line in lines]
    listed = (_listed(line[columns.file], finder, table.name) for line in lines)
    return tuple(replace(image, label=label) for image, label in zip(listed, labels, strict=True))


def _listed(cell: str, finder: FileFinder, table: str) -> ListedImage:
    found, name = finder.find(cell, table), clean_text(cell)
    if found.only is None:
        why = f"{len(found.files)} files here are called so." if found.files else "There is no such file here."
        return ListedImage(name=name, file=None, reason=f"{table} lists it. {why}")
    return ListedImage(name=name, file=found.only)
