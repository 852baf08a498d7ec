"""Members: the runs of a comparison one by one, and the way to each of them.

Not here: what they say together (verdict).
"""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from engine.comparisons import wording
from engine.comparisons.judgement import by_label
from engine.jobs.forecast_files import Forecast, forecast_of
from engine.store.run import Run
from pages.ui import status, text
from pages.ui.compare.any_runs import links
from pages.ui.compare.evidence import Evidence
from pages.ui.forecast import measured_seconds
from pages.ui.resources import workspace


def show(evidence: Evidence, runs: Sequence[Run]) -> None:
    """A table of all, and links to one of them. `runs` are as they stand now."""
    labels = {run.id: label for label, of in by_label(evidence.comparison, runs).items() for run in of}
    shown = dict(zip(rows := list(dict.fromkeys(labels.values())), text.distinct(rows), strict=True))
    foretold, excluded = _foretold(runs), evidence.judgement.excluded
    frame = pd.DataFrame(
        [
            {
                "Strategy": shown[labels[run.id]],
                "Seed": run.config.seed,
                "Status": status.word(run.status, paused=run.paused),
                "Validation, %": _percent(run.summary.val_accuracy if run.summary else None),
                "Test, %": _percent(run.summary.test_accuracy if run.summary else None),
                "Forecast, s": foretold[run.id].seconds if run.id in foretold else None,
                "Took, s": measured_seconds(run),
                "Why it does not count": wording.reason(excluded[run.id]) if run.id in excluded else None,
            }
            for run in runs
        ]
    ).dropna(axis=1, how="all")
    formats = {
        name: st.column_config.NumberColumn(format="%.1f")
        for name in ("Validation, %", "Test, %", "Forecast, s", "Took, s")
    }
    height = min(38 + 35 * len(frame), 360)
    st.dataframe(
        frame, hide_index=True, column_config=formats, placeholder="–", height=height, alt="The runs of this comparison"
    )
    if said := beside(runs, foretold):
        st.caption(said)
    called = {run.id: f"{shown[labels[run.id]]}, seed {run.config.seed}" for run in runs}
    names = dict(zip(called, text.distinct(list(called.values()), 90), strict=True))
    chosen = st.selectbox("Look closer at", list(names), format_func=lambda id_: names.get(id_, id_), key="member")
    if found := next((run for run in runs if run.id == chosen), None):
        links(found, found.name)


def beside(runs: Sequence[Run], foretold: Mapping[str, Forecast]) -> str:
    """How far the forecast was from what the finished runs took, all together; nothing where nothing was foretold."""
    both = [
        (foretold[run.id].seconds, spent)
        for run in runs
        if run.id in foretold and (spent := measured_seconds(run)) is not None
    ]
    if not both:
        return ""
    forecast, spent = (sum(column) for column in zip(*both, strict=True))
    said = (
        f"{text.count(len(both), 'run')} that had a forecast and finished: forecast {text.duration(forecast)}, "
        f"took {text.duration(spent)}"
    )
    return f"{said}, {spent / forecast:.1f} times the forecast, pauses included." if forecast > 0 else f"{said}."


def _foretold(runs: Sequence[Run]) -> dict[str, Forecast]:
    found = {run.id: forecast_of(workspace(), run.config) for run in runs}
    return {id_: forecast for id_, forecast in found.items() if forecast is not None}


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
