"""Label issues: images whose label looks wrong, and one decision for each. Nothing is changed by itself.

Not here: finding them (engine), keeping decisions (engine.data.label_decisions), applying them (ui.label_decisions).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import streamlit as st

from engine.data import label_decisions
from engine.data.dataset_records import Dataset
from engine.data.label_decisions import Decision
from engine.errors import DatasetError
from engine.jobs.embedding_files import Doubt, Embedded
from engine.store.run import Run
from pages.ui import addresses, text
from pages.ui.gallery import Card, gallery, page_of
from pages.ui.label_decisions import decision_in_words, pending_decisions
from pages.ui.large_image import dataset_picture, position_among, previous_next
from pages.ui.resources import workspace

PAGE_SIZE = 24
_POSITION = "label_issue"
"""In the session: which of them the open dialog shows."""


def label_issues(run: Run, made: Embedded, dataset: Dataset) -> None:
    """The gallery "please check"; a click asks for a decision."""
    facts = made.facts
    st.subheader("Labels to check", anchor=False)
    if facts.unchecked:
        st.info(text.md(facts.unchecked), icon=":material/info:")
        return
    if not facts.doubts:
        none = "No label looks wrong: a check that had not seen an image's label agrees with it, or is not sure."
        st.success(none, icon=":material/check:")
        return
    st.markdown(
        f"**{text.count(len(facts.doubts), 'label')}** of {text.count(len(dataset.images), 'image')}: please check. "
        "A small classifier that had not seen these labels is confident of another class. It may be wrong; you decide."
    )
    if not facts.frozen:
        st.caption(
            "This model was fine-tuned on these labels, so it may have learnt some wrong ones by heart. A linear "
            "probe sees more."
        )
    by_image = label_decisions.read_decisions(dataset).by_image
    here = page_of(len(facts.doubts), PAGE_SIZE, key=f"doubts_page_{run.id}")
    cards = [
        _card(place, doubt, dataset, decision=by_image.get(doubt.image))
        for place, doubt in list(enumerate(facts.doubts))[here]
    ]
    picked = gallery(cards, label="Labels to check", key=f"doubts_{run.id}", side=140)
    if picked is not None:
        st.session_state[_POSITION] = int(picked)
        _check(facts.doubts, dataset)
    if not by_image:
        st.caption(
            "Click an image to keep its label, give it another one, or leave the image out. Your decisions are "
            "collected here."
        )


def decisions(run: Run, dataset: Dataset) -> None:
    """The decisions that no version was made of, and the version that this person just made."""
    known = label_decisions.read_decisions(dataset)
    made = pending_decisions(dataset, known, key=run.id)
    if made is not None:
        st.session_state[f"version_{dataset.id}"] = (made.id, made.name)
        st.rerun()
    done = st.session_state.get(f"version_{dataset.id}")
    if done and workspace().dataset(done[0]).is_dir():
        st.success(
            f"**{text.md(done[1])}** is a new dataset; the old one is as it was.", icon=":material/check_circle:"
        )
        if st.button("See it on the Dataset page", icon=":material/arrow_forward:", key=f"see_{run.id}"):
            st.switch_page("dataset.py", query_params={"dataset": done[0]})


def _card(place: int, doubt: Doubt, dataset: Dataset, *, decision: Decision | None) -> Card:
    name, sure = dataset.images[doubt.image].name, text.percent(doubt.confidence, 0)
    note, words = f"labelled {doubt.given}", ""
    if decision is not None:
        note = f"✓ {f'→ {decision.to}' if decision.to else decision_in_words(decision)}"
        words = f"; {decision_in_words(decision)}"
    return Card(
        id=str(place),
        src=addresses.thumbnail(dataset.id, doubt.image),
        tone="bad" if decision is None else "good",
        title=f"{doubt.suggested}? {sure}",
        note=note,
        alt=f"{name}: labelled {doubt.given}, looks like {doubt.suggested} with {sure}{words}",
    )


@st.dialog("Please check this label", width="large", on_dismiss="rerun")
def _check(all_: tuple[Doubt, ...], dataset: Dataset) -> None:
    place = position_among(len(all_), key=_POSITION)
    doubt = all_[place]
    image = dataset.images[doubt.image]
    left, right = st.columns([3, 2], gap="medium")
    with left:
        dataset_picture(dataset.id, doubt.image, alt=f"{image.name}, labelled {doubt.given}", key="large_label_issue")
    with right:
        st.markdown(f"Labelled **{text.md(doubt.given)}** ({text.percent(doubt.given_confidence)}).")
        st.markdown(f"Looks like **{text.md(doubt.suggested)}** ({text.percent(doubt.confidence)}).")
        st.text(image.name)
        _choices(dataset, doubt, min(place + 1, len(all_) - 1))
        _decision(dataset, doubt.image)
    previous_next(place, len(all_), key=_POSITION)


def _choices(dataset: Dataset, doubt: Doubt, then: int) -> None:
    """One button a decision; each goes on to the image at `then`."""
    why = f"checked by a person; looked like {doubt.suggested} ({text.percent(doubt.confidence, 0)})"
    keep = Decision(image=doubt.image, what="keep", why=why)
    given, suggested = (text.md(text.short(name, 24)) for name in (doubt.given, doubt.suggested))
    for label, decision, icon in (
        (f"Keep {given}", keep, "check"),
        (f"Relabel to {suggested}", replace(keep, what="relabel", to=doubt.suggested), "sell"),
        ("Exclude the image", replace(keep, what="exclude"), "delete"),
    ):
        arguments, key = (dataset, decision, then), f"decide_{decision.what}"
        st.button(label, on_click=_decide, args=arguments, icon=f":material/{icon}:", width="stretch", key=key)


def _decision(dataset: Dataset, image: int) -> None:
    """What was decided of this one, and the way back."""
    if problem := st.session_state.pop("undecided", ""):
        st.error(text.md(problem), icon=":material/error:")
    decision = label_decisions.read_decisions(dataset).by_image.get(image)
    if decision is None:
        st.caption("Not decided yet.")
        return
    st.caption(f"Decided: {text.md(decision_in_words(decision))}.")
    arguments, icon = (dataset, image), ":material/undo:"
    st.button("Take it back", on_click=_take_back, args=arguments, icon=icon, type="tertiary", key="decide_back")


def _decide(dataset: Dataset, decision: Decision, then: int) -> None:
    with _problem_remembered():
        label_decisions.decide(dataset, decision)
        st.session_state[_POSITION] = then


def _take_back(dataset: Dataset, image: int) -> None:
    with _problem_remembered():
        label_decisions.withdraw(dataset, [image])


@contextmanager
def _problem_remembered() -> Iterator[None]:
    """Said when the dialog is drawn anew."""
    try:
        yield
    except DatasetError as error:
        st.session_state["undecided"] = str(error)
