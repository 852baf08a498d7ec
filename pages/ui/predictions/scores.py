"""Scores: how good a run is on one split, in words, as a table per class, and as a confusion matrix to click on.

Not here: computing them (engine.evaluation.metrics).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from engine.data.dataset_records import SPLIT_NAMES
from engine.evaluation.majority_baseline import guess_of
from engine.evaluation.metric_records import METRICS, Metrics, SplitMetrics, read_metrics
from pages.ui import text
from pages.ui.figures.matrix import Cell, matrix
from pages.ui.resources import kept_by_file

MATRIX_CLASSES = 40
NUMBERED_CLASSES = 20


def split_scores(folder: Path) -> Mapping[str, SplitMetrics]:
    """The scores of each split in a run's folder; none when it has no labelled images."""
    path = folder / METRICS
    return _metrics(path).splits if path.is_file() else {}


def accuracy_summary(scores: SplitMetrics, split: str) -> None:
    """The accuracy, how far to trust it, and the averages over classes."""
    with st.grid(4, min_column_width=150):
        for name, share in (
            (f"Accuracy, {SPLIT_NAMES[split]} images", scores.accuracy),
            ("Precision, mean of classes", scores.precision_macro),
            ("Recall, mean of classes", scores.recall_macro),
            ("F1, mean of classes", scores.f1_macro),
        ):
            st.metric(name, text.percent(share))
    right, low, high = round(scores.accuracy * scores.images), scores.accuracy_low, scores.accuracy_high
    st.markdown(
        f"Right for **{right:,} of {text.count(scores.images, 'image')}**. From so many, the accuracy on images like "
        f"these is **{text.percent(low, 0)}** to **{text.percent(high, 0)}** (95 % Wilson interval).{_guess(scores)}"
    )


def _guess(scores: SplitMetrics) -> str:
    guess = guess_of(scores)
    return f" Always saying *{text.md(guess.name)}* would be right for {text.percent(guess.share)}." if guess else ""


def class_table(scores: SplitMetrics) -> None:
    """Precision, recall and F1 per class, the weakest first."""
    rows = sorted(scores.per_class, key=lambda row: -1 if row.f1 is None else row.f1)
    helps = {
        "Precision": "Of the images called this, how many are.",
        "Recall": "Of the images that are this, how many were found.",
        "F1": "The harmonic mean of the two.",
    }
    shares = pd.DataFrame([(row.precision, row.recall, row.f1) for row in rows], columns=list(helps), dtype=float) * 100
    names, images = pd.Series([row.name for row in rows], name="Class"), [row.support for row in rows]
    columns = {
        name: st.column_config.ProgressColumn(help=help_, format="%.0f %%", min_value=0, max_value=100)
        for name, help_ in helps.items()
    }
    frame = pd.concat([names, shares], axis=1).assign(Images=images)
    st.dataframe(frame, hide_index=True, column_config=columns, height=min(38 + 35 * len(rows), 430))


def confusion_matrix(scores: SplitMetrics, classes: Sequence[str]) -> go.Figure:
    """Counts of (true class, predicted class), coloured by the share of the true class."""
    names = [text.plotly(name) for name in text.distinct(classes, 22)]
    side = max(18, min(72, 420 // len(classes)))

    def cell(truth: int, guess: int) -> Cell:
        row = scores.confusion[truth]
        return _cell(row[guess], sum(row), truth=names[truth], guess=names[guess])

    figure = matrix(len(names), cell, side=side, numbered=NUMBERED_CLASSES)
    figure.update_xaxes(title="predicted class", ticktext=names, tickangle=None)
    figure.update_yaxes(title="true class", ticktext=names)
    return figure.update_layout(height=130 + max(220, min(560, side * len(classes))))


def frequent_mistakes(scores: SplitMetrics, classes: Sequence[str], limit: int = 50) -> pd.DataFrame:
    """For when the matrix would be too large to read."""
    rows = [
        (count, classes[truth], classes[guess])
        for truth, row in enumerate(scores.confusion)
        for guess, count in enumerate(row)
        if count and truth != guess
    ]
    columns = ["Images", "True class", "Predicted class"]
    return pd.DataFrame(sorted(rows, key=lambda row: -row[0])[:limit], columns=columns)


def _cell(count: int, images: int, *, truth: str, guess: str) -> Cell:
    return Cell(
        share=count / max(images, 1),
        number=f"{count:,}" if count else "",
        hover=f"{count:,} of {images:,} images of<br><b>{truth}</b><br>called <b>{guess}</b>",
    )


@kept_by_file
def _metrics(path: Path) -> Metrics:
    return read_metrics(path.parent)
