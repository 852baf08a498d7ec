"""Learning curves of several strategies: the mean of their seeds with a band from the lowest to the highest.

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
from engine.store.run_record import Run
from pages.ui import epochs, text
from pages.ui.epochs import Epochs
from pages.ui.figures import charts, palette
from pages.ui.figures.charts import Metric, Split
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
    curves = []
    for label, of in arms.items():
        if ended := [run for run in map(epochs.of, of) if run]:
            colour, dash = styles[label]
            phases = next((changes(run.started) for run in of if run.started), [])
            curves.append(Span(name=label, colour=colour, dash=dash, runs=ended, phases=phases))
    return curves


def points(span: Span, metric: Metric, *, split: Split = "val", axis: str = "epoch") -> list[Point]:
    """The mean of `metric` over the seeds for every epoch, placed by epoch or by the mean seconds until its end."""
    spent = [list(accumulate(epoch.seconds for epoch in run)) for run in span.runs]
    line = []
    for turn in range(max(map(len, span.runs), default=0)):
        scores = {place: run[turn].score(split, metric) for place, run in enumerate(span.runs) if len(run) > turn}
        reached = {place: score for place, score in scores.items() if score is not None}
        if values := reached.values():
            at = fmean(spent[place][turn] for place in reached) if axis == "seconds" else float(turn + 1)
            line.append(Point(epoch=turn + 1, at=at, mean=fmean(values), low=min(values), high=max(values)))
    return line


def curves_figure(
    spans: Sequence[Span],
    metric: Metric,
    *,
    splits: Sequence[Split] = ("val",),
    axis: str = "epoch",
    theme: str = "",
) -> go.Figure:
    """One line a strategy and split; diamonds mark where a phase begins."""
    figure = go.Figure()
    for split in splits:
        for span in spans:
            line = points(span, metric, split=split, axis=axis)
            if not line:
                continue
            if len(span.runs) > 1:
                figure.add_trace(_band(line, span.colour))
            figure.add_trace(_line(line, span, split, several=len(splits) > 1))
            if marks := [(point, change) for change in span.phases for point in line if point.epoch == change.epoch]:
                figure.add_trace(_marks(marks, span, theme))
    figure.update_yaxes(title=METRICS[metric].lower(), **charts.VALUE_AXES[metric])
    if axis == "seconds":
        figure.update_xaxes(title="training time, s", rangemode="tozero")
    else:
        last = max((len(epochs) for span in spans for epochs in span.runs), default=1)
        figure.update_xaxes(**charts.epoch_axis(last, (0.8, max(last, 2) + 0.2)))
    return figure.update_layout(height=330, margin={"l": 0, "r": 8, "t": 8, "b": 0}, showlegend=False)


def strategy_curves(comparison: Comparison, runs: Sequence[Run]) -> None:
    """The controls, the key and the figure. Containers that are always there: a live page finds its place again."""
    with st.container(horizontal=True, gap="medium"):
        metric = st.segmented_control(
            "Show", list(METRICS), format_func=METRICS.__getitem__, default="accuracy", key="curves_of", required=True
        )
        splits = st.pills(
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
    curves = spans(comparison, runs)
    with st.container():
        if not curves:
            st.caption("The first points appear when the first epoch has ended.")
            return
        st.html(charts.key([charts.Curve(name=span.name, colour=span.colour, dash=span.dash) for span in curves]))
        metric, shown = metric or "accuracy", splits or charts.SPLITS[:1]
        figure = curves_figure(curves, metric, splits=shown, axis=axis or "epoch")
        st.plotly_chart(figure, key="spans", config=charts.CONFIG, alt=curves_in_words(curves, metric))
        notes = [SAID] if _several(curves) else []
        notes += ["Training is dotted."] if len(shown) > 1 else []
        notes += ["A diamond marks where a phase begins."] if any(span.phases for span in curves) else []
        st.caption(" ".join(notes) or "One seed each.")


def curves_in_words(spans: Sequence[Span], metric: Metric) -> str:
    """Where every validation curve ends, for readers who see no figure."""
    lines = [(span, points(span, metric)) for span in spans]
    ends = [f"{text.plain(span.name)} {charts.score(line[-1].mean, metric)}" for span, line in lines if line]
    if not ends:
        return "No epoch has ended."
    of = ", the mean of the seeds that reached it" if _several(spans) else ""
    return f"{METRICS[metric]} on validation images after the last epoch{of}: {', '.join(ends)}."


def _several(spans: Sequence[Span]) -> bool:
    return any(len(span.runs) > 1 for span in spans)


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


def _line(line: Sequence[Point], span: Span, split: Split, *, several: bool) -> go.Scatter:
    dash = "dot" if several and split == "train" else span.dash
    places = tuple((point.at, point.mean) for point in line)
    trace = charts.line(charts.Curve(name=span.name, colour=span.colour, dash=dash, points=places))
    return trace.update(
        name=f"{trace.name}, {SPLIT_NAMES[split]}" if several else trace.name,
        customdata=[point.epoch for point in line],
        hovertemplate="%{y}, epoch %{customdata}",
    )


def _marks(marks: Sequence[tuple[Point, Change]], span: Span, theme: str) -> go.Scatter:
    places = [(point.at, point.mean) for point, _ in marks]
    return charts.symbols(places, "diamond", colour=span.colour, theme=theme).update(
        hovertext=[text.plotly(f"From epoch {change.epoch}: {change.says}") for _, change in marks],
        hovertemplate="%{hovertext}<extra></extra>",
        showlegend=False,
    )
