"""Label issues: images whose label looks wrong, and one decision for each.

Not here: finding them (engine), keeping and applying decisions (label_decisions).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import streamlit as st

from engine.data import label_decisions
from engine.data.dataset_records import Dataset
from engine.data.label_decisions import Decision
from engine.errors import DatasetError
from engine.jobs.embedding_files import Embedded, LabelIssue
from engine.store.run_record import Run
from pages.ui import addresses, text
from pages.ui.label_decisions import decision_in_words, pending_decisions
from pages.ui.waiting import failure
from pages.ui.widgets.gallery import Card, gallery, page_of
from pages.ui.widgets.large_image import dataset_picture, position_among, previous_next

PAGE_SIZE = 24
_POSITION = "label_issue"
"""In the session: which issue the open dialog shows."""


def label_issues(run: Run, embedding: Embedded, dataset: Dataset) -> None:
    """The gallery "please check"; a click asks for a decision."""
    facts, issues = embedding.facts, embedding.facts.doubts
    st.subheader("Labels to check", anchor=False)
    if facts.unchecked:
        st.info(text.md(facts.unchecked), icon=":material/info:")
        return
    if not issues:
        none = "No label looks wrong: a check that had not seen an image's label agrees with it, or is not sure."
        st.success(none, icon=":material/check:")
        return
    st.markdown(
        f"**{text.count(len(issues), 'label')}** of {text.count(len(dataset.images), 'image')}: please check. "
        "A small classifier that had not seen these labels is confident of another class. It may be wrong; you decide."
    )
    if not facts.frozen:
        st.caption(
            "This model was fine-tuned on these labels and may know wrong ones by heart. A linear probe sees more."
        )
    by_image = label_decisions.read_decisions(dataset).by_image
    here = page_of(len(issues), PAGE_SIZE, key=f"issues_page_{run.id}")
    cards = [
        _card(place, issue, dataset, decision=by_image.get(issue.image))
        for place, issue in list(enumerate(issues))[here]
    ]
    picked = gallery(cards, label="Labels to check", key=f"issues_{run.id}", side=140)
    if picked is not None:
        st.session_state[_POSITION] = int(picked)
        _check(issues, dataset)
    if not by_image:
        st.caption("Click an image to keep its label, relabel it, or leave it out. Your decisions are collected here.")


def decisions(run: Run, dataset: Dataset) -> None:
    """The decisions that no version was made of, and the version that this person just made."""
    key = f"version_{dataset.id}"
    if made := pending_decisions(dataset, label_decisions.read_decisions(dataset), key=run.id):
        st.session_state[key] = made
        st.rerun()
    version: Dataset | None = st.session_state.get(key)
    if version and version.folder.is_dir():
        name = text.md(version.name)
        st.success(f"**{name}** is a new dataset; the old one is as it was.", icon=":material/check_circle:")
        if st.button("See it on the Dataset page", icon=":material/arrow_forward:", key=f"see_{run.id}"):
            st.switch_page("dataset.py", query_params={"dataset": version.id})


def _card(place: int, issue: LabelIssue, dataset: Dataset, *, decision: Decision | None) -> Card:
    sure, note, words = text.percent(issue.confidence, 0), f"labelled {issue.given}", ""
    if decision is not None:
        words = decision_in_words(decision)
        note, words = f"✓ {f'→ {decision.to}' if decision.to else words}", f"; {words}"
    name = dataset.images[issue.image].name
    return Card(
        id=str(place),
        src=addresses.thumbnail(dataset.id, issue.image),
        tone="bad" if decision is None else "good",
        title=f"{issue.suggested}? {sure}",
        note=note,
        alt=f"{name}: labelled {issue.given}, looks like {issue.suggested} with {sure}{words}",
    )


@st.dialog("Please check this label", width="large", on_dismiss="rerun")
def _check(issues: Sequence[LabelIssue], dataset: Dataset) -> None:
    place = position_among(len(issues), key=_POSITION)
    issue, name = issues[place], dataset.images[issues[place].image].name
    with dataset_picture(dataset.id, issue.image, alt=f"{name}, labelled {issue.given}"):
        st.markdown(f"Labelled **{text.md(issue.given)}** ({text.percent(issue.given_confidence)}).")
        st.markdown(f"Looks like **{text.md(issue.suggested)}** ({text.percent(issue.confidence)}).")
        st.text(name)
        _choices(dataset, issue, min(place + 1, len(issues) - 1))
        _decision(dataset, issue.image)
    previous_next(place, len(issues), key=_POSITION)


def _choices(dataset: Dataset, issue: LabelIssue, then: int) -> None:
    """One button a decision; each goes on to the image at `then`."""
    why = f"checked by a person; looked like {issue.suggested} ({text.percent(issue.confidence, 0)})"
    keep = Decision(image=issue.image, what="keep", why=why)
    given, suggested = (text.md(text.short(name, 24)) for name in (issue.given, issue.suggested))
    for label, decision, icon in (
        (f"Keep {given}", keep, "check"),
        (f"Relabel to {suggested}", replace(keep, what="relabel", to=issue.suggested), "sell"),
        ("Exclude the image", replace(keep, what="exclude"), "delete"),
    ):
        arguments, key = (dataset, decision, then), f"decide_{decision.what}"
        st.button(label, on_click=_decide, args=arguments, icon=f":material/{icon}:", width="stretch", key=key)


def _decision(dataset: Dataset, image: int) -> None:
    """What was decided of this one, and the way back."""
    if problem := st.session_state.pop("undecided", ""):
        failure(problem)
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
    """Until the dialog is drawn anew."""
    try:
        yield
    except DatasetError as error:
        st.session_state["undecided"] = str(error)
