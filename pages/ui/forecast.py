"""Forecast: what a queue will take before it is started, and afterwards beside what was measured.

A job times a few steps and throws the model away. Not here: what is left of a run under way (time_left).
"""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from engine.config import to_json
from engine.jobs.forecast_files import forecast_of
from engine.jobs.records import QueueForecast
from engine.runconfig import RunConfig
from engine.store.job_store import Job
from engine.store.run_record import Run
from pages.ui import strategies, text
from pages.ui.resources import workspace
from pages.ui.waiting import Labels, offer
from pages.ui.widgets.section import section

KIND = "forecast"

LABELS = Labels(
    ask="Forecast",
    again="Forecast again",
    going="Timing a few steps",
    icon=":material/schedule:",
    key="forecast_start",
)


def forecast_section(configs: Sequence[RunConfig]) -> None:
    """A folded section: ask, wait, and what all of `configs`, in the order of the queue, will take."""
    if not configs:
        return
    with section("Forecast", icon=":material/schedule:", key="fold_forecast") as seen:
        if seen:
            st.caption("Times a few steps of every strategy on your images and adds up the queue. No weight moves.")
            offer(KIND, {"configs": [to_json(config) for config in configs]}, LABELS, draw=_result)


def forecast_and_measured(run: Run) -> str:
    """`forecast 42 s, took 45 s`; nothing for a run that was not foretold or has not finished."""
    forecast, spent = forecast_of(workspace(), run.config), measured_seconds(run)
    if forecast is None or spent is None:
        return ""
    return f"forecast {text.duration(forecast.seconds)}, took {text.duration(spent)}"


def measured_seconds(run: Run) -> float | None:
    """Seconds from start to end, what it computed for others and pauses included. None unless it has finished, and when
    it was resumed: then only the last part is known."""
    resumed = run.started and run.started.epochs_done
    if run.status != "finished" or run.started_at is None or run.ended_at is None or resumed:
        return None
    return run.ended_at - run.started_at


def _result(job: Job) -> None:
    queue = job.result_as(QueueForecast)
    if queue is None:
        return
    for problem in queue.problems:
        st.warning(text.md(problem), icon=":material/warning:")
    st.markdown(text.md(forecast_summary(queue)))
    st.dataframe(
        strategy_table(queue), hide_index=True, alt="Forecast of every strategy: seconds, memory, parameters and cache"
    )
    st.caption(
        "All runs is the time of a strategy with every seed; training, validation and predicting are of one run. The "
        "frozen part is computed once for all: what it would take, and keep on disk, for this strategy alone, and its "
        "share in this queue. A run that stops early takes less; starting, saving and other work on this machine come "
        "on top."
    )


def forecast_summary(queue: QueueForecast) -> str:
    """`8 runs: about 3 min 20 s, and 12.0 MB kept of the frozen part.`"""
    runs, kept = text.count(_runs(queue), "run"), text.bytes_(queue.cache_bytes)
    return f"{runs}: about {text.duration(queue.seconds)}, and {kept} kept of the frozen part."


def strategy_table(queue: QueueForecast) -> pd.DataFrame:
    """A row a strategy, then the whole queue."""
    rows = [
        {
            "Strategy": strategies.title(row.strategy),
            "Runs": str(row.runs),
            "Epochs": str(row.planned_epochs or "–"),
            "All runs": text.duration(row.total),
            "Peak memory": text.bytes_(row.peak_memory_bytes),
            "Kept on disk": text.bytes_(row.cache_bytes),
            "Training": text.duration(row.epochs),
            "Validation": text.duration(row.validation),
            "Predicting": text.duration(row.answers),
            "Frozen part": text.duration(row.fill_alone),
            "Frozen part, shared": text.duration(row.fill_shared),
            "Trainable": f"{row.trainable_parameters:,}",
        }
        for row in queue.strategies
    ]
    total = {
        "Strategy": "The whole queue",
        "Runs": str(_runs(queue)),
        "All runs": text.duration(queue.seconds),
        "Kept on disk": text.bytes_(queue.cache_bytes),
    }
    return pd.DataFrame([*rows, total]).fillna("–")


def _runs(queue: QueueForecast) -> int:
    return sum(row.runs for row in queue.strategies)
