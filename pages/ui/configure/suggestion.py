"""Suggestion: one sentence above the strategies that says which to compare first on these images, and why; a click
ticks them.

Not here: what speaks for which (comparisons.suggestion).
"""

from dataclasses import replace

import streamlit as st

from engine.comparisons.suggestion import Suggestion, suggest
from engine.jobs import records
from engine.jobs.forecast_files import forecast_of
from engine.runconfig import RunConfig
from engine.training.freezing import validate
from engine.training.strategies import STRATEGIES
from pages.ui import strategies, text
from pages.ui.configure.probe import arguments_of
from pages.ui.resources import job_store, workspace


def suggestion_line(base: RunConfig) -> None:
    """The sentence, and a button where something else is ticked."""
    job = job_store().newest("probe", arguments_of(base))
    probe = job.result_as(records.Probe) if job else None
    suggested = suggest(base, workspace(), unlike=probe is not None and probe.ends_early)
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/lightbulb: {text.md(sentence(suggested, base))}")
        wanted = {strategies.box_of(name): name in suggested.strategies for name in STRATEGIES}
        if any(bool(st.session_state.get(key)) is not ticked for key, ticked in wanted.items()):
            st.button("Tick these", key="suggestion_take", on_click=st.session_state.update, args=(wanted,))


def sentence(suggested: Suggestion, base: RunConfig) -> str:
    """What speaks for what, and how long it takes where that has been foretold."""
    names = text.listing([strategies.title(name) for name in suggested.strategies])
    return f"{suggested.because} To start with: {names}{_duration(suggested, base)}."


def _duration(suggested: Suggestion, base: RunConfig) -> str:
    configs = [validate(replace(base, strategy=name)) for name in suggested.strategies]
    known = [forecast_of(workspace(), config) for config in configs]
    seconds = [one.seconds for one in known if one is not None]
    return f", about {text.duration(sum(seconds))} in all" if len(seconds) == len(known) else ""
