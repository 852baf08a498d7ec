"""Kept figures of Monitor and Configure, built anew only when something drawn in them has changed: a figure takes as
long as the rest of its page.

Callers must not change them. Not here: what they look like (charts).
"""

from functools import lru_cache

import plotly.graph_objects as go
import streamlit as st

from engine.events import Epoch
from pages.ui.figures import charts
from pages.ui.figures.charts import Curve, Mark, Metric


def kept_learning_curves(
    epochs: tuple[Epoch, ...], metric: Metric, *, planned: int, marks: tuple[Mark, ...]
) -> go.Figure:
    """`charts.learning_curves`, kept."""
    return _learning_curves(epochs, metric, planned=planned, marks=marks, theme=st.context.theme.type)


@lru_cache(maxsize=64)
def kept_rates(curves: tuple[Curve, ...], epochs: int) -> go.Figure:
    """`charts.rates`, kept."""
    return charts.rates(curves, epochs)


@lru_cache(maxsize=64)
def _learning_curves(
    epochs: tuple[Epoch, ...], metric: Metric, *, planned: int, marks: tuple[Mark, ...], theme: str | None
) -> go.Figure:
    """The colours of a figure are those of the reader's theme."""
    return charts.learning_curves(epochs, metric, planned=planned, marks=marks)
