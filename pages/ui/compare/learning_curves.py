"""Learning curves of several strategies over each other: the mean of their seeds with a band from the lowest to the
highest.

Not here: the curves of one run (charts).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import fmean

import plotly.graph_objects as go
import streamlit as st

from engine.comparisons.comparison import Comparison
from engine.comparisons.data_size import whole_labels
from engine.comparisons.judgement import by_label
from engine.data.dataset_records import SPLIT_NAMES
from engine.store.run import Run
from pages.ui import charts, epochs, palette, text
from pages.ui.charts import Metric, Split
from pages.ui.epochs import Epochs
from pages.ui.unfreezing import Change, changes

METRICS: dict[Metric, str] = {"accuracy": "Accuracy", "loss": "Loss"}
AXES = {"epoch": "Epochs", "seconds": "Training time"}
SAID = (
    "The line is the mean of the seeds that reached the epoch, the band reaches from the lowest of them to the highest."
)


@dataclass(frozen=True, kw_only=True)
class Span:
    """One strategy: the epochs of each of its runs, and where its phases begin."""

    name: str
    colour: str
    dash: str
    runs: Sequence[Epochs]
    phases: Sequence[Change] = ()


@dataclass(frozen=True, kw_only=True)
class Point:
    """One epoch over all seeds that have reached it."""

    epoch: int
    at: float
    mean: float
    low: float
    high: float


def spans(comparison: Comparison, runs: Sequence[Run], theme: str = "") -> list[Span]:
    """The strategies of which some epoch has ended, in the order of the table."""
    arms = by_label(comparison, runs)
    styles = palette.styles(list(dict.fromkeys([*whole_labels(comparison), *arms])), theme)
    found = []
    for label, of in arms.items():
        rows = [ended for run in of if (ended := epochs.of(run))]
        phases = next((changes(run.started) for run in of if run.started), [])
        if rows:
            colour, dash = styles[label]
            found.append(Span(name=label, colour=colour, dash=dash, runs=rows, phases=phases))
    return found


def points(span: Span, metric: Metric, *, split: Split = "val", axis: str = "epoch") -> list[Point]:
    """The mean of `metric` over the seeds for every epoch; `axis` places it by epoch, or by the mean seconds until its
    end."""
    spent = [list(accumulate(epoch.seconds for epoch in rows)) for rows in span.runs] if axis == "seconds" else []
    found = []
    for turn in range(_longest(span)):
        values = dict(_values(span, split, metric, turn))
        if values:
            x = fmean(spent[run][turn] for run in values) if axis == "seconds" else float(turn + 1)
            reached = values.values()
            found.append(Point(epoch=turn + 1, at=x, mean=fmean(reached), low=min(reached), high=max(reached)))
    return found


def _longest(span: Span) -> int:
    return max((len(rows) for rows in span.runs), default=0)


def _values(span: Span, split: Split, metric: Metric, turn: int) -> list[tuple[int, float]]:
    """(run, value) of the runs that have ended this epoch, from 0."""
    reached = [(run, rows[turn].score(split, metric)) for run, rows in enumerate(span.runs) if len(rows) > turn]
    return [(run, value) for run, value in reached if value is not None]


def _end(span: Span, metric: Metric) -> float | None:
    """Where the validation curve ends; None without a point."""
    line = points(span, metric)
    return line[-1].mean if line else None


def figure(found: Sequence[Span], metric: Metric, parts: Sequence[Split], axis: str, theme: str = "") -> go.Figure:
    """One line a strategy and part; diamonds mark where a phase begins."""
    drawn = go.Figure()
    for part in parts:
        for span in found:
            line = points(span, metric, split=part, axis=axis)
            if not line:
                continue
            if len(span.runs) > 1:
                drawn.add_trace(_band(line, span.colour))
            drawn.add_trace(_line(line, span, part, several=len(parts) > 1))
            if marks := [(point, change) for change in span.phases for point in line if point.epoch == change.epoch]:
                drawn.add_trace(_marks(marks, span, palette.page(theme)))
    accuracy = metric == "accuracy"
    drawn.update_yaxes(
        tickformat=".0%" if accuracy else None,
        hoverformat=".1%" if accuracy else ".3f",
        nticks=6,
        title=METRICS[metric].lower(),
    )
    if axis == "seconds":
        drawn.update_xaxes(title="training time, s", rangemode="tozero")
    else:
        last = max((len(rows) for span in found for rows in span.runs), default=1)
        ticks = {"dtick": 1} if last <= 10 else {"nticks": 8}
        drawn.update_xaxes(title="epoch", range=[0.8, max(last, 2) + 0.2], tickformat="d", **ticks)
    return drawn.update_layout(height=330, margin={"l": 0, "r": 8, "t": 8, "b": 0}, showlegend=False)


def show(comparison: Comparison, runs: Sequence[Run]) -> None:
    """The controls, the key and the figure. Containers that are always there: a live page finds its place again."""
    with st.container(horizontal=True, gap="medium"):
        metric = st.segmented_control(
            "Show", list(METRICS), format_func=METRICS.__getitem__, default="accuracy", key="curves_of", required=True
        )
        parts = st.pills(
            "Images",
            charts.SPLITS,
            format_func=lambda split: SPLIT_NAMES[split].capitalize(),
            default=charts.SPLITS[:1],
            selection_mode="multi",
            key="curves_on",
        )
        axis = st.segmented_control(
            "Against", list(AXES), format_func=AXES.__getitem__, default="epoch", key="curves_by", required=True
        )
    found = spans(comparison, runs)
    with st.container():
        if not found:
            st.caption("The first points appear when the first epoch has ended.")
            return
        st.html(charts.key([charts.Curve(name=span.name, colour=span.colour, dash=span.dash) for span in found]))
        shown = parts or charts.SPLITS[:1]
        drawn = figure(found, metric or "accuracy", shown, axis or "epoch")
        st.plotly_chart(drawn, key="spans", config=charts.CONFIG, alt=in_words(found, metric or "accuracy"))
        said = SAID if _several(found) else ""
        said += " Training is dotted." if len(shown) > 1 else ""
        said += " A diamond marks where a phase begins." if any(span.phases for span in found) else ""
        st.caption(said.strip() or "One seed each.")


def in_words(found: Sequence[Span], metric: Metric) -> str:
    """Where every curve ends, for readers who see no figure."""
    ends = [(span.name, _end(span, metric)) for span in found]
    said = [f"{text.plain(name)} {charts.score(end, metric)}" for name, end in ends if end is not None]
    if not said:
        return "No epoch has ended."
    of = ", the mean of the seeds that reached it" if _several(found) else ""
    return f"{METRICS[metric]} on validation images after the last epoch{of}: {', '.join(said)}."


def _several(found: Sequence[Span]) -> bool:
    return any(len(span.runs) > 1 for span in found)


def _band(line: Sequence[Point], colour: str) -> go.Scatter:
    return go.Scatter(
        x=[point.at for point in line] + [point.at for point in reversed(line)],
        y=[point.high for point in line] + [point.low for point in reversed(line)],
        fill="toself",
        fillcolor=palette.faint(colour),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
    )


def _line(line: Sequence[Point], span: Span, part: Split, *, several: bool) -> go.Scatter:
    name = text.plotly(text.short(span.name, 48)) + (f", {SPLIT_NAMES[part]}" if several else "")
    return go.Scatter(
        x=[point.at for point in line],
        y=[point.mean for point in line],
        name=name,
        mode="lines+markers" if len(line) <= 40 else "lines",
        line={"color": span.colour, "dash": "dot" if several and part == "train" else span.dash, "width": 2},
        marker={"size": 5},
        customdata=[point.epoch for point in line],
        hovertemplate="%{y}, epoch %{customdata}",
    )


def _marks(marks: Sequence[tuple[Point, Change]], span: Span, page: str) -> go.Scatter:
    return go.Scatter(
        x=[point.at for point, _ in marks],
        y=[point.mean for point, _ in marks],
        mode="markers",
        marker={"symbol": "diamond", "size": 11, "color": span.colour, "line": {"width": 1, "color": page}},
        hovertext=[text.plotly(f"From epoch {change.epoch}: {change.says}") for _, change in marks],
        hovertemplate="%{hovertext}<extra></extra>",
        showlegend=False,
    )
