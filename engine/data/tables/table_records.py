"""Table records: what was read out of the tables among the files, and what a person chose about them.

Not here: how it is found (accounts), and whether folders know better (layout).
"""

from dataclasses import dataclass

from engine.data.dataset_records import Split
from engine.data.staging.zips import StagedFile


@dataclass(frozen=True, kw_only=True)
class TableChoice:
    """The columns that a person chose, each by its head or by its number from 1; empty: found by what is in them."""

    file_column: str = ""
    label_column: str = ""


@dataclass(frozen=True, kw_only=True)
class MatchedRow:
    """An image that a table names: its class, its split, and what it belongs together with ('' where nothing is
    said)."""

    file: StagedFile
    label: str
    split: Split | None = None
    group: str = ""


@dataclass(frozen=True, kw_only=True)
class TableAccount:
    """What became of one table: the images that it labels, each once, and the sentence that says so or why it labels
    none."""

    name: str
    rows: tuple[MatchedRow, ...]
    sentence: str
    missed: bool = False
    """Whether it names files as a table of labels does, though none of them is here."""
    notes: tuple[str, ...] = ()
    """Decisions that were taken on the way, such as which of two labels of an image counts."""
    doubts: tuple[str, ...] = ()
    """Those of the notes that a person should answer for: the encoding was guessed, another column could be meant."""
