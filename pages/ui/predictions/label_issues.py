"""Label issues: images whose label looks wrong, and one decision for each. Nothing is changed by itself.

Not here: finding them (engine), keeping decisions (engine.data.label_decisions), applying them (ui.label_decisions).
"""

import streamlit as st

from engine.data import label_decisions
from engine.data.dataset_records import Dataset
from engine.data.label_decisions import Decision, Decisions
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
    """The gallery "please check" and the list of what was decided."""
    facts = made.facts
    st.subheader("Labels to check", anchor=False)
    if facts.unchecked:
        st.info(text.md(facts.unchecked), icon=":material/info:")
        return
    if not facts.doubts:
        st.success(
            "No label looks wrong: a check that had not seen an image's label agrees with it, or is not sure.",
            icon=":material/check:",
        )
        return
    st.markdown(
        f"**{text.count(len(facts.doubts), 'label')}** of {text.count(len(dataset.images), 'image')}: please check. "
        f"A small classifier "
        "that had not seen these labels is confident of another class. It may be wrong; you decide."
    )
    if not facts.frozen:
        st.caption(
            "This model was fine-tuned on these labels, so it may have learnt some wrong ones by heart. A linear "
            "probe sees more."
        )
    known = label_decisions.read_decisions(dataset)
    here = page_of(len(facts.doubts), PAGE_SIZE, key=f"doubts_page_{run.id}")
    cards = [_card(place, facts.doubts[place], dataset, known) for place in range(len(facts.doubts))[here]]
    picked = gallery(cards, label="Labels to check", key=f"doubts_{run.id}", side=140)
    if picked is not None:
        st.session_state[_POSITION] = int(picked)
        _check(facts.doubts, dataset)
    if not known.by_image:
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


def _card(place: int, doubt: Doubt, dataset: Dataset, known: Decisions) -> Card:
    image = dataset.images[doubt.image]
    sure = text.percent(doubt.confidence, 0)
    said = known.by_image.get(doubt.image)
    return Card(
        id=str(place),
        src=addresses.thumbnail(dataset.id, doubt.image),
        tone="good" if said else "bad",
        title=f"{doubt.suggested}? {sure}",
        note=f"✓ {f'→ {said.to}' if said.to else decision_in_words(said)}" if said else f"labelled {doubt.given}",
        alt=f"{image.name}: labelled {doubt.given}, looks like {doubt.suggested} with {sure}"
        + (f"; {decision_in_words(said)}" if said else ""),
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
        _said(dataset, doubt)
    previous_next(place, len(all_), key=_POSITION)


def _choices(dataset: Dataset, doubt: Doubt, then: int) -> None:
    why = f"checked by a person; looked like {doubt.suggested} ({text.percent(doubt.confidence, 0)})"
    options = (
        (f"Keep {text.md(text.short(doubt.given, 24))}", Decision(image=doubt.image, what="keep", why=why), "check"),
        (
            f"Relabel to {text.md(text.short(doubt.suggested, 24))}",
            Decision(image=doubt.image, what="relabel", to=doubt.suggested, why=why),
            "sell",
        ),
        ("Exclude the image", Decision(image=doubt.image, what="exclude", why=why), "delete"),
    )
    for label, decision, icon in options:
        arguments, key = (dataset, decision, then), f"decide_{decision.what}"
        st.button(label, on_click=_decide, args=arguments, icon=f":material/{icon}:", width="stretch", key=key)


def _said(dataset: Dataset, doubt: Doubt) -> None:
    """What was decided of this one, and the way back."""
    if problem := st.session_state.pop("undecided", ""):
        st.error(text.md(problem), icon=":material/error:")
    said = label_decisions.read_decisions(dataset).by_image.get(doubt.image)
    if said is None:
        st.caption("Not decided yet.")
        return
    st.caption(f"Decided: {text.md(decision_in_words(said))}.")
    st.button(
        "Take it back",
        on_click=_take_back,
        args=(dataset, doubt.image),
        icon=":material/undo:",
        type="tertiary",
        key="decide_back",
    )


def _decide(dataset: Dataset, decision: Decision, then: int) -> None:
    """Keep the decision, and go on to the doubt at `then`."""
    try:
        label_decisions.decide(dataset, decision)
    except DatasetError as error:
        st.session_state["undecided"] = str(error)
        return
    st.session_state[_POSITION] = then


def _take_back(dataset: Dataset, image: int) -> None:
    try:
        label_decisions.withdraw(dataset, [image])
    except DatasetError as error:
        st.session_state["undecided"] = str(error)
