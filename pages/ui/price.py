"""Price: accuracy against what it costs, with intervals, and which strategies nothing as cheap is shown to beat.

Not here: the statistics of the front (engine.evaluation.cost).
"""

from dataclasses import dataclass
from html import escape

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages.ui import charts, palette, text
from pages.ui.judged import COSTS, Judged

_UNITS = {"peak_memory_bytes": 1e-6}
"""What a figure shows of a cost: megabytes."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One strategy: what it costs, how accurate it is (with its 95 % interval), and whether it is worth its price."""

    name: str
    cost: float
    value: float
    low: float
    high: float
    colour: str
    worth: bool


def offers(judged: Judged, cost: str, theme: str = "") -> list[Offer]:
    """The strategies that count and whose cost is known, in the order of the table."""
    styles = palette.styles([str(label) for label in judged.judgement.table["label"]], theme)
    found = []
    for row in judged.judgement.table.to_dict("records"):
        label, price = str(row["label"]), row[cost]
        value = row["test_accuracy" if judged.split == "test" else "val_accuracy"]
        if label not in judged.worth.get(cost, {}) or pd.isna(price) or pd.isna(value):
            continue
        low, high = (row["test_low"], row["test_high"]) if judged.split == "test" and not pd.isna(row["test_low"]) else (value, value)
        found.append(
            Offer(
                name=label,
                cost=float(price) * _UNITS.get(cost, 1.0),
                value=value,
                low=low,
                high=high,
                colour=styles[label][0],
                worth=judged.worth[cost][label],
            )
        )
    return found


def figure(found: list[Offer], cost: str, theme: str = "") -> go.Figure:
    """Filled: nothing as cheap is shown to be more accurate. Hollow: something is."""
    drawn = go.Figure()
    wide = _wide(found)
    for offer in found:
        reach = {"array": [offer.high - offer.value], "arrayminus": [offer.value - offer.low], "thickness": 1.5, "width": 5}
        drawn.add_trace(
            go.Scatter(
                x=[offer.cost],
                y=[offer.value],
                name=escape(text.short(offer.name, 40)),
                mode="markers+text" if len(found) <= 12 else "markers",
                text=[f"  {escape(text.short(offer.name, 28))}  "],
                textposition=_beside(offer, found, wide),
                cliponaxis=False,
                marker={"size": 13, "symbol": "circle" if offer.worth else "circle-open", "color": offer.colour, "line": {"width": 2}},
                error_y={"type": "data", "symmetric": False, "color": palette.faint(offer.colour, 0.6), **reach},
                hovertemplate=f"%{{y:.1%}} ({offer.low:.1%} to {offer.high:.1%})<br>%{{x:,.4s}}<extra>%{{fullData.name}}</extra>",
            )
        )
    drawn.update_xaxes(title=words(cost), type="log" if wide else "linear", nticks=6)
    if not wide:
        drawn.update_xaxes(rangemode="tozero")
    drawn.update_yaxes(title="accuracy", tickformat=".0%", nticks=6)
    return drawn.update_layout(height=360, margin={"l": 0, "r": 24, "t": 16, "b": 0}, showlegend=False)


def words(cost: str) -> str:
    """A cost within a sentence."""
    return COSTS[cost][:1].lower() + COSTS[cost][1:]


def _wide(found: list[Offer]) -> bool:
    """Whether costs differ so much that only a logarithmic axis shows them all."""
    costs = [offer.cost for offer in found]
    return min(costs) > 0 and max(costs) > 8 * min(costs)


def _beside(offer: Offer, found: list[Offer], wide: bool) -> str:
    """Beside the point and its interval, on the side with more room."""
    costs = [offer.cost for offer in found]
    middle = (min(costs) * max(costs)) ** 0.5 if wide else max(costs) / 2
    return "middle right" if offer.cost <= middle else "middle left"


def show(judged: Judged) -> None:
    known = {cost: found for cost in COSTS if len(found := offers(judged, cost)) > 1}
    if not known:
        st.caption("Appears when two strategies can be judged.")
        return
    cost = st.segmented_control("Cost", list(known), format_func=COSTS.__getitem__, default=next(iter(known)), key="cost", required=True)
    found = known[cost or next(iter(known))]
    st.plotly_chart(figure(found, cost or next(iter(known))), key="price", config=charts.CONFIG, alt=in_words(found))
    st.caption(
        "Filled points are worth their price: nothing that costs as little or less is shown to be more accurate. "
        "Bars are 95 % intervals of each strategy alone; two may overlap and still be shown to differ, because both saw the same images."
    )


def in_words(found: list[Offer]) -> str:
    worth = [text.plain(offer.name) for offer in found if offer.worth]
    return f"Worth their price: {text.listing(worth, 8)}." if worth else "No strategy can be judged."
