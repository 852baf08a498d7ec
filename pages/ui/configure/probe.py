"""Probe: how far up a backbone's features carry on these images, asked for from the Configure page and drawn as a curve
over depth.

It predicts and chooses nothing. Not here: the probe itself, which a background job does without training.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from engine.config import to_json
from engine.runconfig import RunConfig
from engine.training.freezing import starting_weights
from pages.ui import charts, palette, text
from pages.ui.section import section
from pages.ui.waiting import Labels, offer

KIND = "probe"
_DECIDES = ("dataset", "backbone", "preprocessing", "image_size", "precision", "device", "seed")

LABELS = Labels(
    ask="Probe the features",
    again="Probe again",
    going="Probing the features",
    icon=":material/stairs:",
    key="probe_start",
)

Result = Mapping[str, Any]


def probe_section(configs: Sequence[RunConfig]) -> None:
    """A folded section about the backbone of `configs`: ask, wait, look. Nothing without a configuration."""
    if not configs:
        return
    with section("Probe the features", icon=":material/stairs:", key="fold_probe") as seen:
        if not seen:
            return
        st.caption(
            "Looks at up to 500 training images once and asks after every block how well the classes can be read "
            "from its features, "
            "each image judged by the others. A prediction from frozen features: it trains nothing and chooses "
            "nothing for you."
        )
        offer(
            KIND, arguments_of(configs[0]), LABELS, draw=lambda job: probe_result(job.result_as(dict) or {}, key=job.id)
        )


def arguments_of(config: RunConfig) -> dict[str, object]:
    """What the job is asked: only what the probe depends on, so that another strategy or rate asks nothing new."""
    kept = {name: getattr(config, name) for name in _DECIDES}
    return {"config": to_json(RunConfig(**kept, weights=starting_weights(config)))}


def probe_result(result: Result, *, key: str) -> None:
    """Figure, sentence and table of a finished probe."""
    said = probe_summary(result)
    st.plotly_chart(accuracy_figure(result), key=f"probe_{key}", config=charts.CONFIG, alt=said)
    st.markdown(text.md(said))
    st.caption(
        "Ridge is a linear classifier on what a block says of an image, with its 95 % band; nearest neighbours ask "
        "the most similar "
        "images. Colours alone is a classifier that sees nothing but colours: a block whose band "
        "does not lie above it is not shown to add anything."
    )
    if not result["random"]:
        st.caption("These weights are random already, so there is no backbone with random weights to compare with.")
    with st.expander("Every block as a table", icon=":material/table_rows:"):
        st.dataframe(
            block_table(result), hide_index=True, alt="Leave-one-out accuracy of every block, with its interval"
        )
        st.caption(
            f"{text.count(int(result['images']), 'training image')} of {int(result['of']):,}; intervals of 95 % "
            f"(Wilson)."
        )


def probe_summary(result: Result) -> str:
    """What the figure shows: where features carry furthest, what cannot be told apart, and what the controls reach."""
    blocks, advice = result["blocks"], result["suggestion"]
    peak = blocks[advice["block"]]["ridge"]
    alike = [str(blocks[place]["block"]) for place in advice["alike"]]
    reached = f"{text.percent(peak['accuracy'])} ({text.percent(peak['low'])} to {text.percent(peak['high'])})"
    if len(alike) == len(blocks) - 1 and alike:
        said = (
            f"The probe cannot tell the blocks apart: {advice['name']} reaches most, {reached}, and no other is "
            f"shown to be lower."
        )
    else:
        said = (
            f"The probe predicts that features carry furthest up to {advice['name']}: {reached} with everything "
            f"up to there frozen"
        )
        said += (
            f", which cannot be told apart from {text.listing(alike)}."
            if alike
            else "; every other block is shown to be lower."
        )
    controls = result["controls"]
    said += (
        f" Colours alone reach {text.percent(controls['colours']['accuracy'])}, "
        f"the most frequent class {text.percent(controls['majority']['accuracy'])}"
    )
    if result["random"]:
        best = max(float(one["accuracy"]) for one in result["random"])
        said += f", the same backbone with random weights {text.percent(best)} at most"
    return said + "."


def block_table(result: Result) -> pd.DataFrame:
    """A row a block, then the controls; the same numbers as the figure."""
    random = [one["accuracy"] for one in result["random"]] or [None] * len(result["blocks"])
    rows = [
        {
            "Block": text.plain(str(row["block"])),
            "Ridge": text.percent(row["ridge"]["accuracy"]),
            "Interval": _interval(row["ridge"]),
            "Nearest neighbours": text.percent(row["neighbours"]["accuracy"]),
            "Random weights": "–" if chance is None else text.percent(chance),
        }
        for row, chance in zip(result["blocks"], random, strict=True)
    ]
    for name, about in (("Colours alone", "colours"), ("Most frequent class", "majority")):
        score = result["controls"][about]
        control = {"Block": name, "Ridge": text.percent(score["accuracy"]), "Interval": _interval(score)}
        rows.append({**control, "Nearest neighbours": "–", "Random weights": "–"})
    return pd.DataFrame(rows)


def accuracy_figure(result: Result) -> go.Figure:
    """Accuracy over depth: ridge with its band, neighbours, the backbone with random weights; controls as level
    lines."""
    colours, grey = palette.categorical(), palette.muted()
    names = [text.plotly(name) for name in text.distinct([str(row["block"]) for row in result["blocks"]], 24)]
    made = go.Figure()
    ridge = [row["ridge"] for row in result["blocks"]]
    band = [one["high"] for one in ridge] + [one["low"] for one in reversed(ridge)]
    fill = {
        "fill": "toself",
        "fillcolor": palette.faint(colours[0]),
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    made.add_trace(go.Scatter(x=names + names[::-1], y=band, mode="lines", **fill))
    for label, values, colour, dash in (
        ("ridge", [one["accuracy"] for one in ridge], colours[0], "solid"),
        ("nearest neighbours", [row["neighbours"]["accuracy"] for row in result["blocks"]], colours[1], "dash"),
        ("ridge, random weights", [one["accuracy"] for one in result["random"]], colours[2], "dot"),
    ):
        if values:
            line = {"color": colour, "dash": dash, "width": 2}
            made.add_trace(
                go.Scatter(x=names, y=values, name=label, mode="lines+markers", line=line, marker={"size": 6})
            )
    for label, about, dash in (("colours alone", "colours", "dash"), ("most frequent class", "majority", "dot")):
        level = [result["controls"][about]["accuracy"]] * len(names)
        made.add_trace(
            go.Scatter(x=names, y=level, name=label, mode="lines", line={"color": grey, "dash": dash, "width": 1.5})
        )
    return made.update_layout(
        height=340,
        margin={"l": 0, "r": 8, "t": 8, "b": 0},
        hovermode="x unified",
        legend={"orientation": "h", "y": -0.35, "yanchor": "top", "x": 0, "title": {"text": ""}},
        xaxis={"title": "", "type": "category", "tickangle": -45 if len(names) > 8 else 0, "automargin": True},
        yaxis={"title": "accuracy", "tickformat": ".0%", "hoverformat": ".1%", "nticks": 6},
    )


def _interval(score: Mapping[str, float]) -> str:
    return f"{text.percent(score['low'])} to {text.percent(score['high'])}"
