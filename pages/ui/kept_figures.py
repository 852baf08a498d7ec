"""Curves: the figures of Monitor and Configure, built anew only when something that is drawn in them has changed.

A page draws itself anew for every click, a figure takes as long to build as the rest of it. Not here: what they look
like (charts).
"""

from collections.abc import Sequence
from functools import lru_cache

import plotly.graph_objects as go
import streamlit as st

from pages.ui import charts
from pages.ui.charts import Curve, Metric, Rows

_Points = tuple[tuple[object, ...], ...]


def learning(rows: Rows, metric: Metric, *, epochs: int, marks: Sequence[tuple[float, str]] = ()) -> go.Figure:
    """`charts.learning_curves`, kept. Callers must not change the figure."""
    drawn = tuple(
        (row["epoch"], row.get(f"train_{metric}"), row.get(f"val_{metric}"), bool(row.get("best"))) for row in rows
    )
    return _learning(drawn, metric, epochs, tuple(marks), _theme())


def rates(curves: Sequence[Curve], epochs: int) -> go.Figure:
    """`charts.rates`, kept. Callers must not change the figure."""
    return _rates(
        tuple(
            (one.name, one.colour, one.dash, tuple((row["epoch"], row["rate"]) for row in one.rows)) for one in curves
        ),
        epochs,
    )


@lru_cache(maxsize=64)
def _learning(
    drawn: _Points, metric: Metric, epochs: int, marks: tuple[tuple[float, str], ...], theme: str
) -> go.Figure:
    names = ("epoch", f"train_{metric}", f"val_{metric}", "best")
    return charts.learning_curves(
        [dict(zip(names, row, strict=True)) for row in drawn], metric, epochs=epochs, marks=marks
    )


@lru_cache(maxsize=64)
def _rates(drawn: tuple[tuple[str, str, str, _Points], ...], epochs: int) -> go.Figure:
    curves = [
        Curve(name=name, colour=colour, dash=dash, rows=[{"epoch": epoch, "rate": rate} for epoch, rate in points])
        for name, colour, dash, points in drawn
    ]
    return charts.rates(curves, epochs)


def _theme() -> str:
    """The colours of a figure are those of the reader's theme."""
    return st.context.theme.type or "light"
