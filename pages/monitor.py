"""Monitor: watch one run, and the queue behind it. Reads the store and leaves wishes there."""

import streamlit as st

from engine.errors import RunError
from pages.ui import forecast, status, text, time_left
from pages.ui.audit import audit_details, is_audited
from pages.ui.figures import block_strip, charts, kept_figures
from pages.ui.monitor import controls, frozen_part, run_status, solving
from pages.ui.resources import run_store, workspace
from pages.ui.unfreezing import changes
from pages.ui.widgets.choice import choose
from pages.ui.widgets.section import section

st.title("Monitor", anchor=False)
store = run_store()
runs = {run.id: run for run in store.list()}
if not runs:
    st.info("No run yet. Choose a backbone and strategies on the page Configure, and start.", icon=":material/tune:")
    st.page_link("configure.py", label="Go to Configure", icon=":material/arrow_forward:")
    st.stop()

busiest_first = sorted(runs.values(), key=lambda run: run.status != "running")
captions = {run.id: run.name for run in busiest_first}  # no status here: it would age while the page stands
run_id = choose("Run", captions, key="run")
shown = runs[run_id]
active = shown.status in status.ACTIVE
waiting = any(run.status in status.ACTIVE for run in runs.values())


@st.fragment(run_every="1s" if active else None)
def now() -> None:
    """The words and bars that tick. Reruns the page once when the status has changed."""
    try:
        run = store.get(run_id)
    except RunError as error:  # deleted in another tab
        st.info(text.md(str(error)))
        return
    rows = store.epochs(run_id)
    run_status.headline(run, rows)
    controls.buttons(run)
    run_status.numbers(run, rows)
    if (run.status, run.paused, bool(run.started)) != (shown.status, shown.paused, bool(shown.started)):
        st.rerun()


@st.fragment(run_every="2s" if active else None)
def learning() -> None:
    """Figures of nothing that ticks: equal figures keep zoom and legend clicks, so only a new epoch redraws them."""
    rows = store.epochs(run_id)
    planned, phases = time_left.epochs_planned(shown), changes(shown.started) if shown.started else []
    marks = tuple((change.epoch - 0.5, change.says) for change in phases)  # between the epochs before and after
    if not rows and not active:
        st.caption("No epoch has ended, so there are no curves.")
        return
    if shown.started and shown.started.solved:
        solving.solved_head(rows, run_id)
        return
    for metric, place in zip(charts.METRICS, st.columns(2), strict=True):
        with place:
            st.markdown(f"**{metric.capitalize()}**")
            if not rows:
                st.caption("The first point appears when the first epoch has ended.")
                continue
            figure = kept_figures.kept_learning_curves(rows, metric, planned=planned, marks=marks)
            unfreezing = "".join(f" From epoch {change.epoch}: {change.says}." for change in phases)
            alt = charts.curves_in_words(rows, metric) + unfreezing
            st.plotly_chart(figure, key=f"{metric}_{run_id}", config=charts.CONFIG, alt=alt)
    solving.penalties_tried(rows, run_id)
    solving.mixtures_tried(rows, run_id)


@st.fragment(run_every="2s" if active else None)
def what_trains() -> None:
    if shown.started:
        run_status.blocks(shown, shown.started, store.epochs(run_id))


@st.fragment(run_every="3s" if active else None)
def log() -> None:
    if lines := run_status.log_tail(workspace().run(run_id) / "log.txt"):
        with st.container(height=280, border=False, autoscroll=True):
            st.code(lines, language=None)
    else:
        st.caption("Nothing yet." if active else "This run wrote no log.")


@st.fragment(run_every="2s" if waiting else None)
def queue() -> None:
    latest = store.list()
    run_status.queue(latest, run_id)
    if waiting and not any(run.status in status.ACTIVE for run in latest):
        st.rerun()  # once, to let go of the timer


now()
learning()
# Containers that are always there: a fragment that ticks while the page is redrawn must find its place where it was.
with st.container():
    if shown.started:
        st.subheader("What trains", anchor=False)
        st.html(block_strip.legend())
        what_trains()
        frozen_part.frozen_part(shown)
        if told := forecast.forecast_and_measured(shown):
            st.caption(f"Foretold and measured: {told}.")
with st.container():
    if is_audited(shown):
        st.subheader("What moved", anchor=False)
        audit_details(shown)
queue()
with section("Configuration", icon=":material/tune:", key=f"fold_configuration_{run_id}") as seen:
    if seen:
        run_status.configuration(shown)
with section("Log", icon=":material/article:", key=f"fold_log_{run_id}", opened=shown.status == "failed") as seen:
    if seen:
        log()
