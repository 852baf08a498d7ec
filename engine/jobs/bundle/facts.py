"""Facts of a run for its model card, from the files the run left and its row in the list of runs.

Not here: their wording (card), where the weights came from (models.provenance).
"""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from engine.data.dataset_records import SPLITS
from engine.evaluation.metric_records import SplitMetrics, read_metrics
from engine.jobs.trained import Trained
from engine.models.provenance import Provenance
from engine.runs.run_files import Origin
from engine.store.run_record import Run


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything a card says."""

    run: Run
    origin: Origin
    classes: Sequence[str]
    counts: Mapping[str, Sequence[int]]
    """Images of each class, by split."""
    metrics: Mapping[str, SplitMetrics]
    """By split."""
    moved: Mapping[str, tuple[int, int]]
    """Block -> (tensors that moved, tensors)."""
    weights: Provenance
    checks: Sequence[str]


def facts_of(trained: Trained, table: pd.DataFrame, *, weights: Provenance, checks: Sequence[str]) -> Facts:
    """`table`: the predictions of the run."""
    return Facts(
        run=trained.run,
        origin=trained.origin,
        classes=trained.classes,
        counts=_counts(table, trained.classes),
        metrics=read_metrics(trained.folder).splits,
        moved=_moved(trained.folder / "audit.csv"),
        weights=weights,
        checks=checks,
    )


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
