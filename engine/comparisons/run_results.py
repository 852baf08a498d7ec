"""Run results: on which images a run was right, and its scores, read from its folder and kept.

Pure reading, without torch. Not here: several runs together (judgement).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from engine.errors import EngineError
from engine.evaluation.clusters import Groups
from engine.evaluation.majority_baseline import MajorityBaseline, majority_baseline
from engine.evaluation.metric_records import METRICS, Metrics, SplitMetrics, read_metrics
from engine.store.run_record import Run
from engine.workspace import Workspace

Scores = Mapping[str, SplitMetrics]
_COLUMNS = frozenset(("image", "split", "label", "predict", "error", "group"))


@dataclass(frozen=True, kw_only=True)
class SplitCorrectness:
    """Of the labelled images of one split, in the order of their indices."""

    images: bytes
    """The indices in their dataset as int32."""
    correct: np.ndarray
    """Bool [images]."""
    baseline: MajorityBaseline | None
    groups: Groups | None
    """The number of the group of each image; None where none belongs to others."""


def correctness(workspace: Workspace, run: Run) -> Mapping[str, SplitCorrectness]:
    """Split -> where the run was right, from its predictions.csv; empty when there is none."""
    path = workspace.run(run.id) / "predictions.csv"
    try:
        stat = path.stat()
    except OSError:
        return {}
    return _correctness(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)
def _correctness(path: Path, modified_ns: int, size: int) -> Mapping[str, SplitCorrectness]:
    """Kept per content: a page asks again with every click. Only the few columns that say who was right are read."""
    table = pd.read_csv(path, usecols=_COLUMNS.__contains__, dtype="str", keep_default_na=False, encoding="utf-8")
    labelled = table[(table["label"] != "") & (table["error"] == "")]
    splits = {}
    for split, rows in labelled.groupby("split", sort=False):
        images = rows["image"].astype("int32").to_numpy()
        order = np.argsort(images, kind="stable")
        splits[str(split)] = SplitCorrectness(
            images=images[order].tobytes(),
            correct=(rows["label"] == rows["predict"]).to_numpy(dtype=np.bool_)[order],
            baseline=majority_baseline(Counter(rows["label"])),
            groups=_numbers(list(rows["group"].iloc[order])) if "group" in rows else None,
        )
    return splits


def _numbers(groups: Sequence[str]) -> Groups:
    """A number for each group; an image without one has its own."""
    known: dict[str, int] = {}
    return np.array([known.setdefault(group or f"\0{place}", len(known)) for place, group in enumerate(groups)])


def scores(workspace: Workspace, run: Run) -> Scores:
    """Split -> what metrics.json says of it; empty where there is none, or it cannot be read."""
    path = workspace.run(run.id) / METRICS
    try:
        stat = path.stat()
        return _metrics(path.parent, stat.st_mtime_ns, stat.st_size).splits
    except (OSError, EngineError, RecursionError):  # one damaged file must not hide the other runs
        return {}


@lru_cache(maxsize=256)
def _metrics(folder: Path, modified_ns: int, size: int) -> Metrics:
    return read_metrics(folder)
