"""Filters: the widgets above a gallery of predictions, and how a cell of the confusion matrix sets them.

Not here: applying them (predicted_images).
"""

from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.data.dataset_records import SPLIT_NAMES
from engine.evaluation.metric_records import SplitMetrics
from pages.ui.predictions.predicted_images import ORDERS, OUTCOMES, Selection
from pages.ui.predictions.scores import confusion_matrix

SPLITS = {"unseen": "Validation and test"} | {
    split: SPLIT_NAMES[split].capitalize() for split in ("val", "test", "train")
}
_UNSEEN = ("val", "test")


def confusion_chart(scores: SplitMetrics, split: str, classes: Sequence[str], *, key: str) -> None:
    """Of one split; a click on a cell shows its images in the gallery with the same `key`."""
    st.plotly_chart(
        confusion_matrix(scores, classes),
        key=f"{key}_cell_{split}",
        on_select=partial(_show_cell, tuple(classes), split, key),
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"Confusion matrix of the {SPLIT_NAMES[split]} images.",
    )
    st.caption("Click a cell to see its images below.")


def filters(table: pd.DataFrame, classes: Sequence[str], *, key: str) -> tuple[Selection, str]:
    """What to show and in which order. New images have no split, and mostly nobody knows what they are."""
    known = bool((table["label"] != "").any())
    first, second = st.columns([1.8, 1.1, 1.1]) if known else st.columns(3), st.columns(3)
    splits = _splits(first[0], table, key)
    outcome, truth = "All", None
    if known:
        # Not a default of the widget: a click on the matrix sets it, and a widget may not have both.
        st.session_state.setdefault(f"{key}_outcome", "All")
        outcome = first[1].segmented_control("Right or wrong", OUTCOMES, key=f"{key}_outcome", required=True) or "All"
        truth = second[0].selectbox("True class", classes, index=None, placeholder="All", key=f"{key}_truth")
    order = (first[2] if known else second[0]).selectbox("Order", ORDERS if known else ORDERS[1:], key=f"{key}_order")
    guess = second[1].selectbox("Predicted class", classes, index=None, placeholder="All", key=f"{key}_guess")
    low, high = second[2].slider("Confidence, in percent", 0, 100, (0, 100), key=f"{key}_confidence")
    return Selection(splits=splits, truth=truth, guess=guess, outcome=outcome, low=low / 100, high=high / 100), order


def _splits(place: DeltaGenerator, table: pd.DataFrame, key: str) -> tuple[str, ...]:
    """None to choose from means all rows. Training images only on request: the run has learnt from them."""
    there = set(table["split"])
    present = [name for name in SPLITS if name in there or (name == "unseen" and there.intersection(_UNSEEN))]
    if not present:
        return ()
    st.session_state.setdefault(f"{key}_split", present[0])
    part = place.segmented_control("Images", present, format_func=SPLITS.__getitem__, key=f"{key}_split", required=True)
    return _UNSEEN if part in (None, "unseen") else (part,)


def _show_cell(classes: tuple[str, ...], split: str, key: str) -> None:
    """A cell was clicked: filter by it. A click beside the cells takes the filter away."""
    points = st.session_state[f"{key}_cell_{split}"]["selection"]["points"]
    truth, guess = points[0]["customdata"] if points else (None, None)
    for name, value in {
        "truth": None if truth is None else classes[truth],
        "guess": None if guess is None else classes[guess],
        "split": split if points else "unseen",
        "outcome": "All",
    }.items():
        st.session_state[f"{key}_{name}"] = value
