"""Metric records: what metrics.json says of a run, as typed records that load without scikit-learn.

Not here: computing them (metrics).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from engine import record_files

METRICS = "metrics.json"


class ClassMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """One class. Precision is None when it was never predicted, recall and F1 without images: nothing was measured."""

    name: str = msgspec.field(name="class")
    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    """Images of the class."""


@dataclass(frozen=True, kw_only=True)
class SplitMetrics:
    """One split. Macro averages are over the classes that have images in it; accuracy_low and _high bound 95 %
    (Wilson)."""

    images: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    precision_macro: float
    recall_macro: float
    f1_macro: float
    precision_weighted: float
    recall_weighted: float
    f1_weighted: float
    log_loss: float
    per_class: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Rows are the truth, columns the prediction, both in the order of the classes."""


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """All splits that have labelled images, by name."""

    splits: Mapping[str, SplitMetrics]


def write_metrics(folder: Path, metrics: Metrics) -> None:
    record_files.write(folder / METRICS, metrics)


def read_metrics(folder: Path) -> Metrics:
    """What a run's folder holds; FileNotFoundError where it has no metrics."""
    return record_files.read(folder / METRICS, Metrics)
