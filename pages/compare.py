"""Compare: a comparison with its verdict, or any runs of one dataset side by side. Reads the store; trains nothing."""

from collections import Counter

import streamlit as st

from engine.data.dataset import list_datasets
from pages.ui import text
from pages.ui.compare import any_runs, one_comparison
from pages.ui.resources import comparison_store, run_store, workspace
from pages.ui.widgets.choice import choose

MODES = {"comparison": "A comparison", "dataset": "Any runs of a dataset"}  # by their names in the address


def switch() -> None:
    """The address says which of the two is shown, so that it can be sent to somebody."""
    wanted = st.session_state["compare_mode"]
    for mode in MODES:
        if mode != wanted:
            st.query_params.pop(mode, None)
    st.query_params[wanted] = ""


st.title("Compare", anchor=False)
everything = run_store().list()
comparisons = {comparison.id: comparison for comparison in comparison_store().list()}
if not everything and not comparisons:
    st.info(
        "No run yet. Choose a backbone and several strategies on the page Configure, and start.", icon=":material/tune:"
    )
    st.page_link("configure.py", label="Go to Configure", icon=":material/arrow_forward:")
    st.stop()

possible = [mode for mode, there in (("comparison", comparisons), ("dataset", everything)) if there]
mode = next((mode for mode in possible if mode in st.query_params), possible[0])
asked = st.query_params.get("comparison")
if asked and asked not in comparisons and mode != "comparison":  # there the choice says it
    st.warning(
        text.md(f"There is no comparison {asked[:60]!r} in this workspace; it may have been deleted."),
        icon=":material/info:",
    )
if len(possible) > 1:
    st.session_state["compare_mode"] = mode
    st.segmented_control(
        "Show",
        possible,
        format_func=MODES.__getitem__,
        key="compare_mode",
        on_change=switch,
        required=True,
        label_visibility="collapsed",
    )
if mode == "comparison":
    st.query_params.pop("dataset", None)
    sizes = Counter(run.comparison for run in everything)
    captions = {id_: one_comparison.name_of(comparison, sizes[id_]) for id_, comparison in comparisons.items()}
    one_comparison.comparison_sections(choose("Comparison", captions, key="comparison"))
else:
    st.query_params.pop("comparison", None)
    names = {summary.id: summary.name for summary in list_datasets(workspace())}
    per_dataset = Counter(run.config.dataset for run in everything)  # newest first, so the first is of the latest run
    captions = {id_: f"{names.get(id_, id_)} · {text.count(number, 'run')}" for id_, number in per_dataset.items()}
    any_runs.run_sections(
        everything, choose("Dataset", captions, key="dataset", help="Only runs on the same images can be compared.")
    )
