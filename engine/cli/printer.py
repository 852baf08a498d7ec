"""Printer: what the command line writes, for people or, with --json, one object a line for programs.

Not here: what is done (the verbs).
"""

import sys
from collections.abc import Mapping, Sequence
from unicodedata import category, east_asian_width, normalize

from engine.events import Epoch, Event, Note, Progress, Started
from engine.record_files import encode


class Printer:
    """Writes to the terminal; `json` says for whom."""

    def __init__(self, *, json: bool) -> None:
        self.json, self._stage = json, ""

    def say(self, record: object, sentence: str) -> None:
        """`record` for programs, `sentence` for people."""
        print(encode(record) if self.json else sentence, flush=True)

    def table(self, rows: Sequence[Mapping[str, object]], names: Sequence[str], *, empty: str) -> None:
        """Whole rows for programs; for people their columns `names`, or the sentence `empty`."""
        if self.json:
            for row in rows:
                print(encode(row))
        elif rows:
            columns([{name: row[name] for name in names} for row in rows])
        else:
            print(empty)

    def event(self, event: Event) -> None:
        """What a child says: one line an epoch, stages as they change; with --json every event but the steps."""
        match event:
            case Epoch() | Note() | Started() if self.json:
                print(encode(event), flush=True)
            case Epoch():
                scores = "  ".join(event.scores)
                print(f"epoch {event.epoch}/{event.epochs}  {scores}  {event.seconds:.1f} s", flush=True)
            case Note(text=text):
                print(text, flush=True)
            case Progress(stage=stage) if not self.json and stage != self._stage:
                self._stage = stage
                print(f"{stage} ...", file=sys.stderr, flush=True)


def columns(rows: Sequence[Mapping[str, object]]) -> None:
    """`rows`, which have the same keys, under each other with these as heads, as wide as a terminal draws them."""
    cells = [list(rows[0]), *(list(map(_cell, row.values())) for row in rows)]
    widths = [max(map(display_width, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = (cell + " " * (width - display_width(cell)) for cell, width in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip())


def display_width(text: str) -> int:
    """How many columns of a terminal `text` takes: two for a Hangul syllable, none for a mark on another character."""
    return sum(
        0 if category(character) in ("Mn", "Me", "Cf") else 1 + (east_asian_width(character) in "WF")
        for character in normalize("NFC", text)
    )


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
