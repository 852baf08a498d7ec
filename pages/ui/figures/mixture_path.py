"""Mixture path: what validation said of every mixture of weights before and after fine-tuning, drawn and in words."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from engine.events import Mixture
from pages.ui import text
from pages.ui.figures import charts, palette
from pages.ui.figures.charts import Curve


def mixture_path(mixtures: Sequence[Mixture]) -> go.Figure:
    """Accuracy on the validation images over the share of the fine-tuned weights; the chosen point carries a star."""
    colour, points = palette.categorical()[0], tuple((one.share, one.accuracy) for one in mixtures)
    path = charts.line(Curve(name="validation images", colour=colour, points=points))
    chosen = [(one.share, one.accuracy) for one in mixtures if one.chosen]
    star = charts.symbols(chosen, "star", colour=colour).update(name="chosen", hoverinfo="skip")
    return go.Figure([path, star]).update_layout(
        height=280,
        hovermode="x unified",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        margin={"l": 0, "r": 8, "t": 34, "b": 0},
        xaxis={"title": "share of the fine-tuned weights", "tickformat": ".0%"},
        yaxis={"title": "accuracy", "tickformat": ".0%", "hoverformat": ".1%"},
    )


def mixtures_in_words(mixtures: Sequence[Mixture]) -> str:
    """What `mixture_path` shows, as a sentence."""
    chosen, before, after = next(one for one in mixtures if one.chosen), mixtures[0], mixtures[-1]
    return (
        f"With {text.percent(chosen.share)} of the fine-tuned weights {text.percent(chosen.accuracy)} of the "
        f"validation images are right; {text.percent(before.accuracy)} with the probe alone, "
        f"{text.percent(after.accuracy)} with the fine-tuned weights alone."
    )


def mixture_table(mixtures: Sequence[Mixture]) -> pd.DataFrame:
    """One row a mixture."""
    rows = [
        (text.percent(one.share), f"{one.loss:.3f}", text.percent(one.accuracy), "yes" * one.chosen) for one in mixtures
    ]
    return pd.DataFrame(rows, columns=["Fine-tuned share", "Log loss", "Accuracy", "Chosen"])
