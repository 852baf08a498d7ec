"""Reliability: whether a run's confidence can be taken at its word: the diagram, its error, and a sentence on each.

Not here: the counting (engine.evaluation.calibration), which is loaded when this is first looked at.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from engine.data.dataset_records import SPLIT_NAMES
from engine.evaluation.predictions import PREFIX, classes_of
from engine.store.run import Run
from pages.ui import palette, text
from pages.ui.predictions.row_selection import prediction_table
from pages.ui.resources import workspace

if TYPE_CHECKING:
    from engine.evaluation.calibration import CalibrationError, ReliabilityBin

LEAST = 20
HOPELESS = 20.0
"""A temperature from which on every class is said to be about equally probable."""


def reliability(run: Run) -> None:
    """The diagram of one split, its error beside what chance alone would show, and the temperature that would mend
    it."""
    path = workspace().run(run.id) / "predictions.csv"
    table = prediction_table(path)
    images = {split: len(_labelled(table, split)) for split in ("test", "val")}
    present = [split for split in images if images[split] >= LEAST]
    if not present:
        st.info(
            f"Whether confidence can be trusted is judged from at least {LEAST} validation or test images; this run "
            "has fewer."
        )
        return
    split = st.segmented_control(
        "Judged on",
        present,
        format_func=lambda name: f"{SPLIT_NAMES[name].capitalize()} images",
        default=present[0],
        key=f"{run.id}_reliability_split",
        required=True,
    )
    bins, error, temperature = _calibration(str(path), path.stat().st_mtime_ns, split)
    st.markdown(calibration_sentence(error, images[split]))
    picture, words = st.columns([3, 2], gap="large")
    with picture:
        config, alt = {"displayModeBar": False}, diagram_in_words(bins)
        st.plotly_chart(reliability_diagram(bins), key=f"{run.id}_reliability", config=config, alt=alt)
    with words:
        _bin_table(bins)
        if temperature is not None:
            st.markdown(temperature_advice(temperature))


def calibration_sentence(error: "CalibrationError", images: int) -> str:
    """How far confidence and accuracy lie apart, and whether that is more than chance."""
    off, low, high = text.percent(error.error), text.percent(error.low), text.percent(error.high)
    said = f"Confidence and accuracy differ by **{off}** on average (expected calibration error)."
    judged = (
        "this one **cannot be taken at its word**"
        if error.miscalibrated
        else "nothing here speaks against taking it at its word"
    )
    band = (
        f"On {text.count(images, 'image')}, a model whose confidence is exactly right shows {low} to {high} by chance"
    )
    return f"{said} {band}, so {judged}."


def temperature_advice(temperature: float) -> str:
    """What the temperature of the validation images says."""
    if 0.9 <= temperature <= 1.1:
        return f"The validation images suggest a temperature of **{temperature:.2f}**: nothing to mend."
    if temperature >= HOPELESS:
        return (
            "No temperature makes this confidence fit the validation images: the model says hardly more than chance "
            "about them. "
            "Train it longer, or from better weights, before its confidence is looked at."
        )
    way = "too sure" if temperature > 1 else "not sure enough"
    return (
        f"The validation images suggest a temperature of **{temperature:.2f}**: the model is {way}. "
        "Dividing its logits by that changes no prediction, only how sure it says it is."
    )


def diagram_in_words(bins: "tuple[ReliabilityBin, ...]") -> str:
    """The diagram for those who do not see it."""
    rows = [f"{text.percent(one.confidence, 0)} sure, {text.percent(one.accuracy, 0)} right" for one in bins]
    return f"Reliability diagram: {'; '.join(rows)}."


def reliability_diagram(bins: "tuple[ReliabilityBin, ...]") -> go.Figure:
    """Accuracy with its 95 % Wilson interval over confidence; what is exactly right lies on the dashed line."""
    accent, grey = palette.categorical()[0], palette.muted()
    right, sure = [one.accuracy for one in bins], [one.confidence for one in bins]
    reach = {
        "array": [one.accuracy_high - one.accuracy for one in bins],
        "arrayminus": [one.accuracy - one.accuracy_low for one in bins],
    }
    figure = go.Figure()
    line = {"color": grey, "dash": "dash", "width": 1}
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=line, hoverinfo="skip", showlegend=False)
    said = [
        f"{one.images:,} images, {text.percent(one.lowest, 0)} to {text.percent(one.highest, 0)} sure<br>"
        f"{text.percent(one.accuracy)} right ({text.percent(one.accuracy_low, 0)} to "
        f"{text.percent(one.accuracy_high, 0)})"
        for one in bins
    ]
    figure.add_scatter(
        x=sure,
        y=right,
        error_y={"type": "data", "symmetric": False, "thickness": 2, "width": 5, **reach},
        mode="markers+lines",
        marker={"size": 10, "color": accent},
        line={"color": accent, "width": 1},
        hovertext=said,
        hovertemplate="%{hovertext}<extra></extra>",
        showlegend=False,
    )
    start = max(0.0, min([*sure, *(one.accuracy_low for one in bins)]) - 0.05)
    axis = {"range": [start, 1.02], "tickformat": ".0%", "fixedrange": True, "nticks": 7}
    figure.update_xaxes(title="confidence", **axis)
    figure.update_yaxes(title="accuracy", **axis)
    figure.update_layout(height=340, margin={"l": 0, "r": 8, "t": 8, "b": 0}, dragmode=False)
    return figure


def _bin_table(bins: "tuple[ReliabilityBin, ...]") -> None:
    digits = 0 if all(one.highest - one.lowest >= 0.02 for one in bins) else 1
    rows = {
        "Confidence": [f"{100 * one.lowest:.{digits}f} – {text.percent(one.highest, digits)}" for one in bins],
        "Right": [text.percent(one.accuracy, 0) for one in bins],
        "95 % interval": [f"{100 * one.accuracy_low:.0f} – {text.percent(one.accuracy_high, 0)}" for one in bins],
        "Images": [one.images for one in bins],
    }
    st.dataframe(pd.DataFrame(rows), hide_index=True)


@st.cache_data(show_spinner=False, max_entries=16)
def _calibration(
    path: str, modified_ns: int, split: str
) -> "tuple[tuple[ReliabilityBin, ...], CalibrationError, float | None]":
    from engine.evaluation import calibration  # scipy: only for whoever looks

    table = prediction_table(Path(path))
    validation, answers = _labelled(table, "val"), _probabilities_and_targets(_labelled(table, split))
    enough = len(validation) >= LEAST
    temperature = calibration.fit_temperature(*_probabilities_and_targets(validation)) if enough else None
    return calibration.reliability(*answers), calibration.expected_calibration_error(*answers), temperature


def _labelled(table: pd.DataFrame, split: str) -> pd.DataFrame:
    return table[(table["split"] == split) & (table["error"] == "") & (table["label"] != "")]


def _probabilities_and_targets(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Float64 [images, classes] and the number of the true class [images]."""
    classes = classes_of(rows)
    number = {name: place for place, name in enumerate(classes)}
    probabilities = rows[[PREFIX + name for name in classes]].to_numpy(dtype=np.float64)
    return probabilities, np.array([number[name] for name in rows["label"]])
