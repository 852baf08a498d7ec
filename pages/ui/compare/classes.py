"""Classes: which of them a strategy finds and loses, and where two strategies confuse differently.

Not here: the images themselves (disagreements), the scores of one run (scores).
"""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from engine.data.dataset_records import SPLIT_NAMES
from engine.evaluation.disagreements import confusion_matrix
from pages.ui import text
from pages.ui.compare.evidence import Evidence, waits
from pages.ui.figures import charts, palette
from pages.ui.figures.matrix import NUMBERED, Cell, matrix

MATRIX_CLASSES = 30
LISTED, SAID = 40, 5
"""Cells that a table lists, and that the words instead of a figure name."""


def recall_table(evidence: Evidence) -> pd.DataFrame:
    """One row a class: images, the recall of every strategy in percent, and how far they are apart; the furthest
    first."""
    images = np.bincount(evidence.labels, minlength=len(evidence.classes))
    values = np.stack([100 * arm.recall for arm in evidence.arms.values()])
    shares = dict(zip(text.distinct(list(evidence.arms)), values, strict=True))
    frame = pd.DataFrame({"Class": evidence.classes, "Images": images, **shares})
    frame["Apart"] = values.max(axis=0) - values.min(axis=0)
    return frame[frame["Images"] > 0].sort_values("Apart", ascending=False, kind="stable")


def confusion_difference(evidence: Evidence, first: str, second: str) -> np.ndarray:
    """Float [classes, classes]: how many more images of the row's class the first calls the column's than the
    second."""
    classes = len(evidence.classes)
    plus, minus = (
        confusion_matrix(evidence.arms[label].guesses, evidence.labels, classes) for label in (first, second)
    )
    return np.asarray(plus - minus)


def confusion_difference_figure(evidence: Evidence, pair: tuple[str, str], theme: str = "") -> go.Figure:
    """In the first colour where the first says it more often, in the second where the second does."""
    values = confusion_difference(evidence, *pair)
    names = [text.plotly(text.short(name, 22)) for name in evidence.classes]
    most, side = float(np.abs(values).max()) or 1.0, max(16, min(54, 440 // len(names)))

    def cell(row: int, column: int) -> Cell:
        value = float(values[row, column])
        return Cell(
            share=value / most,
            number=f"{value:+.1f}".removesuffix(".0").replace("-", "−") if round(value, 1) else "",
            hover=text.plotly(_cell_in_words(evidence.classes[row], evidence.classes[column], value)),
        )

    figure = matrix(len(names), cell, side=side, theme=theme)
    figure.update_xaxes(title="predicted", side="bottom", tickangle=-35 if len(names) > 4 else 0, ticktext=names)
    figure.update_yaxes(title="true", ticktext=names)
    return figure.update_layout(height=max(220, 110 + side * len(names)))


def _cell_in_words(truth: str, guess: str, value: float) -> str:
    return f"{text.short(truth, 30)} called {text.short(guess, 30)}: {value:+.1f}"


def recall_by_class(evidence: Evidence) -> None:
    """Recall of every class and strategy, and the difference of two confusion matrices."""
    if not evidence.arms:
        st.caption(waits(evidence, "a strategy has finished"))
        return
    frame = recall_table(evidence)
    columns = {name: st.column_config.NumberColumn(format="%.0f %%") for name in frame.columns[2:-1]} | {
        "Class": st.column_config.TextColumn(pinned=True),
        "Apart": st.column_config.NumberColumn(
            "Apart, points", format="%.0f", help="Points between the best and the worst strategy."
        ),
    }
    st.dataframe(
        frame,
        hide_index=True,
        column_config=columns,
        height=min(38 + 35 * len(frame), 430),
        placeholder="–",
        alt="Recall of every class and strategy",
    )
    st.caption(
        f"Recall: of the {SPLIT_NAMES[evidence.judgement.split]} images of a class, how many are found; the mean "
        "of the seeds. Furthest apart first."
    )
    st.caption(
        "With few images a class, the rows on top are mostly chance: of many differences the largest always look large."
    )
    first, second = st.session_state.get("flip_first", ""), st.session_state.get("flip_second", "")
    if first != second and {first, second} <= evidence.arms.keys():
        _pair(evidence, first, second)


def _pair(evidence: Evidence, first: str, second: str) -> None:
    """The matrix with its key; where its cells are too small for numbers, the largest of them in a table as well."""
    plus, minus = text.distinct([first, second])
    st.markdown(f"**{text.md(plus)}** minus **{text.md(minus)}**: what they call the images of each class")
    if len(evidence.classes) <= MATRIX_CLASSES:
        st.html(_key(first, second))
        with st.container(width=max(360, min(200 + 70 * len(evidence.classes), 1100))):
            figure = confusion_difference_figure(evidence, (first, second))
            words = confusion_difference_in_words(evidence, first, second)
            st.plotly_chart(figure, key="confusion_difference", config={"displayModeBar": False}, alt=words)
    if len(evidence.classes) > NUMBERED:
        frame = largest(evidence, first, second)
        st.dataframe(frame, hide_index=True, height=250, alt="The largest differences of two confusion matrices")
    st.caption(
        "Images, mean of the seeds. On the diagonal more is better, beside it less. The pair is the one chosen under "
        "Disagreements."
    )


def _key(first: str, second: str) -> str:
    """Which colour and sign is whose."""
    names = text.distinct([first, second], 30)
    signs = zip("+−", names, palette.categorical(), strict=False)
    return charts.key([charts.Curve(name=f"{sign} more often {name}", colour=colour) for sign, name, colour in signs])


def confusion_difference_in_words(evidence: Evidence, first: str, second: str) -> str:
    """The largest cells of the figure, for readers who see none."""
    rows = largest(evidence, first, second).head(SAID).itertuples(index=False)
    cells = "; ".join(_cell_in_words(*row) for row in rows)
    plus, minus = text.distinct([first, second])
    return f"Difference of two confusion matrices. Plus: {plus} says it more often; minus: {minus} does. " + (
        f"The largest: {cells}." if cells else "There is none."
    )


def largest(evidence: Evidence, first: str, second: str) -> pd.DataFrame:
    """The cells that differ most, for when the matrix would be too large to read."""
    values = confusion_difference(evidence, first, second)
    order = np.argsort(-np.abs(values), axis=None, kind="stable")[:LISTED]
    rows = [
        (evidence.classes[row], evidence.classes[column], float(values[row, column]))
        for row, column in zip(*np.unravel_index(order, values.shape), strict=True)
        if values[row, column]
    ]
    return pd.DataFrame(rows, columns=["True class", "Predicted class", "Difference in images"])
