"""Epochs: the epochs of a run, asked of the store once for a run that has ended. Not here: what is drawn of them."""

import streamlit as st

from engine.events import Epoch
from engine.store.run_record import ENDED, Run
from pages.ui.resources import run_store, workspace

Epochs = tuple[Epoch, ...]


def of(run: Run) -> Epochs:
    """The epochs of a run that have ended, in order."""
    if run.status in ENDED and run.ended_at is not None:
        return _ended(str(workspace().root), run.id, run.ended_at)
    return run_store().epochs(run.id) if run.status == "running" else ()


@st.cache_resource(show_spinner=False, max_entries=400)
def _ended(root: str, run_id: str, ended_at: float) -> Epochs:
    """A run that is resumed ends anew, at another time."""
    return run_store().epochs(run_id)
