"""Cost chart: accuracy against what it costs, and which strategies nothing as cheap is shown to beat.

Not here: the statistics of the front (engine.evaluation.pareto).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor, log10

import plotly.graph_objects as go
import streamlit as st

from pages.ui import text
from pages.ui.compare.evidence import COSTS, Evidence, waits
from pages.ui.figures import charts, palette

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
    judged, worth = evidence.judgement, evidence.worth.get(cost, {})
    styles = palette.styles([row.label for row in judged.rows], theme)
    strategies = []
    for row in judged.rows:
        price, value = getattr(row, cost), row.test_accuracy if judged.split == "test" else row.val_accuracy
        if row.label in worth and price is not None and value is not None:
            low, high = judged.intervals[row.label]
            offer = Offer(
                name=row.label,
                cost=float(price) * _UNITS.get(cost, 1.0),
                value=value,
                low=low,
                high=high,
                colour=styles[row.label][0],
                worth=worth[row.label],
            )
            strategies.append(offer)
    return strategies


def cost_figure(strategies: list[Offer], cost: str, theme: str = "") -> go.Figure:
    """Filled: nothing as cheap is shown to be more accurate. Hollow: something is."""
    costs = [offer.cost for offer in strategies]
    logarithmic = min(costs) > 0 and max(costs) > 8 * min(costs)  # or the cheap ones would be one point
    low, high = min(offer.low for offer in strategies), max(offer.high for offer in strategies)
    room = max(high - low, 0.02) * 0.06
    reach = (low - room, high + room)
    figure = go.Figure([_point(offer) for offer in strategies])
    middle = (min(costs) * max(costs)) ** 0.5 if logarithmic else max(costs) / 2
    if len(strategies) <= NAMED:
        for offer, lift in _lifted(strategies, middle, reach):
            x = log10(offer.cost) if logarithmic else offer.cost  # where annotations stand on a logarithmic axis
            figure.add_annotation(x=x, yshift=lift, **_name(offer, right=offer.cost <= middle, theme=theme))
    scale = {"type": "log", **_ticks(costs)} if logarithmic else {"rangemode": "tozero", "nticks": 6}
    figure.update_xaxes(title=cost_name(cost), **scale)
    figure.update_yaxes(title="accuracy", tickformat=".0%", nticks=6, range=reach)
    return figure.update_layout(height=HEIGHT, margin={"l": 0, "r": 24, "t": 16, "b": 0}, showlegend=False)


def cost_name(cost: str) -> str:
    """A cost within a sentence."""
    return COSTS[cost].lower() if cost != "peak_memory_bytes" else "peak memory, MB"


def _point(offer: Offer) -> go.Scatter:
    symbol = "circle" if offer.worth else "circle-open"
    interval = f"{offer.low:.1%} to {offer.high:.1%}"
    return go.Scatter(
        x=[offer.cost],
        y=[offer.value],
        name=text.plotly(text.short(offer.name, 40)),
        mode="markers",
        cliponaxis=False,
        marker={"size": 13, "symbol": symbol, "color": offer.colour, "line": {"width": 2}},
        error_y=charts.error_bars([(offer.low, offer.value, offer.high)], palette.faint(offer.colour, 0.6)),
        hovertemplate=f"%{{y:.1%}} ({interval})<br>%{{x:,.4s}}<extra>%{{fullData.name}}</extra>",
    )


def _name(offer: Offer, *, right: bool, theme: str) -> dict[str, object]:
    """Its name beside the point and its interval, on the side with more room."""
    return {
        "y": offer.value,
        "text": text.plotly(text.short(offer.name, 28)),
        "showarrow": False,
        "xanchor": "left" if right else "right",
        "xshift": 12 if right else -12,
        "font": {"size": 12, "color": palette.ink(theme)},
        "bgcolor": palette.faint(palette.page(theme), 0.7),  # over the intervals of others
        "borderpad": 0,
    }


def _lifted(strategies: list[Offer], middle: float, reach: tuple[float, float]) -> Iterator[tuple[Offer, float]]:
    """Each with how many pixels its name goes up, so that names stand apart: in either half from the lowest up, a line
    above the last."""
    last = {True: float("-inf"), False: float("-inf")}
    for offer in sorted(strategies, key=lambda offer: offer.value):
        at = (offer.value - reach[0]) / (reach[1] - reach[0]) * PLOT
        half = offer.cost <= middle
        last[half] = max(at, last[half] + LINE)
        yield offer, last[half] - at


def _ticks(costs: list[float]) -> dict[str, object]:
    """1, 2, 5, 10, 20 ... : in full, because plotly writes a bare 2 where it means 20."""
    first, last = floor(log10(min(costs))), ceil(log10(max(costs)))
    steps = (1, 2, 5) if last - first <= 3 else (1,)
    values = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    return {"tickvals": values, "ticktext": [_short(value) for value in values]}


def _short(value: float) -> str:
    """`0.05`, `20`, `5 k`, `2 M`."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def accuracy_against_cost(evidence: Evidence) -> None:
    """The figure of one cost, and which; the costs that two strategies have."""
    figures = {cost: strategies for cost in COSTS if len(strategies := offers(evidence, cost)) > 1}
    if not figures:
        st.caption(waits(evidence, "two strategies can be judged"))
        return
    first = next(iter(figures))
    cost = st.segmented_control(
        "Cost", list(figures), format_func=COSTS.__getitem__, default=first, key="cost", required=True
    )
    cost = cost or first
    figure, words = cost_figure(figures[cost], cost), worth_in_words(figures[cost])
    st.plotly_chart(figure, key="price", config=charts.CONFIG, alt=words)
    optimistic = " They are of validation accuracy, which chose, and so optimistic."
    st.caption(
        "Filled points are worth their price: nothing that costs as little or less is shown to be more accurate. "
        "Bars are 95 % intervals of each strategy alone; two may overlap and still be shown to differ, because both "
        "saw the same images." + (optimistic if evidence.judgement.split == "val" else "")
    )


def worth_in_words(strategies: list[Offer]) -> str:
    worth = [text.plain(offer.name) for offer in strategies if offer.worth]
    return f"Worth their price: {text.listing(worth, 8)}." if worth else "No strategy is worth its price."
