"""Health card: what an import or a dataset contains, drawn; and the decision about an import that waits.

Not here: what is wrong with the images (the engine counts and words it).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import pandas as pd
import streamlit as st

from engine.data import drafts
from engine.data.dataset import commit
from engine.data.dataset_records import SPLIT_NAMES, SPLITS, Dataset, HealthCard
from engine.data.split import DEFAULT_RATIOS, Ratios
from engine.errors import DatasetError
from pages.ui import text
from pages.ui.dataset.group_choice import group_choice
from pages.ui.dataset.reading_choice import reading_choice
from pages.ui.resources import workspace
from pages.ui.widgets.bars import Bar, bars


def health_card(card: HealthCard, *, key: str) -> None:
    """Sizes, classes, and what a person should know before trusting a score."""
    _facts(card)
    if card.warnings:
        st.warning(text.bullets(card.warnings))
    elif not card.doubts:
        st.success(
            "No duplicates or near-copies found, no unreadable files, and enough images in every class.",
            icon=":material/check_circle:",
        )
    st.markdown("**Images per class**")
    rows = [Bar(name=c.name, values=(c.train, c.val, c.test), says=f"{c.total:,}") for c in card.classes]
    totals = [f"{word} {sum(getattr(entry, split) for entry in card.classes):,}" for split, word in SPLIT_NAMES.items()]
    bars(rows, label="Images per class", parts=totals, key=f"{key}_classes")
    _problems(card)


def draft_decision(draft_id: str) -> str | None:
    """The card of a waiting import and the buttons that end the wait; the id of the dataset it was accepted as."""
    card = drafts.draft_health_card(workspace(), draft_id)
    with st.container(border=True):
        st.subheader("Check before it becomes a dataset", anchor=False)
        reading_choice(card, draft_id)
        health_card(card, key=draft_id)
        name = st.text_input("Name of the dataset", card.name, key=f"name_{draft_id}", max_chars=120)
        group_by = group_choice(draft_id)
        ratios, seed = _split_choice(card, draft_id)
        accept = partial(commit, workspace(), draft_id, name=name, ratios=ratios, seed=seed, group_by=group_by)
        return _buttons(draft_id, card, accept)


def _facts(card: HealthCard) -> None:
    files = sum(problem.kind != "note" for problem in card.problems)
    left_out = f"{text.count(files, 'file')} left out" if files else "nothing left out"
    left_out += f", {card.unlabelled:,} without a class" if card.unlabelled else ""
    balance = "of similar size" if card.imbalance < 1.5 else f"largest {card.imbalance:.1f} × smallest"
    least, typical, most = (f"{w} × {h}" for w, h in zip(card.width_range, card.height_range, strict=True))
    facts = (
        ("Images", f"{card.images:,}", left_out),
        ("Classes", f"{len(card.classes):,}", balance),
        ("Typical size", typical, "all alike" if least == most else f"{least} to {most}"),
        ("On disk", text.bytes_(card.bytes), f"{text.bytes_(card.bytes / max(card.images, 1))} an image"),
    )
    with st.grid(4, min_column_width=150):
        for label, value, note in facts:
            st.metric(label, value, note, delta_color="off", delta_arrow="off")


def _problems(card: HealthCard) -> None:
    notes = [problem for problem in card.problems if problem.kind == "note"]
    left_out = [problem for problem in card.problems if problem.kind != "note"]
    for listed, title in ((left_out, f"{text.count(len(left_out), 'file')} left out"), (notes, "Remarks")):
        if listed:
            st.markdown(f"**{title}**")
            _table({"File": [problem.name for problem in listed], "Why": [problem.reason for problem in listed]})
    if card.duplicates:
        st.markdown(f"**{text.count(len(card.duplicates), 'group')} of identical images**")
        kinds = ["different classes" if group in card.label_conflicts else "" for group in card.duplicates]
        _table({"Files": [", ".join(group) for group in card.duplicates], "Note": kinds})


def _table(columns: Mapping[str, Sequence[str]]) -> None:
    frame = pd.DataFrame(columns)
    widths = {
        name: st.column_config.TextColumn(width="large" if place else "medium") for place, name in enumerate(frame)
    }
    st.dataframe(frame, hide_index=True, height=38 + 35 * min(len(frame), 7), column_config=widths)


def _split_choice(card: HealthCard, draft_id: str) -> tuple[Ratios, int]:
    """Shares and seed; what the source itself prescribes is not asked for."""
    free = [split for split in SPLITS[1:] if split not in card.given_splits]
    if not free:
        st.caption("The images came divided into training, validation and test; that stays as it is.")
        return DEFAULT_RATIOS, 0
    with st.expander("Split", icon=":material/call_split:"):
        if card.given_splits:
            given = text.listing([SPLIT_NAMES[split] for split in SPLITS if split in card.given_splits])
            st.caption(f"The images came divided ({given}); only what is missing is taken out of the training images.")
        columns = st.columns(3)
        shares = dict(zip(SPLITS, DEFAULT_RATIOS, strict=True))
        for column, split in zip(columns, free, strict=False):
            percent = round(100 * shares[split])
            label = f"Images for {SPLIT_NAMES[split]}, in percent"
            shares[split] = column.number_input(label, 5, 40, percent, step=5, key=f"{split}_{draft_id}") / 100
        seed = columns[2].number_input("Seed of the split", 0, 2**31 - 1, 0, key=f"seed_{draft_id}")
        shares["train"] = 1 - shares["val"] - shares["test"]
        left = text.percent(shares["train"], 0)
        st.caption(f"{left} are left for training. Every class is divided alike; copies stay together.")
    return (shares["train"], shares["val"], shares["test"]), int(seed)


def _buttons(draft_id: str, card: HealthCard, accept: Callable[..., Dataset]) -> str | None:
    extra, small = sum(len(group) - 1 for group in card.duplicates), len(card.small_classes)
    problems = [f"{text.count(extra, 'extra copy')} of identical images"] if extra else []
    problems += [f"{text.count(small, 'class')} with too few images"] if small else []
    leaks = card.near_copies_across_splits
    problems += [f"images whose near-copies ({leaks:,}) validate or test"] if leaks else []
    excluding = f" **Exclude problems** also leaves out {text.listing(problems)}." if problems else ""
    st.caption(f"**Continue** keeps every readable image.{excluding}")
    first, *second, last = st.columns([2, 2, 1] if problems else [4, 1])
    accepted = first.button(
        "Continue", key=f"keep_{draft_id}", type="secondary" if problems else "primary", width="stretch"
    )
    without = bool(problems) and second[0].button(
        "Exclude problems", key=f"exclude_{draft_id}", type="primary", width="stretch"
    )
    if last.button("Discard", key=f"drop_{draft_id}", type="tertiary", width="stretch"):
        drafts.discard_draft(workspace(), draft_id)
        st.rerun()
    if not (accepted or without):
        return None
    try:
        return accept(exclude_problems=without).id
    except DatasetError as error:
        st.error(text.md(str(error)))
        return None
