"""Facts of a run for its model card, from the files the run left and its row in the list of runs.

Not here: their wording (card), where the weights came from (models.provenance).
"""

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from engine.jobs.bundle.card import Facts
from engine.store.database import Json
from engine.store.run import Run

SPLITS = ("train", "val", "test")


def facts_of(
    run: Run,
    folder: Path,
    table: pd.DataFrame,
    *,
    strategy: str,
    weights: tuple[str, Sequence[str]],
    checks: Sequence[str],
) -> Facts:
    """`table`: the predictions of the run; `strategy`: what it does; `weights`: their origin and addresses about it."""
    classes = read_classes(folder)
    return Facts(
        name=run.name,
        config=run.config,
        strategy=" ".join(strategy.split()),
        origin=read_json(folder / "config.json"),
        classes=classes,
        counts=_counts(table, classes),
        metrics=read_json(folder / "metrics.json")["splits"],
        started=run.started,
        summary=run.summary,
        moved=_moved(folder / "audit.csv"),
        weights=weights[0],
        links=weights[1],
        checks=checks,
    )


def read_json(path: Path) -> Json:
    """What a run wrote down about itself."""
    content: Json = json.loads(path.read_text(encoding="utf-8"))
    return content


def read_classes(folder: Path) -> tuple[str, ...]:
    """Class names in the order of the model's outputs."""
    return tuple(json.loads((folder / "classes.json").read_text(encoding="utf-8")))


def _counts(table: pd.DataFrame, classes: Sequence[str]) -> dict[str, list[int]]:
    """Readable images of each class, for the splits that have any."""
    readable = table[table["error"] == ""]
    pairs = Counter(zip(readable["split"], readable["label"], strict=True))
    counts = {split: [pairs[split, name] for name in classes] for split in SPLITS}
    return {split: numbers for split, numbers in counts.items() if any(numbers)}


def _moved(path: Path) -> Mapping[str, tuple[int, int]]:
    """Block -> (tensors that moved, tensors), in the order of the model."""
    moved: dict[str, tuple[int, int]] = {}
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else ()
    for row in rows:
        before = moved.get(row["block"], (0, 0))
        moved[row["block"]] = (before[0] + (row["moved"] == "True"), before[1] + 1)
    return moved
