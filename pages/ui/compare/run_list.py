"""Run list: the runs of a comparison one by one, and the way to each of them.

Not here: what they say together (verdict).
"""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from engine.comparisons import wording
from engine.comparisons.judgement import by_label
from engine.jobs.forecast_files import forecast_of
from engine.store.run_record import Run
from pages.ui import status, text
from pages.ui.compare.any_runs import links
from pages.ui.compare.evidence import Evidence
from pages.ui.forecast import measured_seconds
from pages.ui.resources import workspace


def run_list(evidence: Evidence, runs: Sequence[Run]) -> None:
    """A table of all, and links to one of them. `runs` are as they stand now."""
    rows = by_label(evidence.comparison, runs)
    names = {run.id: name for name, of in zip(text.distinct(list(rows)), rows.values(), strict=True) for run in of}
    forecasts = {run.id: forecast.seconds for run in runs if (forecast := forecast_of(workspace(), run.config))}
    excluded = evidence.judgement.excluded
    frame = pd.DataFrame(
        [
            {
                "Strategy": names[run.id],
                "Seed": run.config.seed,
                "Status": status.word(run.status, paused=run.paused),
                "Validation, %": _percent(run.summary.val_accuracy if run.summary else None),
                "Test, %": _percent(run.summary.test_accuracy if run.summary else None),
                "Forecast, s": forecasts.get(run.id),
                "Took, s": measured_seconds(run),
                "Why it does not count": wording.exclusion_sentence(excluded[run.id]) if run.id in excluded else None,
            }
            for run in runs
        ]
    ).dropna(axis=1, how="all")
    numbers = ("Validation, %", "Test, %", "Forecast, s", "Took, s")
    st.dataframe(
        frame,
        hide_index=True,
        column_config={name: st.column_config.NumberColumn(format="%.1f") for name in numbers},
        placeholder="–",
        height=min(38 + 35 * len(frame), 360),
        alt="The runs of this comparison",
    )
    if sentence := _forecast_sentence(runs, forecasts):
        st.caption(sentence)
    seeds = text.distinct([f"{names[run.id]}, seed {run.config.seed}" for run in runs], 90)
    labels = {run.id: label for run, label in zip(runs, seeds, strict=True)}
    picked = st.selectbox("Look closer at", list(labels), format_func=lambda id_: labels.get(id_, id_), key="member")
    if run := next((run for run in runs if run.id == picked), None):
        links(run, run.name)


def _forecast_sentence(runs: Sequence[Run], forecasts: Mapping[str, float]) -> str:
    """How far the forecast was from what the finished runs took, all together; nothing where nothing was forecast."""
    measured = {run.id: seconds for run in runs if (seconds := measured_seconds(run)) is not None}
    both = forecasts.keys() & measured
    if not both:
        return ""
    forecast, spent = sum(forecasts[id_] for id_ in both), sum(measured[id_] for id_ in both)
    ratio = f", {spent / forecast:.1f} times the forecast, pauses included" if forecast > 0 else ""
    return (
        f"{text.count(len(both), 'run')} that had a forecast and finished: forecast {text.duration(forecast)}, "
        f"took {text.duration(spent)}{ratio}."
    )


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
