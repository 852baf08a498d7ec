"""Data size curves: accuracy against the number of training images, trained on request.

Not here: which runs that takes and what they say (engine.comparisons.data_size).
"""

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from engine.comparisons import data_size, wording
from engine.comparisons.comparison import Arm, Comparison
from engine.comparisons.data_size import Point
from engine.data.dataset_records import SPLIT_NAMES
from engine.store.run_record import Run
from pages.ui import status, text
from pages.ui.compare import progress
from pages.ui.figures import charts, palette
from pages.ui.resources import comparison_store, workspace


def data_size_curves(comparison: Comparison, runs: Sequence[Run], *, trainable: bool = True) -> None:
    """The curves as far as they are known, and the button that trains what is missing while it is `trainable`."""
    missing, points = data_size.arms(comparison), data_size.points(workspace(), comparison, runs)
    waiting = sum(run.status in status.ACTIVE for run in runs if data_size.is_part(comparison, run))
    if points:
        figure, words = data_size_figure(points, data_size.whole_labels(comparison)), wording.data_sizes(points)
        st.plotly_chart(figure, key="datasize", config=charts.CONFIG, alt=words)
        st.markdown(text.md(words))
        st.caption(
            f"Accuracy on {SPLIT_NAMES[points[-1].split]} images, the mean over seeds with its 95 % interval. "
            "Every smaller share lies within the larger ones."
        )
    if waiting:
        st.caption(f"{text.count(waiting, 'run')} on a part of the images still to come.")
    if not missing:
        return
    if not points and not waiting:
        shares = ", ".join(f"{share} %" for share in data_size.SHARES)
        st.caption(
            f"Train every strategy on {shares} of the training images as well, and see who still gains from more."
        )
    number = sum(len(arm.seeds) for arm in missing) * len(comparison.backbones)
    label, place = f"Train {text.count(number, 'more run')} on parts of the images", f"datasize_{comparison.id}"
    if st.button(label, icon=":material/stacked_line_chart:", key="datasizes", disabled=not trainable):
        progress.act(place, lambda: _train(comparison, missing))
    progress.refusal(place)


def _train(comparison: Comparison, missing: Sequence[Arm]) -> None:
    outlines = progress.outlines_of(comparison)
    for arm in missing:
        comparison_store().add_arm(comparison.id, arm, outlines=outlines)


def data_size_figure(points: Sequence[Point], rows: Sequence[str]) -> go.Figure:
    """One line a strategy, with intervals. `rows` are those of the table, where each has the same colour."""
    labels = list(dict.fromkeys(point.label for point in points))
    styles = palette.styles(list(dict.fromkeys([*rows, *labels])))
    figure = go.Figure()
    for label, name in zip(labels, text.distinct(labels, 40), strict=True):
        line, (colour, dash) = [point for point in points if point.label == label], styles[label]
        places = tuple((point.images, point.accuracy) for point in line)
        bounds = [(point.low, point.accuracy, point.high) for point in line]
        trace = charts.line(charts.Curve(name=name, colour=colour, dash=dash, points=places)).update(
            error_y=charts.error_bars(bounds, palette.faint(colour, 0.6)),
            customdata=[point.share for point in line],
            hovertemplate="%{y:.1%} with %{x:,} images (%{customdata} %)<extra>%{fullData.name}</extra>",
        )
        figure.add_trace(trace)
    figure.update_xaxes(title="training images", rangemode="tozero", nticks=6)
    figure.update_yaxes(title="accuracy", tickformat=".0%", nticks=6)
    return figure.update_layout(
        height=360, margin={"l": 0, "r": 8, "t": 32, "b": 0}, legend={"orientation": "h", "y": 1.12, "x": 0}
    )
