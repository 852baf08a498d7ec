"""Comparison: runs side by side as tables and sentences, from what each left in the store and in metrics.json.

Not here: tests on paired predictions; intervals alone say which differences are too small to believe.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from engine.comparisons.comparison import without_seed
from engine.config import differences, options
from engine.data.dataset_records import SPLIT_NAMES
from engine.options import Value
from engine.runconfig import RunConfig
from engine.store.run import Run
from engine.workspace import Workspace
from pages.ui import forms, status, text
from pages.ui.block_strip import amount
from pages.ui.strategies import title


@dataclass(frozen=True, kw_only=True)
class Score:
    """Accuracy of one split with its 95 % interval."""

    value: float
    low: float
    high: float
    images: int

    @property
    def words(self) -> str:
        return f"{100 * self.value:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f})"


NAME = 44
"""Letters of the name of a run in a table: more leave no room for what is said of it."""
_INTERVAL = "Accuracy and its 95 % interval, in which it is likely to lie."
Scores = Mapping[str, Score]


def scores(workspace: Workspace, run: Run) -> Scores:
    """Split -> Score, from the metrics the run wrote; empty while it has written none."""
    path = workspace.run(run.id) / "metrics.json"
    try:
        return _read(str(path), path.stat().st_mtime_ns)
    except OSError:
        return {}


@st.cache_data(show_spinner=False, max_entries=500)
def _read(path: str, changed_ns: int) -> dict[str, Score]:
    """What of the file has the shape of a score; a damaged file must not take the other runs with it."""
    try:
        splits = json.loads(Path(path).read_text()).get("splits") or {}
        known = {str(split): _score(about) for split, about in splits.items()}
    except (ValueError, AttributeError, RecursionError):
        return {}
    return {split: score for split, score in known.items() if score is not None}


def _score(about: object) -> Score | None:
    names = ("accuracy", "accuracy_low", "accuracy_high", "images")
    numbers = [about.get(name) for name in names] if isinstance(about, dict) else [None]
    if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
        return None
    value, low, high, images = (float(number) for number in numbers)  # type: ignore[arg-type]
    return Score(value=value, low=low, high=high, images=int(images))


def table(runs: Sequence[Run], scored: Mapping[str, Scores]) -> pd.DataFrame:
    """One row a run."""
    names = unique_names(runs)
    shown = text.distinct([names[run.id] for run in runs], NAME)
    return pd.DataFrame(
        [{"run": name, **_row(run, scored.get(run.id, {}))} for name, run in zip(shown, runs, strict=True)]
    )


def show(frame: pd.DataFrame) -> None:
    st.dataframe(
        frame,
        hide_index=True,
        placeholder="–",
        column_config={
            "run": st.column_config.TextColumn("Run", pinned=True),
            "strategy": "Strategy",
            "backbone": "Backbone",
            "status": "Status",
            "epoch": st.column_config.NumberColumn("Best epoch"),
            "val": st.column_config.TextColumn("Validation (95 %)", help=_INTERVAL),
            "test": st.column_config.TextColumn("Test (95 %)", help=_INTERVAL),
            "trains": st.column_config.TextColumn("Trains", help="Parameters that train, and their share."),
            "seconds": st.column_config.TextColumn("Training time"),
        },
        alt=f"{text.count(len(frame), 'run')} with strategy, accuracy and cost",
    )


def differing(runs: Sequence[Run]) -> pd.DataFrame:
    """One row for each option in which the runs differ, one column a run."""
    names = unique_names(runs)
    shown = text.distinct([names[run.id] for run in runs], NAME)
    return differing_table({name: run.config for name, run in zip(shown, runs, strict=True)})


def differing_table(configs: Mapping[str, RunConfig]) -> pd.DataFrame:
    """One row for each option in which these differ, one column each, under their names."""
    labels = {about.name: about.label for about in options()}
    found = differences(list(configs.values()))
    rows = [
        [labels.get(name, name.capitalize()), *(said(name, value) for value in values)]
        for name, values in found.items()
    ]
    first = "option"
    while first in configs:  # a run may be called that, and a table shows no two columns of one name
        first += " "
    return pd.DataFrame(rows, columns=[first, *configs])


def unique_names(runs: Sequence[Run]) -> dict[str, str]:
    """Run id -> a name that no other of these runs has."""
    names = [text.plain(run.name) for run in runs]
    return {
        run.id: name if names.count(name) == 1 else f"{name} ({run.id[-4:]})"
        for run, name in zip(runs, names, strict=True)
    }


def verdict(runs: Sequence[Run], scored: Mapping[str, Scores], split: str = "test") -> str:
    """What the accuracies on `split` can and cannot tell apart, in words."""
    ranked = sorted(
        (
            (scored[run.id][split], name)
            for run, name in zip(runs, text.distinct(list(unique_names(runs).values()), NAME), strict=True)
            if split in scored.get(run.id, {})
        ),
        key=lambda pair: -pair[0].value,
    )
    if len(ranked) < 2:
        return ""
    (first, best), (second, next_best) = ranked[:2]
    reach = max((score.high - score.low) / 2 for score, _ in ranked)
    gap, images = first.value - second.value, text.count(first.images, f"{SPLIT_NAMES.get(split, split)} image")
    known = (
        f"On {images} an accuracy is known to about ±{100 * reach:.0f} percentage points; smaller differences "
        f"are not shown to be real."
    )
    if split == "val":
        known += " They also chose the epoch of each run, so the accuracies flatter."
    if gap == 0:
        return (
            f"{known} {best} and {next_best} are level at {text.percent(first.value)}: no difference "
            f"shown.{_luck(runs)}"
        )
    apart = (
        "their intervals do not overlap" if first.low > second.high else "no difference shown, their intervals overlap"
    )
    return f"{known} {best} leads {next_best} by {100 * gap:.1f} points: {apart}.{_luck(runs)}"


def _luck(runs: Sequence[Run]) -> str:
    """What to think of runs that differ in nothing but their seed."""
    alike = len({without_seed(run.config) for run in runs}) == 1 < len({run.config.seed for run in runs})
    return (
        " They differ in their seed alone: what is between them is luck, not a reason to prefer one." if alike else ""
    )


def said(name: str, value: Value) -> str:
    """The value of an option as the form says it."""
    return (
        forms.AUTOMATIC[name]
        if not value and name in forms.AUTOMATIC
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _row(run: Run, scored: Scores) -> dict[str, object]:
    started, summary = run.started, run.summary
    validation = summary.val_accuracy if summary else None
    return {
        "strategy": title(run.config.strategy),
        "backbone": run.config.backbone,
        "status": status.word(run.status, paused=run.paused),
        "epoch": summary.best_epoch if summary else None,
        "val": scored["val"].words if "val" in scored else text.percent(validation) if validation is not None else "–",
        "test": scored["test"].words if "test" in scored else "–",
        "trains": f"{amount(started.trainable_parameters)} of {amount(started.total_parameters)}" if started else "–",
        "seconds": text.duration(summary.seconds) if summary else "–",
    }
