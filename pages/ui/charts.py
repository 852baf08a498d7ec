"""Charts: plotly figures of what a run did and will do, and the same in words for readers who see no figure.

Not here: where the numbers come from; every function takes plain rows and gives a figure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import plotly.graph_objects as go

from engine.data.dataset_records import SPLIT_NAMES
from pages.ui import palette, text

Metric = Literal["accuracy", "loss"]
Rows = Sequence[Mapping[str, object]]
CONFIG = {"displaylogo": False, "modeBarButtons": [["zoom2d", "pan2d", "resetScale2d", "toImage"]]}


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One run in an overlay."""

    name: str
    rows: Rows
    colour: str
    dash: str = "solid"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """An accuracy with the interval it is known to."""

    name: str
    colour: str
    value: float
    low: float
    high: float


def learning_curves(rows: Rows, metric: Metric, *, epochs: int, marks: Sequence[tuple[float, str]] = ()) -> go.Figure:
    """Training and validation `metric` per epoch; the epoch whose weights are kept carries a star. `marks`: (epoch,
    what happens)."""
    colours = palette.categorical()
    figure = go.Figure()
    for split, colour, dash in (("val", colours[0], "solid"), ("train", palette.muted(), "dot")):
        figure.add_trace(_line(SPLIT_NAMES[split], _points(rows, f"{split}_{metric}"), colour, dash))
    best = _best(rows)
    if best is not None and best.get(f"val_{metric}") is not None:
        figure.add_trace(_star(best, metric, colours[0]))
    for epoch, words in marks:
        _mark(figure, epoch, words)
    return _dressed(figure, metric, epochs)


def overlay(curves: Sequence[Curve], metric: Metric) -> go.Figure:
    """Validation `metric` of several runs, one colour each; `key` says which is whose, once for all figures."""
    figure = go.Figure()
    for curve in curves:
        figure.add_trace(_line(curve.name, _points(curve.rows, f"val_{metric}"), curve.colour, curve.dash))
    figure = _dressed(figure, metric, max((len(curve.rows) for curve in curves), default=1))
    return figure.update_layout(showlegend=False, margin_t=8)


def key(curves: Sequence[Curve]) -> str:
    """HTML for st.html: the colour and dash of every curve with its name."""
    css = {"solid": "solid", "dash": "dashed", "dot": "dotted"}
    marks = (
        f"<span style='display:inline-flex;align-items:center;gap:.45rem'>"
        f"<i style='width:1.6rem;border-top:3px {css[curve.dash]} {curve.colour}'></i>{_label(curve.name)}</span>"
        for curve in curves
    )
    return f"<div style='display:flex;flex-wrap:wrap;gap:.2rem 1.25rem;font-size:.875rem'>{''.join(marks)}</div>"


def rates(curves: Sequence[Curve], epochs: int) -> go.Figure:
    """The learning rate of the head that each strategy will use; rows of `epoch` and `rate`. `key` says which is
    whose."""
    figure = go.Figure()
    for curve in curves:
        figure.add_trace(_line(curve.name, _points(curve.rows, "rate"), curve.colour, curve.dash, markers=False))
    figure.update_layout(yaxis={"title": "learning rate", "tickformat": ".1e", "rangemode": "tozero", "nticks": 4})
    return _framed(figure, epochs, height=210, first=0.0).update_layout(showlegend=False, margin_t=8)


def intervals(estimates: Sequence[Estimate]) -> go.Figure:
    """Accuracies as points on a line with their 95 % intervals: bars that overlap may be the same."""
    figure = go.Figure()
    for row, estimate in enumerate(estimates):
        reach = {
            "array": [estimate.high - estimate.value],
            "arrayminus": [estimate.value - estimate.low],
            "thickness": 2,
            "width": 6,
        }
        figure.add_trace(
            go.Scatter(
                x=[estimate.value],
                y=[row],  # not the name: two runs may have one
                mode="markers",
                marker={"size": 11, "color": estimate.colour},
                error_x={"type": "data", "symmetric": False, "color": estimate.colour, **reach},
                hovertemplate=f"%{{x:.1%}} ({estimate.low:.1%} to {estimate.high:.1%})<extra></extra>",
            )
        )
    figure.update_layout(
        height=70 + 38 * len(estimates),
        margin={"l": 0, "r": 8, "t": 8, "b": 0},
        showlegend=False,
        xaxis={"tickformat": ".0%", "title": "accuracy"},
        yaxis={
            "tickvals": list(range(len(estimates))),
            "ticktext": [_label(estimate.name) for estimate in estimates],
            "range": [len(estimates) - 0.5, -0.5],
            "automargin": True,
            "zeroline": False,
        },
    )
    return figure


