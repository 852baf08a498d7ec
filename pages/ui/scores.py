"""Scores: how good a run is on one split, in words, as a table per class, and as a confusion matrix to click on.

Not here: computing them; they are read from the run's metrics.json.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from engine.data.dataset_records import SPLIT_NAMES
from pages.ui import text

if TYPE_CHECKING:  # the module computes with scikit-learn, which pages leave to the engine
    from engine.evaluation.metrics import SplitMetrics

MATRIX_CLASSES = 40
NUMBERED_CLASSES = 20


def read(folder: Path) -> "dict[str, SplitMetrics]":
    """The scores of each split in a run's folder; none when it has no labelled images."""
    path = folder / "metrics.json"
    return _read(str(path), path.stat().st_mtime_ns)["splits"] if path.is_file() else {}


def accuracy_in_words(scores: "SplitMetrics", split: str) -> None:
    """The accuracy as a person would say it, how far to trust it, and the averages over classes."""
    right, images = round(scores["accuracy"] * scores["images"]), scores["images"]
    with st.grid(4, min_column_width=150):
        st.metric(f"Accuracy, {SPLIT_NAMES.get(split, split)} images", text.percent(scores["accuracy"]))
        for name in ("precision", "recall", "f1"):
            st.metric(f"{name.capitalize()}, mean of classes", text.percent(scores[f"{name}_macro"]))  # type: ignore[literal-required]
    low, high = (text.percent(scores[f"accuracy_{end}"], 0) for end in ("low", "high"))  # type: ignore[literal-required]
    st.markdown(
        f"Right for **{right:,} of {text.count(images, 'image')}**. Judged by so many, the accuracy on images like "
        f"these "
        f"is likely to lie between **{low}** and **{high}** (95 % Wilson interval)."
    )


def class_table(scores: "SplitMetrics") -> None:
    """Precision, recall and F1 per class, the weakest first; a dash where nothing could be measured."""
    rows = sorted(scores["per_class"], key=lambda row: -1 if row["f1"] is None else row["f1"])
    frame = pd.DataFrame(
        {
            "Class": [row["class"] for row in rows],
            **{name.capitalize(): [_percent(row[name]) for row in rows] for name in ("precision", "recall", "f1")},
            "Images": [row["support"] for row in rows],
        }
    )
    bar = st.column_config.ProgressColumn
    columns = {
        "Precision": bar(help="Of the images called this, how many are.", format="%.0f %%", min_value=0, max_value=100),
        "Recall": bar(
            help="Of the images that are this, how many were found.", format="%.0f %%", min_value=0, max_value=100
        ),
        "F1": bar(help="The harmonic mean of the two.", format="%.0f %%", min_value=0, max_value=100),
    }
    st.dataframe(frame, hide_index=True, column_config=columns, height=min(38 + 35 * len(rows), 430))


def confusion(scores: "SplitMetrics", classes: Sequence[str]) -> go.Figure:
    """Counts of (true class, predicted class), coloured by the share of the true class."""
    counts = scores["confusion"]
    shares = [[value / max(sum(row), 1) for value in row] for row in counts]
    names = [text.plotly(name) for name in text.distinct(classes, 22)]
    surface, accent, ink, paper = _colours()
    side = max(18, min(72, 420 // len(classes)))
    ramp = [(0.0, surface), (1.0, accent)]
    heat = go.Heatmap(z=shares, colorscale=ramp, zmin=0, zmax=1, showscale=False, xgap=2, ygap=2, hoverinfo="skip")
    figure = go.Figure([heat, _clickable(counts, names, side)])
    if len(classes) <= NUMBERED_CLASSES:  # as annotations, which a click does not fade
        colour = [[paper if share > 0.55 else ink for share in row] for row in shares]
        numbers = [(t, g, value) for t, row in enumerate(counts) for g, value in enumerate(row) if value]
        figure.update_layout(
            annotations=[
                {"x": g, "y": t, "text": f"{n:,}", "showarrow": False, "font": {"color": colour[t][g]}}
                for t, g, n in numbers
            ]
        )
    axis = {
        "tickvals": list(range(len(classes))),
        "ticktext": names,
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
    }
    figure.update_xaxes(title="predicted class", side="top", **axis)
    figure.update_yaxes(title="true class", autorange="reversed", **axis)
    figure.update_layout(
        height=130 + max(220, min(560, side * len(classes))), margin={"l": 8, "r": 8, "t": 8, "b": 8}, dragmode=False
    )
    return figure


def confusions(scores: "SplitMetrics", classes: Sequence[str], limit: int = 50) -> pd.DataFrame:
    """The most frequent mistakes as a table, for when the matrix would be too large to read."""
    rows = [
        (count, classes[truth], classes[guess])
        for truth, row in enumerate(scores["confusion"])
        for guess, count in enumerate(row)
        if count and truth != guess
    ]
    return pd.DataFrame(
        sorted(rows, key=lambda row: -row[0])[:limit], columns=["Images", "True class", "Predicted class"]
    )


def _clickable(counts: list[list[int]], names: Sequence[str], side: int) -> go.Scatter:
    """Invisible squares over the heatmap, which itself answers no clicks; customdata is [true class, predicted
    class]."""
    cells = [(truth, guess) for truth in range(len(names)) for guess in range(len(names))]
    return go.Scatter(
        x=[guess for _, guess in cells],
        y=[truth for truth, _ in cells],
        mode="markers",
        marker={"symbol": "square", "size": side, "opacity": 0},
        customdata=[list(cell) for cell in cells],
        hovertext=[
            f"{counts[t][g]:,} of {sum(counts[t]):,} images of<br><b>{names[t]}</b><br>called <b>{names[g]}</b>"
            for t, g in cells
        ],
        hovertemplate="%{hovertext}<extra></extra>",
        unselected={"marker": {"opacity": 0}},
        selected={"marker": {"opacity": 0}},
        showlegend=False,
    )


def _colours() -> tuple[str, str, str, str]:
    """Surface, accent, text and page of the reader's theme; the page is redrawn when the theme changes."""
    theme = st.context.theme.type or "light"
    names = {
        "secondaryBackgroundColor": "#f2f6f9",
        "primaryColor": "#0f6fa8",
        "textColor": "#1c2a33",
        "backgroundColor": "#ffffff",
    }
    surface, accent, ink, paper = (
        st.get_option(f"theme.{theme}.{name}") or fallback for name, fallback in names.items()
    )
    return surface, accent, ink, paper


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


@st.cache_data(show_spinner=False, max_entries=16)
def _read(path: str, modified_ns: int) -> "dict[str, dict[str, SplitMetrics]]":
    return json.loads(Path(path).read_text(encoding="utf-8"))
