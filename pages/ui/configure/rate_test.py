"""Rates: a learning-rate range test asked for from the Configure page, drawn, and its suggestion put into the field.

Not here: the test itself, which a background job does with a model that is thrown away.
"""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from engine.config import to_json
from engine.jobs import records
from engine.store.job_store import Job
from pages.ui import charts, forms, strategies, text
from pages.ui.section import section
from pages.ui.strategies import Chosen
from pages.ui.waiting import Labels, offer

KIND = "learning_rates"

LABELS = Labels(
    ask="Find a learning rate",
    again="Try again",
    going="Trying learning rates",
    icon=":material/troubleshoot:",
    key="rates_start",
)


def rate_test_section(sound: Sequence[Chosen]) -> None:
    """A folded section for one of the ticked strategies: ask, wait, look, take."""
    if not sound:
        return
    with section("Find a learning rate", icon=":material/troubleshoot:", key="fold_rates") as seen:
        if not seen:
            return
        st.caption(
            "A short trial in which the rate climbs from 0.000001 to 1: too low and the loss stays, too high and it "
            "breaks. "
            "A good rate lies where it falls fastest. The trial is thrown away."
        )
        by_name = {one.config.strategy: one for one in sound}
        name = next(iter(by_name))
        if len(by_name) > 1:
            options = list(by_name)
            name = st.selectbox("Strategy to try", options, format_func=strategies.title, key="rates_strategy") or name
        chosen = by_name[name]
        offer(KIND, arguments_of(chosen), LABELS, draw=lambda job: _result(job, chosen))


def arguments_of(chosen: Chosen) -> dict[str, object]:
    """What the job is asked; without the rate, which the trial replaces, so that taking its suggestion asks nothing
    new."""
    return {"config": to_json(replace(chosen.config, lr=0.0))}


def _result(job: Job, chosen: Chosen) -> None:
    made = job.result_as(records.RateRange)
    if made is None:
        return
    points, suggestion = list(zip(made.rates, made.losses, strict=True)), made.suggestion
    said = rate_summary(points, suggestion)
    if points:
        st.plotly_chart(charts.range_test(points, suggestion), key=f"rates_{job.id}", config=charts.CONFIG, alt=said)
    st.markdown(text.md(said))
    if suggestion is None:
        return
    if chosen.config.phases:
        st.caption("This strategy has phases of your own: write the rate into their table.")
        return
    st.button(
        f"Use {charts.rate(suggestion)}",
        key="rates_use",
        type="primary",
        icon=":material/check:",
        on_click=take,
        args=(suggestion,),
        disabled=chosen.config.lr == rounded(suggestion),
        help="Sets the field Learning rate, for all strategies that are ticked.",
    )


def take(suggestion: float) -> None:
    """Put the rate into the field, with the digits that the trial can tell apart."""
    st.session_state[forms.key_of("lr")] = rounded(suggestion)


def rounded(suggestion: float) -> float:
    return float(f"{suggestion:.1e}")


def rate_summary(points: Sequence[tuple[float, float]], suggestion: float | None) -> str:
    """What the figure shows, as a sentence."""
    if suggestion is None:
        return (
            "At no rate did the loss fall clearly, so there is nothing to suggest: keep the automatic rate, or "
            "bring more images."
        )
    lowest = min(points, key=lambda point: point[1])
    return f"The loss falls fastest near {charts.rate(suggestion)} and is lowest at {charts.rate(lowest[0])}."
