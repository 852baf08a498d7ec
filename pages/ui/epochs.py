"""Epochs: the epochs of a run, asked of the store once for a run that has ended.

Not here: what is drawn of them.
"""

from collections.abc import Mapping, Sequence

import streamlit as st

from engine.store.run import ENDED, Run
from pages.ui.resources import run_store, workspace

Rows = Sequence[Mapping[str, object]]


def of(run: Run) -> Rows:
    """The epoch events of a run, in order. Callers must not change them."""
    if run.status in ENDED and run.ended_at is not None:
        return _ended(str(workspace().root), run.id, run.ended_at)
    return run_store().epochs(run.id) if run.status == "running" else ()


@st.cache_resource(show_spinner=False, max_entries=400)
def _ended(root: str, run_id: str, ended_at: float) -> Rows:
    """A run that is resumed ends anew, at another time."""
    return run_store().epochs(run_id)
