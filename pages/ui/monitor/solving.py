"""Solving: what stands in place of learning curves where the head was solved to its optimum.

Not here: the figure (figures.penalty_path).
"""

import streamlit as st

from pages.ui import text
from pages.ui.epochs import Epochs
from pages.ui.figures import charts
from pages.ui.figures.penalty_path import path_in_words, penalty_path, penalty_table


def solved_head(rows: Epochs, run_id: str) -> None:
    """The penalties that cross-validation tried, drawn and as a table; and the scores of the head they led to."""
    if not rows:
        st.caption(
            "The head is computed in one go, so there are no epochs to watch. What came of it appears at the end."
        )
        return
    if penalties := rows[-1].penalties:
        st.markdown("**Penalty, by cross-validation inside the training images**")
        words = path_in_words(penalties)
        figure = penalty_path(penalties)
        st.plotly_chart(figure, key=f"penalties_{run_id}", config=charts.CONFIG, alt=words)
        st.caption(text.md(words))
        with st.expander("Every penalty that was tried", icon=":material/table_rows:"):
            st.dataframe(penalty_table(penalties), hide_index=True, alt="Penalties that were tried")
    st.markdown(text.md(" ".join(charts.scores_in_words(rows[-1], metric) for metric in charts.METRICS)))
