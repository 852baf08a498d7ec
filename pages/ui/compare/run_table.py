"""Run table: runs side by side as tables and sentences.

Not here: tests on paired predictions; intervals alone say which differences are too small to believe.
"""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from engine.comparisons.comparison import without_seed
from engine.comparisons.run_results import Scores
from engine.config import differences, options
from engine.data.dataset_records import SPLIT_NAMES
from engine.evaluation.metric_records import SplitMetrics
from engine.options import Value
from engine.runconfig import RunConfig
from engine.store.run_record import Run
from pages.ui import forms, status, text
from pages.ui.figures.block_strip import amount
from pages.ui.strategies import title

NAME = 44
"""Letters of the name of a run in a table: more leave no room for what is said of it."""
_INTERVAL = "Accuracy and its 95 % interval, in which it is likely to lie."


def run_table(runs: Sequence[Run], scores: Mapping[str, Scores]) -> None:
    """The table of `run_rows`."""
    st.dataframe(
        run_rows(runs, scores),
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
        alt=f"{text.count(len(runs), 'run')} with strategy, accuracy and cost",
    )


def run_rows(runs: Sequence[Run], scores: Mapping[str, Scores]) -> pd.DataFrame:
    """One row a run. `scores` are by run id."""
    return pd.DataFrame(
        {"run": name, **_row(run, scores.get(run.id, {}))} for name, run in zip(_names(runs), runs, strict=True)
    )


def differing(runs: Sequence[Run]) -> pd.DataFrame:
    """One row for each option in which the runs differ, one column a run."""
    return differing_table({name: run.config for name, run in zip(_names(runs), runs, strict=True)})


def differing_table(configs: Mapping[str, RunConfig]) -> pd.DataFrame:
    """One row for each option in which these differ, one column each, under their names."""
    labels = {option.name: option.label for option in options()}
    rows = [
        [labels.get(name, name.capitalize()), *(value_in_words(name, value) for value in values)]
        for name, values in differences(list(configs.values())).items()
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


def accuracy_sentence(runs: Sequence[Run], scores: Mapping[str, Scores], split: str) -> str:
    """What the accuracies on `split` can and cannot tell apart; nothing unless two runs have one."""
    ranked = sorted(
        (
            (scores[run.id][split], name)
            for run, name in zip(runs, _names(runs), strict=True)
            if split in scores.get(run.id, {})
        ),
        key=lambda pair: -pair[0].accuracy,
    )
    if len(ranked) < 2:
        return ""
    (first, best), (second, next_best) = ranked[:2]
    reach = max((score.accuracy_high - score.accuracy_low) / 2 for score, _ in ranked)
    sentence = (
        f"On {text.count(first.images, f'{SPLIT_NAMES[split]} image')} an accuracy is known to about "
        f"±{100 * reach:.0f} percentage points; smaller differences are not shown to be real."
    )
    if split == "val":
        sentence += " They also chose the epoch of each run, so the accuracies flatter."
    gap, apart = first.accuracy - second.accuracy, first.accuracy_low > second.accuracy_high
    if gap == 0:
        sentence += f" {best} and {next_best} are level at {text.percent(first.accuracy)}: no difference shown."
    else:
        shown = "their intervals do not overlap" if apart else "no difference shown, their intervals overlap"
        sentence += f" {best} leads {next_best} by {100 * gap:.1f} points: {shown}."
    if len({without_seed(run.config) for run in runs}) == 1 < len({run.config.seed for run in runs}):
        sentence += " They differ in their seed alone: what is between them is luck, not a reason to prefer one."
    return sentence


def value_in_words(name: str, value: Value) -> str:
    """The value of an option as the form says it."""
    if not value and name in forms.AUTOMATIC:
        return forms.AUTOMATIC[name]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _names(runs: Sequence[Run]) -> list[str]:
    """As a table has room for."""
    return text.distinct(list(unique_names(runs).values()), NAME)


def _row(run: Run, scores: Scores) -> dict[str, object]:
    started, summary = run.started, run.summary
    accuracies = {split: _interval(score) for split, score in scores.items()}
    if "val" not in accuracies and summary and summary.val_accuracy is not None:
        accuracies["val"] = text.percent(summary.val_accuracy)
    return {
        "strategy": title(run.config.strategy),
        "backbone": run.config.backbone,
        "status": status.word(run.status, paused=run.paused),
        "epoch": summary.best_epoch if summary else None,
        "val": accuracies.get("val", "–"),
        "test": accuracies.get("test", "–"),
        "trains": f"{amount(started.trainable_parameters)} of {amount(started.total_parameters)}" if started else "–",
        "seconds": text.duration(summary.seconds) if summary else "–",
    }


def _interval(score: SplitMetrics) -> str:
    return f"{100 * score.accuracy:.1f} % ({100 * score.accuracy_low:.1f} to {100 * score.accuracy_high:.1f})"
