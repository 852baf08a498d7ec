"""Twofold: one image in large with what two strategies say of it, and, on request, what each of them looked at.

Not here: which images (flipping), how heat maps are made (attention).
"""

from collections.abc import Sequence

import streamlit as st

from engine.jobs.heat_map_files import Subject
from pages.ui import text
from pages.ui.compare.evidence import Arm, Judged
from pages.ui.gallery import picture
from pages.ui.heat_maps import attention

_STATE = "twofold"
"""In the session: where the open dialog stands among its images."""


def show(judged: Judged, first: str, second: str, places: Sequence[int], position: int) -> None:
    """Open the dialog at `places[position]`; places are among the images of `judged`."""
    st.session_state[_STATE] = position
    _dialog(judged, first, second, places)


@st.dialog("Two strategies, one image", width="large")
def _dialog(judged: Judged, first: str, second: str, places: Sequence[int]) -> None:
    position = min(max(st.session_state.get(_STATE, 0), 0), len(places) - 1)
    place = places[position]
    index, dataset = int(judged.images[place]), judged.comparison.dataset
    left, right = st.columns([3, 2], gap="medium")
    with left:
        source = f"/api/images/{dataset}/{index}"
        picture(source, fallback=f"/api/thumbnails/{dataset}/{index}", alt=judged.names[place], key="large_twofold")
    with right:
        st.markdown(f"It is **{text.md(judged.classes[judged.labels[place]])}**.")
        for label, name in zip((first, second), text.distinct((first, second)), strict=True):
            st.markdown(f"**{text.md(name)}**  \n{_said(judged, judged.arms[label], place)}")
        st.text(judged.names[place])
    _steps(position, len(places))
    if _wants_attention():
        _attention(judged, (first, second), place, index)


def _attention(judged: Judged, labels: Sequence[str], place: int, index: int) -> None:
    """Both side by side: for each the class it says and the true one, in the eyes of its first seed that says so."""
    truth = judged.classes[judged.labels[place]]
    names = text.distinct(labels)
    for turn, (label, column) in enumerate(zip(labels, st.columns(2, gap="large"), strict=True)):
        arm = judged.arms[label]
        run = arm.runs[int(arm.votes.speaker[place])]
        with column:
            st.markdown(f"**{text.md(names[turn])}**, seed {run.config.seed}")
            attention(
                run.id, Subject(image=index), [judged.classes[arm.votes.guesses[place]], truth], key=f"twofold_{turn}"
            )


def _said(judged: Judged, arm: Arm, place: int) -> str:
    """`cat, 81.0 % sure, 2 of 3 seeds`."""
    votes = arm.votes
    mark = ":green[:material/check_circle:]" if votes.right[place] else ":red[:material/cancel:]"
    seeds = f", {votes.agree[place]} of {votes.seeds} seeds" if votes.seeds > 1 else ""
    return (
        f"{mark} {text.md(judged.classes[votes.guesses[place]])}, {text.percent(float(votes.confidence[place]))} "
        f"sure{seeds}"
    )


def _wants_attention() -> bool:
    """Remembered from one image to the next. A button, because a toggle keeps the arrow keys to itself."""
    wanted = bool(st.session_state.get("looks_closer"))
    label = "Hide what both looked at" if wanted else "What both looked at"
    icon = f":material/{'visibility_off' if wanted else 'visibility'}:"
    st.button(label, icon=icon, on_click=_look_closer, args=(not wanted,), key="attention_twofold")
    return wanted


def _look_closer(wanted: bool) -> None:
    st.session_state["looks_closer"] = wanted


def _steps(position: int, total: int) -> None:
    back, words, forward = st.columns([1, 2, 1], vertical_alignment="center")
    back.button(
        "Previous",
        on_click=_go,
        args=(max(position - 1, 0),),
        disabled=position == 0,
        shortcut="Left",
        width="stretch",
        key="twofold_back",
    )
    words.caption(f"{position + 1:,} of {total:,}", text_alignment="center")
    forward.button(
        "Next",
        on_click=_go,
        args=(min(position + 1, total - 1),),
        disabled=position + 1 == total,
        shortcut="Right",
        width="stretch",
        key="twofold_on",
    )


def _go(position: int) -> None:
    """A place rather than a step: a key that is pressed twice before the page is drawn goes on once, not past the
    end."""
    st.session_state[_STATE] = position
