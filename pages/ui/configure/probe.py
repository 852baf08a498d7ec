"""Probe: how far up a backbone's features carry on these images, asked for from the Configure page and drawn as a curve
over depth.

It predicts and chooses nothing. Not here: the probe itself, which a background job does without training.
"""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from engine.config import to_json
from engine.jobs import records
from engine.jobs.records import Accuracy
from engine.runconfig import RunConfig
from engine.store.job_store import Job
from engine.training.freezing import starting_weights
from pages.ui import text
from pages.ui.figures import charts, palette
from pages.ui.waiting import Labels, offer
from pages.ui.widgets.section import section

_ICON = ":material/stairs:"
_DECIDES = ("dataset", "backbone", "preprocessing", "image_size", "precision", "device", "seed")
_LABELS = Labels(
    ask="Probe the features", again="Probe again", going="Probing the features", icon=_ICON, key="probe_start"
)


def probe_section(configs: Sequence[RunConfig]) -> None:
    """A folded section about the backbone of `configs`: ask, wait, look. Nothing without a configuration."""
    if not configs:
        return
    with section("Probe the features", icon=_ICON, key="fold_probe") as seen:
        if not seen:
            return
        st.caption(
            "Looks at up to 500 training images once and asks after every block how well the classes can be read "
            "from its features, each image judged by the others. A prediction from frozen features: it trains "
            "nothing and chooses nothing for you."
        )
        offer("probe", arguments_of(configs[0]), _LABELS, draw=_result)


def arguments_of(config: RunConfig) -> dict[str, object]:
    """What the job is asked: only what the probe depends on, so that another strategy or rate asks nothing new."""
    kept = {name: getattr(config, name) for name in _DECIDES}
    return {"config": to_json(RunConfig(**kept, weights=starting_weights(config)))}


def probe_summary(probe: records.Probe) -> str:
    """What the figure shows: where features carry furthest, what cannot be told apart, and what the controls reach."""
    blocks, advice = probe.blocks, probe.suggestion
    peak = blocks[advice.block].ridge
    alike = [blocks[place].block for place in advice.alike]
    reached = f"{text.percent(peak.accuracy)} ({_interval(peak)})"
    if alike and len(alike) == len(blocks) - 1:
        verdict = (
            f"The probe cannot tell the blocks apart: {advice.name} reaches most, {reached}, and no other is "
            f"shown to be lower."
        )
    else:
        others = f", which cannot be told apart from {text.listing(alike)}"
        verdict = (
            f"The probe predicts that features carry furthest up to {advice.name}: {reached} with everything "
            f"up to there frozen{others if alike else '; every other block is shown to be lower'}."
        )
    controls = (
        f"Colours alone reach {text.percent(probe.controls.colours.accuracy)}, "
        f"the most frequent class {text.percent(probe.controls.majority.accuracy)}"
    )
    if probe.random:
        best = max(score.accuracy for score in probe.random)
        controls += f", the same backbone with random weights {text.percent(best)} at most"
    return f"{verdict} {controls}."


def block_table(probe: records.Probe) -> pd.DataFrame:
    """A row a block, then the controls; the same numbers as the figure."""
    random = [text.percent(score.accuracy) for score in probe.random] or ["–"] * len(probe.blocks)
    rows = [
        (text.plain(row.block), row.ridge, text.percent(row.neighbours.accuracy), chance)
        for row, chance in zip(probe.blocks, random, strict=True)
    ]
    rows += [(name, score, "–", "–") for name, score, _ in _controls(probe)]
    return pd.DataFrame(
        [(name, text.percent(ridge.accuracy), _interval(ridge), *others) for name, ridge, *others in rows],
        columns=["Block", "Ridge", "Interval", "Nearest neighbours", "Random weights"],
    )


def accuracy_figure(probe: records.Probe) -> go.Figure:
    """Accuracy over depth: ridge with its band, neighbours, the backbone with random weights; controls as level
    lines."""
    colours, grey = palette.categorical(), palette.muted()
    names = [text.plotly(name) for name in text.distinct([row.block for row in probe.blocks], 24)]
    ridge = [row.ridge for row in probe.blocks]
    neighbours = [row.neighbours for row in probe.blocks]
    band = [score.high for score in ridge] + [score.low for score in reversed(ridge)]
    fill = {"fill": "toself", "fillcolor": palette.faint(colours[0]), "line_width": 0}
    figure = go.Figure(
        go.Scatter(x=names + names[::-1], y=band, mode="lines", hoverinfo="skip", showlegend=False, **fill)
    )
    for label, scores, colour, dash in (
        ("ridge", ridge, colours[0], "solid"),
        ("nearest neighbours", neighbours, colours[1], "dash"),
        ("ridge, random weights", probe.random, colours[2], "dot"),
    ):
        if scores:
            values, line = [score.accuracy for score in scores], {"color": colour, "dash": dash, "width": 2}
            figure.add_scatter(x=names, y=values, name=label, mode="lines+markers", line=line, marker_size=6)
    for label, score, dash in _controls(probe):
        line = {"color": grey, "dash": dash, "width": 1.5}
        figure.add_scatter(x=names, y=[score.accuracy] * len(names), name=label.lower(), mode="lines", line=line)
    return figure.update_layout(
        height=340,
        margin={"l": 0, "r": 8, "t": 8, "b": 0},
        hovermode="x unified",
        legend={"orientation": "h", "y": -0.35, "yanchor": "top", "x": 0, "title": {"text": ""}},
        xaxis={"title": "", "type": "category", "tickangle": -45 if len(names) > 8 else 0, "automargin": True},
        yaxis={"title": "accuracy", "tickformat": ".0%", "hoverformat": ".1%", "nticks": 6},
    )


def _result(job: Job) -> None:
    """Figure, sentence and table of a finished probe."""
    probe = job.result_as(records.Probe)
    if probe is None:
        return
    summary = probe_summary(probe)
    st.plotly_chart(accuracy_figure(probe), key=f"probe_{job.id}", config=charts.CONFIG, alt=summary)
    st.markdown(text.md(summary))
    st.caption(
        "Ridge is a linear classifier on what a block says of an image, with its 95 % band; nearest neighbours ask "
        "the most similar images. Colours alone is a classifier that sees nothing but colours: a block whose band "
        "does not lie above it is not shown to add anything."
    )
    if not probe.random:
        st.caption("These weights are random already, so there is no backbone with random weights to compare with.")
    with st.expander("Every block as a table", icon=":material/table_rows:"):
        alt = "Leave-one-out accuracy of every block, with its interval"
        st.dataframe(block_table(probe), hide_index=True, alt=alt)
        images = text.count(probe.images, "training image")
        st.caption(f"{images} of {probe.of:,}; intervals of 95 % (Wilson).")


def _controls(probe: records.Probe) -> list[tuple[str, Accuracy, str]]:
    """(what it is, its score, dash of its line)"""
    return [
        ("Colours alone", probe.controls.colours, "dash"),
        ("Most frequent class", probe.controls.majority, "dot"),
    ]


def _interval(score: Accuracy) -> str:
    return f"{text.percent(score.low)} to {text.percent(score.high)}"
