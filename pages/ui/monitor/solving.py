"""Solving: what stands in place of learning curves where the head was solved to its optimum, and beside them what was
found without steps.

Not here: the figures (figures.penalty_path, figures.mixture_path).
"""

import streamlit as st

from pages.ui import text
from pages.ui.epochs import Epochs
from pages.ui.figures import charts
from pages.ui.figures.mixture_path import mixture_path, mixture_table, mixtures_in_words
from pages.ui.figures.penalty_path import path_in_words, penalty_path, penalty_table


def solved_head(rows: Epochs, run_id: str) -> None:
    """The penalties that cross-validation tried, drawn and as a table; and the scores of the head they led to."""
    if not rows:
        st.caption(
            "The head is computed in one go, so there are no epochs to watch. What came of it appears at the end."
        )
        return
    penalties_tried(rows, run_id)
    st.markdown(text.md(" ".join(charts.scores_in_words(rows[-1], metric) for metric in charts.METRICS)))


def penalties_tried(rows: Epochs, run_id: str) -> None:
    """Drawn and as a table; nothing where the head was not solved."""
    if not rows or not (penalties := rows[0].penalties):
        return
    st.markdown("**Penalty of the head, by cross-validation inside the training images**")
    words = path_in_words(penalties)
    figure = penalty_path(penalties)
    st.plotly_chart(figure, key=f"penalties_{run_id}", config=charts.CONFIG, alt=words)
    st.caption(text.md(words))
    with st.expander("Every penalty that was tried", icon=":material/table_rows:"):
        st.dataframe(penalty_table(penalties), hide_index=True, alt="Penalties that were tried")


def mixtures_tried(rows: Epochs, run_id: str) -> None:
    """Drawn and as a table; nothing where no weights were mixed."""
    if not rows or not (mixtures := rows[-1].mixtures):
        return
    st.markdown("**Mixtures of the weights before and after fine-tuning**")
    words = mixtures_in_words(mixtures)
    st.plotly_chart(mixture_path(mixtures), key=f"mixtures_{run_id}", config=charts.CONFIG, alt=words)
    st.caption(text.md(words))
    with st.expander("Every mixture that was tried", icon=":material/table_rows:"):
        st.dataframe(mixture_table(mixtures), hide_index=True, alt="Mixtures that were tried")
