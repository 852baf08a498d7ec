"""Doubts: images whose label looks wrong, one decision for each, and the new version of the dataset that the decisions make.

Nothing is changed by itself, and the old dataset never. Not here: finding them (engine), making the version (engine.data.versions).
"""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from engine.data.dataset import Dataset
from engine.data.versions import make_version
from engine.errors import DatasetError
from engine.runs.embedded import Doubt, Embedded
from engine.runs.run import Run
from pages.ui import text
from pages.ui.gallery import Card, gallery, page_of, picture
from pages.ui.resources import workspace

PAGE_SIZE = 24
KEEP, EXCLUDE = "keep", "exclude"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a person said of one image: keep, exclude, or the class that it is to have."""

    what: str
    to: str = ""

    def says(self) -> str:
        return f"is {self.to}" if self.to else {KEEP: "stays", EXCLUDE: "leaves"}[self.what]


def doubts(run: Run, made: Embedded, dataset: Dataset) -> None:
    """The gallery "please check" and the list of what was decided."""
    facts = made.facts
    st.subheader("Labels to check", anchor=False)
    if facts.unchecked:
        st.info(text.md(facts.unchecked), icon=":material/info:")
        return
    if not facts.doubts:
        st.success(
            "No label looks wrong: a check that had not seen an image's label agrees with it, or is not sure.", icon=":material/check:"
        )
        return
    st.markdown(
        f"**{text.count(len(facts.doubts), 'label')}** of {text.count(len(dataset.images), 'image')}: please check. A small classifier "
        "that had not seen these labels is confident of another class. It may be wrong; you decide."
    )
    if not facts.frozen:
        st.caption("This model was fine-tuned on these labels, so it may have learnt some wrong ones by heart. A linear probe sees more.")
    decided = _decisions(run.id)
    here = page_of(len(facts.doubts), PAGE_SIZE, key=f"doubts_page_{run.id}")
    cards = [_card(place, facts.doubts[place], dataset, decided) for place in range(len(facts.doubts))[here]]
    picked = gallery(cards, label="Labels to check", key=f"doubts_{run.id}", side=140)
    if picked is not None:
        st.session_state["doubt"] = int(picked)
        _check(run.id, facts.doubts, dataset)
    _version(run, dataset, facts.doubts, decided)


def _card(place: int, doubt: Doubt, dataset: Dataset, decided: dict[int, Decision]) -> Card:
    image = dataset.images[doubt.image]
    sure = text.percent(doubt.confidence, 0)
    said = decided.get(doubt.image)
    return Card(
        id=str(place),
        src=f"/api/thumbnails/{dataset.id}/{doubt.image}",
        tone="good" if said else "bad",
        title=f"{doubt.suggested}? {sure}",
        note=f"✓ {said.says()}" if said else f"labelled {doubt.given}",
        alt=f"{image.name}: labelled {doubt.given}, looks like {doubt.suggested} with {sure}" + (f"; {said.says()}" if said else ""),
    )


@st.dialog("Please check this label", width="large", on_dismiss="rerun")
def _check(run_id: str, all_: tuple[Doubt, ...], dataset: Dataset) -> None:
    place = min(st.session_state["doubt"], len(all_) - 1)
    doubt = all_[place]
    image = dataset.images[doubt.image]
    left, right = st.columns([3, 2], gap="medium")
    with left:
        large, small = (f"/api/{kind}/{dataset.id}/{doubt.image}" for kind in ("images", "thumbnails"))
        picture(large, fallback=small, alt=f"{image.name}, labelled {doubt.given}", key="doubted")
    with right:
        st.markdown(f"Labelled **{text.md(doubt.given)}** ({text.percent(doubt.given_confidence)}).")
        st.markdown(f"Looks like **{text.md(doubt.suggested)}** ({text.percent(doubt.confidence)}).")
        st.text(image.name)
        _choices(run_id, doubt, place, len(all_))
        said = _decisions(run_id).get(doubt.image)
        st.caption(f"Decided: {text.md(said.says())}." if said else "Not decided yet.")
    back, words, forward = st.columns([1, 2, 1], vertical_alignment="center")
    back.button("Previous", on_click=_go, args=(place - 1,), disabled=place == 0, shortcut="Left", width="stretch", key="doubt_back")
    words.caption(f"{place + 1:,} of {len(all_):,}", text_alignment="center")
    last = place + 1 == len(all_)
    forward.button("Next", on_click=_go, args=(place + 1,), disabled=last, shortcut="Right", width="stretch", key="doubt_next")


def _choices(run_id: str, doubt: Doubt, place: int, total: int) -> None:
    options = (
        (f"Keep {text.md(text.short(doubt.given, 24))}", Decision(what=KEEP), "check"),
        (f"Relabel to {text.md(text.short(doubt.suggested, 24))}", Decision(what="relabel", to=doubt.suggested), "sell"),
        ("Exclude the image", Decision(what=EXCLUDE), "delete"),
    )
    for label, decision, icon in options:
        arguments = (run_id, doubt.image, decision, min(place + 1, total - 1))
        key = f"decide_{decision.what}"
        st.button(label, on_click=decide, args=arguments, icon=f":material/{icon}:", width="stretch", key=key)


def decide(run_id: str, image: int, decision: Decision, then: int) -> None:
    """Note the decision about `image`, and go on to the doubt at `then`."""
    _decisions(run_id)[image] = decision
    st.session_state["doubt"] = then


def _decisions(run_id: str) -> dict[int, Decision]:
    """Of this person's session, by image."""
    return st.session_state.setdefault(f"decisions_{run_id}", {})


