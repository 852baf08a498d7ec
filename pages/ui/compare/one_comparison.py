"""One comparison: the sections of its page, live while it runs.

Not here: any of the sections themselves.
"""

from contextlib import suppress
from functools import partial

import streamlit as st

from engine.comparisons.comparison import Comparison
from engine.comparisons.data_size import is_part, is_part_arm
from engine.errors import EngineError
from engine.store.run_record import Run
from pages.ui import status, text
from pages.ui.compare import progress
from pages.ui.compare.classes import recall_by_class
from pages.ui.compare.cost_chart import accuracy_against_cost
from pages.ui.compare.data_size_curves import data_size_curves
from pages.ui.compare.disagreements import disagreement_gallery
from pages.ui.compare.downloads import download_links
from pages.ui.compare.evidence import evidence_of, signature
from pages.ui.compare.learning_curves import strategy_curves
from pages.ui.compare.run_list import run_list
from pages.ui.compare.verdict import option_differences, strategy_table, verdict_box
from pages.ui.resources import comparison_store, workspace

GONE = (
    "The dataset of this comparison was deleted: its results stay, but nothing more can be trained and no image "
    "can be shown."
)


def comparison_sections(comparison_id: str) -> None:
    """Everything of it. The whole page is drawn anew when a run ends or starts; between that, only what ticks."""
    comparison, runs = _read(comparison_id)
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
    as_drawn = (comparison, signature(workspace(), runs))
    st.fragment(_head, run_every="1s" if active else None)(comparison_id, as_drawn, trainable)
    evidence = evidence_of(workspace(), comparison, runs)
    st.subheader("Verdict", anchor=False)
    verdict_box(evidence)
    with st.container():
        st.subheader("Strategies", anchor=False)
        strategy_table(evidence)
        with st.expander("What differs between the configurations", icon=":material/difference:"):
            option_differences(evidence)
    st.subheader("Learning curves", anchor=False)
    st.fragment(_curves, run_every="3s" if active else None)(comparison_id)
    # Containers that are always there: a fragment that ticks while the page is redrawn must find its place again.
    for title, draw in (
        ("Accuracy against cost", accuracy_against_cost),
        ("Disagreements", partial(disagreement_gallery, pictures=trainable)),
        ("Class by class", recall_by_class),
        ("Would more images change the choice?", lambda _: data_size_curves(comparison, runs, trainable=trainable)),
        ("Runs", partial(run_list, runs=runs)),
        ("Take it home", download_links),
    ):
        with st.container():
            st.subheader(title, anchor=False)
            draw(evidence)


def _head(comparison_id: str, as_drawn: tuple, trainable: bool) -> None:
    """Status and buttons; reruns the page once when something has ended, started or was changed in another tab."""
    try:
        comparison, runs = _read(comparison_id)
    except EngineError as error:  # deleted in another tab
        st.info(text.md(str(error)))
        return
    progress.progress(runs)
    progress.buttons(comparison, runs, trainable=trainable)
    if (comparison, signature(workspace(), runs)) != as_drawn:
        st.rerun()


def _curves(comparison_id: str) -> None:
    with suppress(EngineError):
        comparison, runs = _read(comparison_id)
        strategy_curves(comparison, [run for run in runs if not is_part(comparison, run)])


def _read(comparison_id: str) -> tuple[Comparison, list[Run]]:
    store = comparison_store()
    return store.get(comparison_id), store.runs_of(comparison_id)


def name_of(comparison: Comparison, runs: int) -> str:
    """How a box calls it: `pets · 3 strategies, 9 runs`. A strategy on parts of the images is no other strategy."""
    name = text.short(comparison.name) or ", ".join(dict.fromkeys(backbone for backbone, _ in comparison.backbones))
    whole = sum(not is_part_arm(comparison, arm) for arm in comparison.strategies)
    return f"{name} · {text.count(whole, 'strategy')}, {text.count(runs, 'run')}"
