"""Recognition: what the images are called, from all that their source tells: folders, tables and the names of files.

Opens no image. Not here: the rules by which one reading is preferred (judgement).
"""

from collections.abc import Sequence
from dataclasses import replace

from engine.data.dataset_records import Problem
from engine.data.readings.folder_readings import by_folder
from engine.data.readings.judgement import Judged, judged
from engine.data.readings.name_reading import by_name
from engine.data.readings.reading import Reading
from engine.data.readings.table_reading import by_table, completed
from engine.data.staging.unpacking import StagedFile
from engine.data.tables.table_records import TableAccount
from engine.errors import DatasetError


def recognise(files: Sequence[StagedFile], tables: Sequence[TableAccount], *, asked: str = "") -> Judged:
    """The best reading of `files` and its rivals; `asked` is the key of the one that a person wants.

    DatasetError when there is no such reading, or no sensible one.
    """
    folders, *levels = by_folder(files)
    table = by_table(files, tables)
    folders = completed(folders, files, tables)
    try:
        found = judged([folders, *levels, *table, *by_name(files)], asked=asked)
    except DatasetError as error:
        accounts = " ".join(f"{account.name}: {account.sentence}" for account in tables[:3])
        raise DatasetError(f"{error} {accounts}".strip()) from None
    unused = [f"{account.name}: {account.sentence}" for account in tables if account.missed]
    used = [account for account in tables if account.rows and found.reading.uses_tables]
    asked_of = [f"{account.name}: {doubt}" for account in used for doubt in account.doubts]
    best = replace(found.reading, doubts=(*found.reading.doubts, *unused, *asked_of))
    return Judged(reading=_noted(best, tables), rivals=tuple(_noted(rival, tables) for rival in found.rivals))


def _noted(reading: Reading, tables: Sequence[TableAccount]) -> Reading:
    """`reading` with the account of every table in a sentence."""
    notes = []
    for table in tables:
        unused = f"It labels {len(table.rows)} images; the classes are taken from elsewhere."
        sentence = unused if table.rows and not reading.uses_tables else table.sentence
        notes += [Problem(name=table.name, reason=reason, kind="note") for reason in (sentence, *table.notes)]
    return replace(reading, notes=tuple(notes))
