"""Rate test: a learning-rate range test asked for on the Configure page, drawn, and its suggestion put into the field.

Not here: the test itself, which a background job does with a model that is thrown away.
"""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from engine.config import to_json
from engine.jobs import records
from engine.runconfig import RunConfig
from engine.store.job_store import Job
from pages.ui import forms, strategies, text
from pages.ui.figures import charts
from pages.ui.strategies import Chosen
from pages.ui.waiting import Labels, offer
from pages.ui.widgets.section import section

_ICON = ":material/troubleshoot:"
_LABELS = Labels(
    ask="Find a learning rate", again="Try again", going="Trying learning rates", icon=_ICON, key="rates_start"
)


def rate_test_section(sound: Sequence[Chosen]) -> None:
    """A folded section for one of the ticked strategies: ask, wait, look, take."""
    if not sound:
        return
    with section("Find a learning rate", icon=_ICON, key="fold_rates") as seen:
        if not seen:
            return
        st.caption(
            "A short trial in which the rate climbs from 0.000001 to 1: too low and the loss stays, too high and it "
            "breaks. A good rate lies where it falls fastest. The trial is thrown away."
        )
        configs = {one.config.strategy: one.config for one in sound}
        name = next(iter(configs))
        if len(configs) > 1:
            options = list(configs)
            name = st.selectbox("Strategy to try", options, format_func=strategies.title, key="rates_strategy") or name
        config = configs[name]
        # without the rate, which the trial replaces, so that taking its suggestion asks nothing new
        arguments = {"config": to_json(replace(config, lr=0.0))}
        offer("learning_rates", arguments, _LABELS, draw=lambda job: _result(job, config))


def _result(job: Job, config: RunConfig) -> None:
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
    if config.phases:
        st.caption("This strategy has phases of your own: write the rate into their table.")
        return
    rounded = float(f"{suggestion:.1e}")  # the digits that the trial can tell apart
    st.button(
        f"Use {charts.rate(suggestion)}",
        key="rates_use",
        type="primary",
        icon=":material/check:",
        on_click=st.session_state.update,
        args=({forms.key_of("lr"): rounded},),
        disabled=config.lr == rounded,
        help="Sets the field Learning rate, for all strategies that are ticked.",
    )


def rate_summary(points: Sequence[tuple[float, float]], suggestion: float | None) -> str:
    """What the figure shows, as a sentence."""
    if suggestion is None:
        return "The loss fell clearly at no rate: nothing to suggest. Keep the automatic rate, or bring more images."
    lowest = min(points, key=lambda point: point[1])
    return f"The loss falls fastest near {charts.rate(suggestion)} and is lowest at {charts.rate(lowest[0])}."
