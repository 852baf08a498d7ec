"""One comparison: the sections of the page for a comparison, live while it runs.

Not here: any of the sections themselves.
"""

from collections.abc import Sequence

import streamlit as st

from engine.comparisons.comparison import Comparison
from engine.comparisons.data_size import is_part, is_part_arm
from engine.errors import EngineError
from engine.store.run import Run
from pages.ui import status, text
from pages.ui.compare import learning_curves, progress, run_list
from pages.ui.compare.classes import recall_by_class
from pages.ui.compare.cost_chart import accuracy_against_cost
from pages.ui.compare.data_size_curves import data_size_curves
from pages.ui.compare.disagreements import disagreement_gallery
from pages.ui.compare.downloads import download_links
from pages.ui.compare.evidence import Evidence, evidence_of, signature
from pages.ui.compare.verdict import option_differences, strategy_table, verdict_box
from pages.ui.resources import comparison_store, workspace

GONE = (
    "The dataset of this comparison was deleted: its results stay, but nothing more can be trained and no image "
    "can be shown."
)


def comparison_sections(comparison_id: str) -> None:
    """Everything of it. The whole page is drawn anew when a run ends or starts; between that, only what ticks."""
    store = comparison_store()
    comparison, runs = store.get(comparison_id), store.runs_of(comparison_id)
    trainable = workspace().dataset(comparison.dataset).exists()
    with st.container():
        if not trainable:
            st.warning(GONE, icon=":material/delete:")
    if not runs:
        st.info(
            "All runs of this comparison were deleted. Add seeds to train it again, or delete it.",
            icon=":material/info:",
        )
        progress.buttons(comparison, runs, trainable=trainable)
        return
    active = any(run.status in status.ACTIVE for run in runs)
    as_drawn = (comparison, _state(runs))
    st.fragment(_head, run_every="1s" if active else None)(comparison_id, as_drawn, trainable)
    evidence = evidence_of(workspace(), comparison, runs)
    # Containers that are always there: a fragment that ticks while the page is redrawn must find its place where it
    # was.
    st.subheader("Verdict", anchor=False)
    verdict_box(evidence)
    with st.container():
        st.subheader("Strategies", anchor=False)
        strategy_table(evidence)
        with st.expander("What differs between the configurations", icon=":material/difference:"):
            option_differences(evidence)
    st.subheader("Learning curves", anchor=False)
    st.fragment(_curves, run_every="3s" if active else None)(comparison_id)
    _closer(evidence, runs, trainable)


def _closer(evidence: Evidence, runs: Sequence[Run], trainable: bool) -> None:
    """What stands below the curves."""
    with st.container():
        st.subheader("Accuracy against cost", anchor=False)
        accuracy_against_cost(evidence)
    with st.container():
        st.subheader("Disagreements", anchor=False)
        disagreement_gallery(evidence, pictures=trainable)
    with st.container():
        st.subheader("Class by class", anchor=False)
        recall_by_class(evidence)
    with st.container():
        st.subheader("Would more images change the choice?", anchor=False)
        data_size_curves(evidence.comparison, runs, trainable=trainable)
    with st.container():
        st.subheader("Runs", anchor=False)
        run_list.show(evidence, runs)
    with st.container():
        st.subheader("Take it home", anchor=False)
        download_links(evidence)


def _head(comparison_id: str, as_drawn: tuple, trainable: bool) -> None:
    """Status and buttons; reruns the page once when something has ended, started or was changed in another tab."""
    store = comparison_store()
    try:
        comparison, runs = store.get(comparison_id), store.runs_of(comparison_id)
    except EngineError as error:  # deleted in another tab
        st.info(text.md(str(error)))
        return
    progress.progress(runs)
    progress.buttons(comparison, runs, trainable=trainable)
    if (comparison, _state(runs)) != as_drawn:
        st.rerun()


def _curves(comparison_id: str) -> None:
    store = comparison_store()
    try:
        comparison, runs = store.get(comparison_id), store.runs_of(comparison_id)
    except EngineError:
        return
    learning_curves.show(comparison, [run for run in runs if not is_part(comparison, run)])


def _state(runs: Sequence[Run]) -> tuple[tuple[object, ...], ...]:
    return signature(workspace(), runs)


def name_of(comparison: Comparison, runs: int) -> str:
    """How a box calls it: `pets · 3 strategies, 9 runs`. A strategy on parts of the images is no other strategy."""
    name = text.short(comparison.name) or ", ".join(dict.fromkeys(backbone for backbone, _ in comparison.backbones))
    whole = sum(not is_part_arm(comparison, arm) for arm in comparison.strategies)
    return f"{name} · {text.count(whole, 'strategy')}, {text.count(runs, 'run')}"
