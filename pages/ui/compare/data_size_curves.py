"""Data size: accuracy against the number of training images, a curve for each strategy of a comparison, trained on
request.

Not here: which runs that takes and what they say (engine.comparisons.data_size).
"""

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from engine.comparisons import data_size, wording
from engine.comparisons.comparison import Arm, Comparison
from engine.comparisons.data_size import Point
from engine.data.dataset_records import SPLIT_NAMES
from engine.store.run import Run
from pages.ui import charts, palette, status, text
from pages.ui.compare import progress
from pages.ui.resources import comparison_store, workspace


def data_size_curves(comparison: Comparison, runs: Sequence[Run], *, trainable: bool = True) -> None:
    """The curves as far as they are known, and the button that trains what is missing while it is `trainable`."""
    missing, found = data_size.arms(comparison), data_size.points(workspace(), comparison, runs)
    waiting = sum(run.status in status.ACTIVE for run in runs if data_size.is_part(comparison, run))
    if found:
        st.plotly_chart(
            data_size_figure(found, data_size.whole_labels(comparison)),
            key="datasize",
            config=charts.CONFIG,
            alt=wording.data_sizes(found),
        )
        st.markdown(text.md(wording.data_sizes(found)))
        st.caption(
            f"Accuracy on {SPLIT_NAMES[found[-1].split]} images, the mean over seeds with its 95 % interval. "
            "Every smaller share lies within the larger ones."
        )
    if waiting:
        st.caption(f"{text.count(waiting, 'run')} on a part of the images still to come.")
    if missing:
        number = sum(len(arm.seeds) for arm in missing) * len(comparison.backbones)
        shares = ", ".join(f"{share} %" for share in data_size.SHARES)
        if not found and not waiting:
            st.caption(
                f"Train every strategy on {shares} of the training images as well, and see who still gains from more."
            )
        if st.button(
            f"Train {text.count(number, 'more run')} on parts of the images",
            icon=":material/stacked_line_chart:",
            key="datasizes",
            disabled=not trainable,
        ):
            progress.act(f"datasize_{comparison.id}", lambda: _train(comparison, missing))
        progress.refusal(f"datasize_{comparison.id}")


def _train(comparison: Comparison, missing: Sequence[Arm]) -> None:
    known = progress.outlines_of(comparison)
    for arm in missing:
        comparison_store().add_arm(comparison.id, arm, outlines=known)


def data_size_figure(found: Sequence[Point], rows: Sequence[str]) -> go.Figure:
    """One line a strategy, with intervals. `rows` are those of the table, where each has the same colour."""
    there = list(dict.fromkeys(point.label for point in found))
    styles, drawn = palette.styles(list(dict.fromkeys([*rows, *there]))), go.Figure()
    for label, name in zip(there, text.distinct(there, 40), strict=True):
        points = [point for point in found if point.label == label]
        reach = {"array": [p.high - p.accuracy for p in points], "arrayminus": [p.accuracy - p.low for p in points]}
        colour, dash = styles[label]
        drawn.add_trace(
            go.Scatter(
                x=[point.images for point in points],
                y=[point.accuracy for point in points],
                name=text.plotly(name),
                mode="lines+markers",
                line={"color": colour, "dash": dash},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "color": palette.faint(colour, 0.6),
                    "thickness": 1.5,
                    "width": 5,
                    **reach,
                },
                customdata=[point.share for point in points],
                hovertemplate="%{y:.1%} with %{x:,} images (%{customdata} %)<extra>%{fullData.name}</extra>",
            )
        )
    drawn.update_xaxes(title="training images", rangemode="tozero", nticks=6)
    drawn.update_yaxes(title="accuracy", tickformat=".0%", nticks=6)
    return drawn.update_layout(
        height=360, margin={"l": 0, "r": 8, "t": 32, "b": 0}, legend={"orientation": "h", "y": 1.12, "x": 0}
    )