def range_test(points: Sequence[tuple[float, float]], suggestion: float | None) -> go.Figure:
    """Loss while the learning rate climbs, on a logarithmic axis, with the suggested rate marked. Points are (rate,
    loss)."""
    colours = palette.categorical()
    figure = go.Figure(_line("loss", points, colours[0], "solid", markers=False))
    if suggestion is not None:
        loss = min(points, key=lambda point: abs(point[0] - suggestion))[1]
        mark = {"symbol": "diamond", "size": 12, "color": colours[1], "line": {"width": 1, "color": palette.page()}}
        figure.add_trace(
            go.Scatter(x=[suggestion], y=[loss], name=f"suggested: {rate(suggestion)}", mode="markers", marker=mark)
        )
    return figure.update_layout(
        height=260,
        margin={"l": 0, "r": 8, "t": 34, "b": 0},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "title": {"text": ""}},
        showlegend=True,
        xaxis={"type": "log", "title": "learning rate", "exponentformat": "power", "dtick": 1},
        yaxis={"title": "loss", "nticks": 5},
    )


def rate(value: float) -> str:
    """A learning rate as people write it: `0.05`, `4.6e-4`."""
    return f"{value:.2g}" if value >= 1e-3 or not value else f"{value:.1e}".replace("e-0", "e-")


def curves_in_words(rows: Rows, metric: Metric) -> str:
    """What `learning_curves` shows, as a sentence."""
    if not rows:
        return f"No {metric} yet: no epoch has ended."
    last = rows[-1]
    said = (
        f"After epoch {last['epoch']} the {metric} is {_said(last.get(f'val_{metric}'), metric)} on validation images"
    )
    said += f" and {_said(last.get(f'train_{metric}'), metric)} on training images."
    best = _best(rows)
    return said if best is None else f"{said} The best epoch is {best['epoch']}."


def _points(rows: Rows, key: str) -> list[tuple[float, float]]:
    return [(float(str(row["epoch"])), float(str(row[key]))) for row in rows if row.get(key) is not None]


def _best(rows: Rows) -> Mapping[str, object] | None:
    """The last epoch that was the best so far."""
    return next((row for row in reversed(rows) if row.get("best")), None)


def _line(
    name: str, points: Sequence[tuple[float, float]], colour: str, dash: str, *, markers: bool = True
) -> go.Scatter:
    few = markers and len(points) <= 40
    return go.Scatter(
        x=[x for x, _ in points],
        y=[y for _, y in points],
        name=_label(name),
        mode="lines+markers" if few else "lines",
        line={"color": colour, "dash": dash, "width": 2},
        marker={"size": 6},
    )


def _star(row: Mapping[str, object], metric: Metric, colour: str) -> go.Scatter:
    return go.Scatter(
        x=[row["epoch"]],
        y=[row[f"val_{metric}"]],
        name="best",
        mode="markers",
        marker={"symbol": "star", "size": 13, "color": colour, "line": {"width": 1, "color": palette.page()}},
        hoverinfo="skip",
    )


def _mark(figure: go.Figure, x: float, words: str) -> None:
    """A dashed line with words along it, so that several stand side by side on a narrow screen."""
    grey = palette.muted()
    figure.add_vline(x=x, line={"color": grey, "dash": "dash", "width": 1})
    said = {
        "text": _label(words),
        "textangle": -90,
        "font": {"size": 11, "color": grey},
        "showarrow": False,
        "xshift": -1,
    }
    figure.add_annotation(x=x, y=0.02, yref="paper", xanchor="right", yanchor="bottom", **said)


def _dressed(figure: go.Figure, metric: Metric, epochs: int) -> go.Figure:
    accuracy = metric == "accuracy"
    figure.update_yaxes(tickformat=".0%" if accuracy else None, hoverformat=".1%" if accuracy else ".3f", nticks=6)
    return _framed(figure, epochs, height=280, first=1.0)


def _framed(figure: go.Figure, epochs: int, *, height: int, first: float) -> go.Figure:
    """The same frame for all: every epoch of the run from the start, so that the picture grows and does not jump."""
    room = max(0.03 * (epochs - first), 0.15) if first else 0
    ticks = {"dtick": 1} if epochs <= 10 else {"nticks": 8}
    figure.update_layout(
        height=height,
        margin={
            "l": 0,
            "r": 8,
            "t": 34,
            "b": 0,
        },  # room for the legend, also when a window grows and plotly forgets to ask for it
        hovermode="x unified",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "title": {"text": ""}},
        showlegend=True,
        xaxis={"title": "epoch", "range": [first - room, max(epochs, first + 1) + room], "tickformat": "d", **ticks},
    )
    return figure


def _label(name: str) -> str:
    """Plotly reads a few HTML tags in names; names of runs come from people."""
    return text.plotly(text.short(name, 48))


def _said(value: object, metric: Metric) -> str:
    if value is None:
        return "not measured"
    number = float(str(value))
    return text.percent(number) if metric == "accuracy" else f"{number:.3f}"