def _go(place: int) -> None:
    st.session_state["doubt"] = place


def _version(run: Run, dataset: Dataset, all_: tuple[Doubt, ...], decided: dict[int, Decision]) -> None:
    """What was decided, and the button that makes a dataset of it."""
    done = st.session_state.get(f"version_{run.id}")
    if done:
        st.success(f"**{text.md(done[1])}** is a new dataset; the old one is as it was.", icon=":material/check_circle:")
        if st.button("See it on the Dataset page", icon=":material/arrow_forward:", key=f"see_{run.id}"):
            st.switch_page("dataset.py", query_params={"dataset": done[0]})
    if not decided:
        st.caption("Click an image to keep its label, give it another one, or leave the image out. Your decisions are collected here.")
        return
    rows = [(dataset.images[image].name, one.says()) for image, one in sorted(decided.items())]
    st.markdown(f"**{text.count(len(rows), 'decision')}** so far")
    st.dataframe(pd.DataFrame(rows, columns=["Image", "Decision"]), hide_index=True, height=38 + 35 * min(len(rows), 6))
    changes = [image for image, one in decided.items() if one.what != KEEP]
    make, clear = st.columns([3, 1])
    if make.button("Make a new version of the dataset", type="primary", disabled=not changes, key=f"make_{run.id}", width="stretch"):
        _make(run, dataset, all_, decided)
    clear.button("Forget them", on_click=decided.clear, key=f"forget_{run.id}", width="stretch")
    st.caption("The old dataset stays. All other images keep their label and their split, so runs on both can be compared.")


def _make(run: Run, dataset: Dataset, all_: tuple[Doubt, ...], decided: dict[int, Decision]) -> None:
    why = {one.image: f"checked by a person; looked like {one.suggested} ({text.percent(one.confidence, 0)})" for one in all_}
    excluded = {image: why.get(image, "checked by a person") for image, one in decided.items() if one.what == EXCLUDE}
    relabelled = {image: (one.to, why.get(image, "checked by a person")) for image, one in decided.items() if one.to}
    try:
        made = make_version(workspace(), dataset.id, excluded=excluded, relabelled=relabelled)
    except DatasetError as error:
        st.error(text.md(str(error)), icon=":material/error:")
        return
    st.session_state[f"version_{run.id}"] = (made.id, made.name)
    decided.clear()
    st.rerun()
