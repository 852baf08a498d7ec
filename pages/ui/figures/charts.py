"""Charts: plotly figures of what a run did and will do, and the same in words.

Not here: where the numbers come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import plotly.graph_objects as go

from engine.data.dataset_records import SPLIT_NAMES
from engine.events import Epoch
from pages.ui import text
from pages.ui.figures import palette

Metric = Literal["accuracy", "loss"]
Split = Literal["train", "val"]
SPLITS: tuple[Split, Split] = ("val", "train")
METRICS: tuple[Metric, Metric] = ("accuracy", "loss")
Point = tuple[float, float]
Mark = tuple[float, str]
"""An epoch and what happens there."""
_LEGEND = {
    "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "title": {"text": ""}},
    "showlegend": True,
    # with room for the legend, also when a window grows and plotly forgets to ask for it
    "margin": {"l": 0, "r": 8, "t": 34, "b": 0},
}
VALUE_AXES: dict[Metric, dict[str, object]] = {
    "accuracy": {"tickformat": ".0%", "hoverformat": ".1%", "nticks": 6},
    "loss": {"tickformat": None, "hoverformat": ".3f", "nticks": 6},
}
CONFIG = {"displaylogo": False, "modeBarButtons": [["zoom2d", "pan2d", "resetScale2d", "toImage"]]}


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line among several."""

    name: str
    colour: str
    dash: str = "solid"
    points: tuple[Point, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """An accuracy with the interval it is known to."""

    name: str
    colour: str
    value: float
    low: float
    high: float


def learning_curves(epochs: Sequence[Epoch], metric: Metric, *, planned: int, marks: Sequence[Mark] = ()) -> go.Figure:
    """Training and validation `metric` per epoch; the epoch whose weights are kept carries a star."""
    colour = palette.categorical()[0]
    styles: dict[Split, tuple[str, str]] = {"val": (colour, "solid"), "train": (palette.muted(), "dot")}
    figure = go.Figure(
        [
            line(Curve(name=SPLIT_NAMES[split], colour=colour, dash=dash, points=points(epochs, metric, split)))
            for split, (colour, dash) in styles.items()
        ]
    )
    best = _best(epochs)
    if best is not None and (score := best.score("val", metric)) is not None:
        figure.add_trace(symbols([(best.epoch, score)], "star", colour=colour).update(name="best", hoverinfo="skip"))
    for epoch, words in marks:
        _mark(figure, epoch, words)
    return _dressed(figure, metric, planned)


def overlay(curves: Sequence[Curve], metric: Metric) -> go.Figure:
    """Validation `metric` of several runs, one colour each; `key` says which is whose, once for all figures."""
    figure = go.Figure([line(curve) for curve in curves])
    figure = _dressed(figure, metric, int(max((curve.points[-1][0] for curve in curves if curve.points), default=1)))
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
    """The learning rate of the head that each strategy will use, over epochs. `key` says which is whose."""
    figure = go.Figure([line(curve, markers=False) for curve in curves])
    figure.update_layout(yaxis={"title": "learning rate", "tickformat": ".1e", "rangemode": "tozero", "nticks": 4})
    return _framed(figure, epochs, height=210, first=0.0).update_layout(showlegend=False, margin_t=8)


def intervals(estimates: Sequence[Estimate]) -> go.Figure:
    """Accuracies as points on a line with their 95 % intervals: bars that overlap may be the same."""
    figure = go.Figure(
        [
            go.Scatter(
                x=[estimate.value],
                y=[row],  # not the name: two runs may have one
                mode="markers",
                marker={"size": 11, "color": estimate.colour},
                error_x=error_bars([(estimate.low, estimate.value, estimate.high)], estimate.colour),
                hovertemplate=f"%{{x:.1%}} ({estimate.low:.1%} to {estimate.high:.1%})<extra></extra>",
            )
            for row, estimate in enumerate(estimates)
        ]
    )
    return figure.update_layout(
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


def error_bars(bounds: Sequence[tuple[float, float, float]], colour: str) -> dict[str, object]:
    """What plotly draws around points: from low to high of every (low, value, high)."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - value for _, value, high in bounds],
        "arrayminus": [value - low for low, value, _ in bounds],
        "color": colour,
        "thickness": 1.5,
        "width": 5,
    }


def range_test(points: Sequence[Point], suggestion: float | None) -> go.Figure:
    """Points (rate, loss) while the learning rate climbs, on a logarithmic axis, with the suggested rate marked."""
    colours = palette.categorical()
    figure = go.Figure(line(Curve(name="loss", colour=colours[0], points=tuple(points)), markers=False))
    if suggestion is not None:
        loss = min(points, key=lambda point: abs(point[0] - suggestion))[1]
        marker = symbols([(suggestion, loss)], "diamond", colour=colours[1])
        figure.add_trace(marker.update(name=f"suggested: {rate(suggestion)}"))
    return figure.update_layout(
        height=260,
        **_LEGEND,
        xaxis={"type": "log", "title": "learning rate", "exponentformat": "power", "dtick": 1},
        yaxis={"title": "loss", "nticks": 5},
    )


def rate(value: float) -> str:
    """A learning rate as people write it: `0.05`, `4.6e-4`."""
    return f"{value:.2g}" if value >= 1e-3 or not value else f"{value:.1e}".replace("e-0", "e-")


def curves_in_words(epochs: Sequence[Epoch], metric: Metric) -> str:
    """What `learning_curves` shows, as a sentence."""
    if not epochs:
        return f"No {metric} yet: no epoch has ended."
    last, best = epochs[-1], _best(epochs)
    said = f"After epoch {last.epoch} the {_scores(last, metric)}"
    return said if best is None else f"{said} The best epoch is {best.epoch}."


def scores_in_words(epoch: Epoch, metric: Metric) -> str:
    """What one epoch came to, where there is no other to tell it from."""
    return f"The {_scores(epoch, metric)}"


def _scores(epoch: Epoch, metric: Metric) -> str:
    val, train = (score(epoch.score(split, metric), metric) for split in SPLITS)
    return f"{metric} is {val} on validation images and {train} on training images."


def points(epochs: Sequence[Epoch], metric: Metric, split: Split = "val") -> tuple[Point, ...]:
    """(epoch, `metric`) of the epochs that have one."""
    return tuple((epoch.epoch, value) for epoch in epochs if (value := epoch.score(split, metric)) is not None)


def score(value: float | None, metric: Metric) -> str:
    """An accuracy or a loss in words."""
    if value is None:
        return "not measured"
    return text.percent(value) if metric == "accuracy" else f"{value:.3f}"


def _best(epochs: Sequence[Epoch]) -> Epoch | None:
    """The last epoch that was the best so far."""
    return next((epoch for epoch in reversed(epochs) if epoch.best), None)


def line(curve: Curve, *, markers: bool = True) -> go.Scatter:
    few = markers and len(curve.points) <= 40
    return go.Scatter(
        x=[x for x, _ in curve.points],
        y=[y for _, y in curve.points],
        name=_label(curve.name),
        mode="lines+markers" if few else "lines",
        line={"color": curve.colour, "dash": curve.dash, "width": 2},
        marker={"size": 6},
    )


def symbols(points: Sequence[Point], symbol: str, *, colour: str, theme: str = "") -> go.Scatter:
    """Points with the edge of the page around them, to be seen on a line."""
    marker = {"symbol": symbol, "size": 12, "color": colour, "line": {"width": 1, "color": palette.page(theme)}}
    return go.Scatter(x=[x for x, _ in points], y=[y for _, y in points], mode="markers", marker=marker)


def _mark(figure: go.Figure, x: float, words: str) -> None:
    """A dashed line with words along it, so that several stand side by side on a narrow screen."""
    grey = palette.muted()
    figure.add_vline(x=x, line={"color": grey, "dash": "dash", "width": 1})
    label = {"text": _label(words), "textangle": -90, "font": {"size": 11, "color": grey}, "showarrow": False}
    figure.add_annotation(x=x, y=0.02, yref="paper", xanchor="right", yanchor="bottom", xshift=-1, **label)


def _dressed(figure: go.Figure, metric: Metric, epochs: int) -> go.Figure:
    figure.update_yaxes(**VALUE_AXES[metric])
    return _framed(figure, epochs, height=280, first=1.0)


def _framed(figure: go.Figure, epochs: int, *, height: int, first: float) -> go.Figure:
    """The same frame for all: every epoch of the run from the start, so that the picture grows and does not jump."""
    room = max(0.03 * (epochs - first), 0.15) if first else 0
    reach = (first - room, max(epochs, first + 1) + room)
    return figure.update_layout(height=height, hovermode="x unified", **_LEGEND, xaxis=epoch_axis(epochs, reach))


def epoch_axis(epochs: int, reach: tuple[float, float]) -> dict[str, object]:
    ticks = {"dtick": 1} if epochs <= 10 else {"nticks": 8}
    return {"title": "epoch", "range": reach, "tickformat": "d", **ticks}


def _label(name: str) -> str:
    """Plotly reads a few HTML tags in names; names of runs come from people."""
    return text.plotly(text.short(name, 48))
