"""Cost chart: accuracy against what it costs, with intervals, and which strategies nothing as cheap is shown to beat.

Not here: the statistics of the front (engine.evaluation.pareto).
"""

from dataclasses import dataclass
from math import ceil, floor, log10

import plotly.graph_objects as go
import streamlit as st

from pages.ui import charts, palette, text
from pages.ui.compare.evidence import COSTS, Evidence, waits

HEIGHT, PLOT, LINE = 360, 290, 15
"""Pixels: of the figure, of what is between its axes (about), and of a line of names."""
NAMED = 12
"""More strategies than this have no names beside them."""
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


def offers(evidence: Evidence, cost: str, theme: str = "") -> list[Offer]:
    """The strategies that count and whose cost is known, in the order of the table."""
    styles = palette.styles([row.label for row in evidence.judgement.rows], theme)
    found = []
    for row in evidence.judgement.rows:
        label, price = row.label, getattr(row, cost)
        value = row.test_accuracy if evidence.judgement.split == "test" else row.val_accuracy
        if label not in evidence.worth.get(cost, {}) or price is None or value is None:
            continue
        low, high = evidence.judgement.intervals[label]
        found.append(
            Offer(
                name=label,
                cost=float(price) * _UNITS.get(cost, 1.0),
                value=value,
                low=low,
                high=high,
                colour=styles[label][0],
                worth=evidence.worth[cost][label],
            )
        )
    return found


def cost_figure(found: list[Offer], cost: str, theme: str = "") -> go.Figure:
    """Filled: nothing as cheap is shown to be more accurate. Hollow: something is."""
    drawn = go.Figure()
    wide = _wide(found)
    lift = _lifted(found, wide)
    for offer in found:
        reach = {
            "array": [offer.high - offer.value],
            "arrayminus": [offer.value - offer.low],
            "thickness": 1.5,
            "width": 5,
        }
        drawn.add_trace(
            go.Scatter(
                x=[offer.cost],
                y=[offer.value],
                name=text.plotly(text.short(offer.name, 40)),
                mode="markers",
                cliponaxis=False,
                marker={
                    "size": 13,
                    "symbol": "circle" if offer.worth else "circle-open",
                    "color": offer.colour,
                    "line": {"width": 2},
                },
                error_y={"type": "data", "symmetric": False, "color": palette.faint(offer.colour, 0.6), **reach},
                hovertemplate=f"%{{y:.1%}} ({offer.low:.1%} to "
                f"{offer.high:.1%})<br>%{{x:,.4s}}<extra>%{{fullData.name}}</extra>",
            )
        )
        if len(found) <= NAMED:
            drawn.add_annotation(**_name(offer, found, wide=wide, lift=lift[offer.name], theme=theme))
    drawn.update_xaxes(
        title=cost_name(cost), **({"type": "log", **_ticks(found)} if wide else {"rangemode": "tozero", "nticks": 6})
    )
    low, high = _span(found)
    drawn.update_yaxes(title="accuracy", tickformat=".0%", nticks=6, range=[low, high])
    return drawn.update_layout(height=HEIGHT, margin={"l": 0, "r": 24, "t": 16, "b": 0}, showlegend=False)


def cost_name(cost: str) -> str:
    """A cost within a sentence."""
    return COSTS[cost].lower() if cost != "peak_memory_bytes" else "peak memory, MB"


def _wide(found: list[Offer]) -> bool:
    """Whether costs differ so much that only a logarithmic axis shows them all."""
    costs = [offer.cost for offer in found]
    return min(costs) > 0 and max(costs) > 8 * min(costs)


def _name(offer: Offer, found: list[Offer], *, wide: bool, lift: float, theme: str) -> dict[str, object]:
    """Its name beside the point and its interval, on the side with more room."""
    right = _cheap(offer, found, wide)
    return {
        "x": log10(offer.cost) if wide else offer.cost,  # where annotations stand on a logarithmic axis
        "y": offer.value,
        "text": text.plotly(text.short(offer.name, 28)),
        "showarrow": False,
        "xanchor": "left" if right else "right",
        "xshift": 12 if right else -12,
        "yshift": lift,
        "font": {"size": 12, "color": palette.ink(theme)},
        "bgcolor": palette.faint(palette.page(theme), 0.7),  # over the intervals of others
        "borderpad": 0,
    }


def _cheap(offer: Offer, found: list[Offer], wide: bool) -> bool:
    """Whether it stands in the left half of the figure."""
    costs = [one.cost for one in found]
    return bool(offer.cost <= ((min(costs) * max(costs)) ** 0.5 if wide else max(costs) / 2))


def _lifted(found: list[Offer], wide: bool) -> dict[str, float]:
    """Name -> pixels upwards, so that no two names stand on each other: in each half from the lowest up, a line above
    the last."""
    low, high = _span(found)
    at = {offer.name: (offer.value - low) / (high - low) * PLOT for offer in found}
    placed: dict[str, float] = {}
    last = {True: float("-inf"), False: float("-inf")}
    for offer in sorted(found, key=lambda offer: offer.value):
        half = _cheap(offer, found, wide)
        placed[offer.name] = last[half] = max(at[offer.name], last[half] + LINE)
    return {name: place - at[name] for name, place in placed.items()}


def _span(found: list[Offer]) -> tuple[float, float]:
    """Where the axis of accuracies begins and ends."""
    low, high = min(offer.low for offer in found), max(offer.high for offer in found)
    room = max(high - low, 0.02) * 0.06
    return low - room, high + room


def _ticks(found: list[Offer]) -> dict[str, object]:
    """1, 2, 5, 10, 20 ... : in full, because plotly writes a bare 2 where it means 20."""
    costs = [offer.cost for offer in found]
    first, last = floor(log10(min(costs))), ceil(log10(max(costs)))
    steps = (1, 2, 5) if last - first <= 3 else (1,)
    values = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    return {"tickvals": values, "ticktext": [short_number(value) for value in values]}


def short_number(value: float) -> str:
    """`0.05`, `20`, `5 k`, `2 M`."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def accuracy_against_cost(evidence: Evidence) -> None:
    known = {cost: found for cost in COSTS if len(found := offers(evidence, cost)) > 1}
    if not known:
        st.caption(waits(evidence, "two strategies can be evidence"))
        return
    cost = st.segmented_control(
        "Cost", list(known), format_func=COSTS.__getitem__, default=next(iter(known)), key="cost", required=True
    )
    found = known[cost or next(iter(known))]
    st.plotly_chart(
        cost_figure(found, cost or next(iter(known))), key="price", config=charts.CONFIG, alt=worth_in_words(found)
    )
    st.caption(
        "Filled points are worth their price: nothing that costs as little or less is shown to be more accurate. "
        "Bars are 95 % intervals of each strategy alone; two may overlap and still be shown to differ, because both "
        "saw the same images."
        + (
            " They are of validation accuracy, which chose, and so optimistic."
            if evidence.judgement.split == "val"
            else ""
        )
    )


def worth_in_words(found: list[Offer]) -> str:
    worth = [text.plain(offer.name) for offer in found if offer.worth]
    return f"Worth their price: {text.listing(worth, 8)}." if worth else "No strategy can be evidence."
