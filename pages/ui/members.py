"""Members: the runs of a comparison one by one, and the way to each of them.

Not here: what they say together (outcome).
"""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from engine.runs.judgement import by_label
from engine.runs.run import Run
from pages.ui import status, text
from pages.ui.any_runs import links
from pages.ui.judged import Judged


def show(judged: Judged, runs: Sequence[Run]) -> None:
    """A table of all, and links to one of them. `runs` are as they stand now."""
    labels = {run.id: label for label, of in by_label(judged.comparison, runs).items() for run in of}
    frame = pd.DataFrame(
        [
            {
                "Strategy": text.short(labels[run.id]),
                "Seed": run.config.seed,
                "Status": status.word(run.status, paused=run.paused),
                "Validation, %": _percent(run, "val_accuracy"),
                "Test, %": _percent(run, "test_accuracy"),
                "Why it does not count": judged.judgement.excluded.get(run.id),
            }
            for run in runs
        ]
    ).dropna(axis=1, how="all")
    formats = {name: st.column_config.NumberColumn(format="%.1f") for name in ("Validation, %", "Test, %")}
    height = min(38 + 35 * len(frame), 360)
    st.dataframe(frame, hide_index=True, column_config=formats, placeholder="–", height=height, alt="The runs of this comparison")
    names = {run.id: f"{text.short(labels[run.id])}, seed {run.config.seed}" for run in runs}
    chosen = st.selectbox("Look closer at", [run.id for run in runs], format_func=lambda id_: names.get(id_, id_), key="member")
    if found := next((run for run in runs if run.id == chosen), None):
        links(found, found.name)


def _percent(run: Run, name: str) -> float | None:
    value = (run.summary or {}).get(name)
    return 100 * value if isinstance(value, int | float) else None
