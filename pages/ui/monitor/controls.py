"""Controls: the buttons that act on a run. Each leaves a wish in the store; the worker answers.

Not here: what a run is doing (run_status).
"""

from collections.abc import Callable

import streamlit as st

from engine.errors import EngineError
from engine.store.run_record import Run
from engine.store.run_store import RESUMABLE
from pages.ui import text
from pages.ui.resources import run_store

WISHES = {"stop": "Stopping after this step …", "pause": "Pausing after this step …", "resume": "Going on …"}


def buttons(run: Run) -> None:
    """Stop, pause, go on, resume, delete, look at predictions: what is possible now."""
    store = run_store()
    with st.container(horizontal=True, vertical_alignment="center"):
        if run.status == "running":
            label, icon, wish = ("Go on", "play_arrow", "resume") if run.paused else ("Pause", "pause", "pause")
            asked = run.requested is not None
            _button(label, icon, lambda: store.request(run.id, wish), primary=run.paused, disabled=asked)
            _button("Stop", "stop", lambda: store.request(run.id, "stop"), disabled=run.requested == "stop")
        if run.status == "queued":
            _button("Take out of the queue", "playlist_remove", lambda: store.request(run.id, "stop"))
        if run.status in RESUMABLE:
            _button("Resume", "play_arrow", lambda: store.requeue(run.id), primary=run.status == "interrupted")
        if run.status in ("finished", "stopped") and run.summary:
            if st.button("Look at the predictions", icon=":material/grid_view:", type="primary"):
                st.switch_page("predictions.py", query_params={"run": run.id})
            if st.button("Compare runs", icon=":material/balance:"):
                st.switch_page("compare.py", query_params={"dataset": run.config.dataset})
        if run.status != "running":
            _delete(run)
    if run.requested:
        st.caption(f":material/hourglass_top: {WISHES.get(run.requested, run.requested)}")


def _delete(run: Run) -> None:
    """Two steps: the second button says what is lost."""
    with st.popover("Delete", icon=":material/delete:"):
        st.markdown(f"Delete **{text.md(run.name)}** with its weights, predictions and log? This cannot be undone.")
        _button("Delete for good", "delete_forever", lambda: run_store().delete(run.id), primary=True)


def _button(label: str, icon: str, act: Callable[[], object], *, primary: bool = False, disabled: bool = False) -> None:
    if st.button(label, icon=f":material/{icon}:", type="primary" if primary else "secondary", disabled=disabled):
        try:
            act()
        except EngineError as error:  # another tab was faster
            st.toast(text.md(str(error)), icon=":material/info:")
            return
        st.rerun()
