"""Printing: what the command line writes, for people or, with --json, one object a line for programs.

Not here: what is done (commands).
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence

from engine.store.database import Json


def say(chosen: argparse.Namespace, record: Json, sentence: str) -> None:
    print(json.dumps(record, ensure_ascii=False) if chosen.json else sentence, flush=True)


def table(chosen: argparse.Namespace, rows: Sequence[Json], names: Sequence[str], empty: str) -> None:
    if chosen.json:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
    elif rows:
        columns(rows, names)
    else:
        print(empty)


def columns(rows: Iterable[Json], names: Sequence[str]) -> None:
    cells = [list(names), *([_cell(row[column]) for column in names] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(names))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


class Progress:
    """Prints what a child says: one line an epoch, stages as they change; with --json every event but the steps."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        self._json, self._stage = chosen.json, ""

    def __call__(self, event: Json) -> None:
        if self._json:
            if event["event"] in ("epoch", "note", "started"):
                print(json.dumps(event, ensure_ascii=False), flush=True)
        elif event["event"] == "epoch":
            shown = ("train_loss", "val_loss", "val_accuracy")
            scores = "  ".join(f"{name} {event[name]:.4f}" for name in shown if event[name] is not None)
            print(f"epoch {event['epoch']}/{event['epochs']}  {scores}  {event['seconds']:.1f} s", flush=True)
        elif event["event"] == "note":
            print(event["text"], flush=True)
        elif event["event"] == "progress" and "stage" in event and event["stage"] != self._stage:
            self._stage = event["stage"]
            print(f"{self._stage} ...", file=sys.stderr, flush=True)
