"""Two answers: one image in large with what two strategies say of it and, on request, looked at.

Not here: which images (disagreements), how heat maps are made.
"""

from collections.abc import Sequence

import streamlit as st

from engine.jobs.heat_map_files import Subject
from pages.ui import text
from pages.ui.compare.evidence import Evidence, StrategyAnswers
from pages.ui.heat_maps import heat_maps, more_button
from pages.ui.widgets.large_image import dataset_picture, position_among, previous_next

_STATE = "two_answers"
"""In the session: where the open dialog stands among its images."""


def two_answers_dialog(evidence: Evidence, pair: tuple[str, str], *, places: Sequence[int], position: int) -> None:
    """Open the dialog at `places[position]`; places are among the images of `evidence`."""
    st.session_state[_STATE] = position
    _dialog(evidence, pair, places)


@st.dialog("Two strategies, one image", width="large")
def _dialog(evidence: Evidence, pair: tuple[str, str], places: Sequence[int]) -> None:
    position = position_among(len(places), key=_STATE)
    place = places[position]
    index, dataset = int(evidence.images[place]), evidence.comparison.dataset
    with dataset_picture(dataset, index, alt=evidence.names[place]):
        st.markdown(f"It is **{text.md(evidence.classes[evidence.labels[place]])}**.")
        for label, name in zip(pair, text.distinct(pair), strict=True):
            st.markdown(f"**{text.md(name)}**  \n{_said(evidence, evidence.arms[label], place)}")
        st.text(evidence.names[place])
    previous_next(position, len(places), key=_STATE)
    if more_button("both looked at", key="heat_maps_of_both"):
        _heat_maps(evidence, pair, place)


def _heat_maps(evidence: Evidence, labels: Sequence[str], place: int) -> None:
    """Both side by side: for each the class it says and the true one, in the eyes of its first seed that says so."""
    truth = evidence.classes[evidence.labels[place]]
    names = text.distinct(labels)
    for turn, (label, column) in enumerate(zip(labels, st.columns(2, gap="large"), strict=True)):
        arm = evidence.arms[label]
        run = arm.runs[int(arm.votes.speaker[place])]
        with column:
            st.markdown(f"**{text.md(names[turn])}**, seed {run.config.seed}")
            heat_maps(
                run.id,
                Subject(image=int(evidence.images[place])),
                [evidence.classes[arm.votes.guesses[place]], truth],
                key=f"two_answers_{turn}",
            )


def _said(evidence: Evidence, arm: StrategyAnswers, place: int) -> str:
    """`cat, 81.0 % sure, 2 of 3 seeds`."""
    votes = arm.votes
    mark = ":green[:material/check_circle:]" if votes.right[place] else ":red[:material/cancel:]"
    seeds = f", {votes.agree[place]} of {votes.seeds} seeds" if votes.seeds > 1 else ""
    return (
        f"{mark} {text.md(evidence.classes[votes.guesses[place]])}, {text.percent(float(votes.confidence[place]))} "
        f"sure{seeds}"
    )
