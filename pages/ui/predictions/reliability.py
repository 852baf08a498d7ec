"""Reliability: whether a run's confidence can be taken at its word: the diagram, its error, and advice.

Not here: the counting (engine.evaluation.calibration), which is loaded when this is first looked at.
"""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from engine.data.dataset_records import SPLIT_NAMES
from engine.evaluation.predictions import PREFIX, classes_of
from engine.store.run_record import Run
from pages.ui import text
from pages.ui.figures import palette
from pages.ui.predictions.predicted_images import prediction_table
from pages.ui.resources import workspace

if TYPE_CHECKING:
    from engine.evaluation.calibration import CalibrationError, ReliabilityBin

LEAST = 20
HOPELESS = 20.0
"""A temperature from which on every class is said to be about equally probable."""


def reliability(run: Run) -> None:
    """The diagram of one split, its error beside what chance would show, and the temperature that would mend it."""
    path = workspace().run(run.id) / "predictions.csv"
    table = prediction_table(path)
    images = {split: len(_labelled(table, split)) for split in ("test", "val")}
    present = [split for split in images if images[split] >= LEAST]
    if not present:
        st.info(f"Judging confidence takes at least {LEAST} validation or test images; this run has fewer.")
        return
    split = st.segmented_control(
        "Judged on",
        present,
        format_func=lambda name: f"{SPLIT_NAMES[name].capitalize()} images",
        default=present[0],
        key=f"{run.id}_reliability_split",
        required=True,
    )
    bins, error, temperature = _calibration(path, path.stat().st_mtime_ns, split)
    st.markdown(calibration_sentence(error, images[split]))
    diagram, words = st.columns([3, 2], gap="large")
    config, alt = {"displayModeBar": False}, diagram_in_words(bins)
    diagram.plotly_chart(reliability_diagram(bins), key=f"{run.id}_reliability", config=config, alt=alt)
    with words:
        st.dataframe(_bin_table(bins), hide_index=True)
        if temperature is not None:
            st.markdown(temperature_advice(temperature))


def calibration_sentence(error: "CalibrationError", images: int) -> str:
    """How far confidence and accuracy lie apart, and whether that is more than chance."""
    off, low, high = text.percent(error.error), text.percent(error.low), text.percent(error.high)
    verdict = "this one **cannot be taken at its word**"
    if not error.miscalibrated:
        verdict = "nothing here speaks against taking it at its word"
    return (
        f"Confidence and accuracy differ by **{off}** on average (expected calibration error). On "
        f"{text.count(images, 'image')}, a model whose confidence is exactly right shows {low} to {high} by chance, so "
        f"{verdict}."
    )


def temperature_advice(temperature: float) -> str:
    """What the temperature of the validation images says."""
    if temperature >= HOPELESS:
        return (
            "No temperature makes this confidence fit the validation images: the model says hardly more than chance "
            "about them. Train it longer, or from better weights, before its confidence is looked at."
        )
    suggestion = f"The validation images suggest a temperature of **{temperature:.2f}**:"
    if 0.9 <= temperature <= 1.1:
        return f"{suggestion} nothing to mend."
    way = "too sure" if temperature > 1 else "not sure enough"
    return f"{suggestion} the model is {way}. Dividing its logits by that changes no prediction, only the confidence."


def diagram_in_words(bins: "tuple[ReliabilityBin, ...]") -> str:
    """The diagram for those who do not see it."""
    points = "; ".join(f"{text.percent(b.confidence, 0)} sure, {text.percent(b.accuracy, 0)} right" for b in bins)
    return f"Reliability diagram: {points}."


def reliability_diagram(bins: "tuple[ReliabilityBin, ...]") -> go.Figure:
    """Accuracy with its 95 % Wilson interval over confidence; what is exactly right lies on the dashed line."""
    accent, grey = palette.categorical()[0], palette.muted()
    figure = go.Figure(layout={"height": 340, "margin": {"l": 0, "r": 8, "t": 8, "b": 0}, "dragmode": False})
    line = {"color": grey, "dash": "dash", "width": 1}
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=line, hoverinfo="skip", showlegend=False)
    above, below = [b.accuracy_high - b.accuracy for b in bins], [b.accuracy - b.accuracy_low for b in bins]
    figure.add_scatter(
        x=[b.confidence for b in bins],
        y=[b.accuracy for b in bins],
        error_y={"symmetric": False, "array": above, "arrayminus": below, "thickness": 2, "width": 5},
        mode="markers+lines",
        marker={"size": 10, "color": accent},
        line={"color": accent, "width": 1},
        hovertext=[
            f"{text.count(b.images, 'image')}, {text.percent(b.lowest, 0)} to {text.percent(b.highest, 0)} sure<br>"
            f"{text.percent(b.accuracy)} right "
            f"({text.percent(b.accuracy_low, 0)} to {text.percent(b.accuracy_high, 0)})"
            for b in bins
        ],
        hovertemplate="%{hovertext}<extra></extra>",
        showlegend=False,
    )
    start = max(0.0, min(min(b.confidence, b.accuracy_low) for b in bins) - 0.05)
    axis = {"range": [start, 1.02], "tickformat": ".0%", "fixedrange": True, "nticks": 7}
    return figure.update_xaxes(title="confidence", **axis).update_yaxes(title="accuracy", **axis)


def _bin_table(bins: "tuple[ReliabilityBin, ...]") -> pd.DataFrame:
    digits = 0 if all(b.highest - b.lowest >= 0.02 for b in bins) else 1
    return pd.DataFrame(
        {
            "Confidence": [f"{100 * b.lowest:.{digits}f} – {text.percent(b.highest, digits)}" for b in bins],
            "Right": [text.percent(b.accuracy, 0) for b in bins],
            "95 % interval": [f"{100 * b.accuracy_low:.0f} – {text.percent(b.accuracy_high, 0)}" for b in bins],
            "Images": [b.images for b in bins],
        }
    )


@lru_cache(maxsize=16)
def _calibration(
    path: Path, modified_ns: int, split: str
) -> "tuple[tuple[ReliabilityBin, ...], CalibrationError, float | None]":
    from engine.evaluation import calibration  # scipy: only for whoever looks

    table = prediction_table(path)
    validation, answers = _labelled(table, "val"), _probabilities_and_targets(_labelled(table, split))
    enough = len(validation) >= LEAST
    temperature = calibration.fit_temperature(*_probabilities_and_targets(validation)) if enough else None
    return calibration.reliability(*answers), calibration.expected_calibration_error(*answers), temperature


def _labelled(table: pd.DataFrame, split: str) -> pd.DataFrame:
    return table[(table["split"] == split) & (table["error"] == "") & (table["label"] != "")]


def _probabilities_and_targets(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Float64 [images, classes] and the number of the true class [images]."""
    classes = classes_of(rows)
    probabilities = rows[[PREFIX + name for name in classes]].to_numpy(dtype=np.float64)
    return probabilities, pd.Index(classes).get_indexer(rows["label"])
