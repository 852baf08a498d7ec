"""Health card: what an import or a dataset contains, drawn; and the decision about an import that waits.

Not here: what is wrong with the images (the engine counts and words it).
"""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from engine.data import drafts
from engine.data.dataset import commit
from engine.data.dataset_records import SPLIT_NAMES, SPLITS, HealthCard
from engine.data.split import DEFAULT_RATIOS, Ratios
from engine.errors import DatasetError
from pages.ui import text
from pages.ui.bars import Bar, bars
from pages.ui.resources import workspace


def health_card(card: HealthCard, *, key: str) -> None:
    """Sizes, classes, and everything that a person should know before trusting a score."""
    _facts(card)
    if card.warnings:
        bullet = "- " if len(card.warnings) > 1 else ""
        st.warning("\n".join(bullet + text.md(warning) for warning in card.warnings))
    else:
        st.success(
            "No duplicates, no unreadable files, and enough images in every class.", icon=":material/check_circle:"
        )
    st.markdown("**Images per class**")
    rows = [Bar(name=c.name, values=(c.train, c.val, c.test), says=f"{c.total:,}") for c in card.classes]
    totals = [f"{word} {sum(getattr(entry, split) for entry in card.classes):,}" for split, word in SPLIT_NAMES.items()]
    bars(rows, label="Images per class", parts=totals, key=f"{key}_classes")
    _problems(card)


def draft_decision(draft_id: str) -> str | None:
    """The card of a waiting import and the buttons that end the wait; the new dataset's id in the run that accepted
    it."""
    card = drafts.draft_health_card(workspace(), draft_id)
    with st.container(border=True):
        st.subheader("Check before it becomes a dataset", anchor=False)
        st.caption(f"Understood as: {text.md(card.layout)}")
        health_card(card, key=draft_id)
        name = st.text_input("Name of the dataset", card.name, key=f"name_{draft_id}", max_chars=120)
        ratios, seed = _split_choice(card, draft_id)
        return _buttons(draft_id, card, name=name, ratios=ratios, seed=seed)


def _facts(card: HealthCard) -> None:
    left_out = f"{text.count(len(card.problems), 'file')} left out" if card.problems else "nothing left out"
    facts = (
        ("Images", f"{card.images:,}", left_out),
        (
            "Classes",
            f"{len(card.classes):,}",
            "of similar size" if card.imbalance < 1.5 else f"largest {card.imbalance:.1f} × smallest",
        ),
        ("Typical size", f"{card.width_range[1]} × {card.height_range[1]}", _size_range(card)),
        ("On disk", text.bytes_(card.bytes), f"{text.bytes_(card.bytes / max(card.images, 1))} an image"),
    )
    with st.grid(4, min_column_width=150):
        for label, value, note in facts:
            st.metric(label, value, note, delta_color="off", delta_arrow="off")


def _size_range(card: HealthCard) -> str:
    (low_w, _, high_w), (low_h, _, high_h) = card.width_range, card.height_range
    return "all alike" if (low_w, low_h) == (high_w, high_h) else f"{low_w} × {low_h} to {high_w} × {high_h}"


def _problems(card: HealthCard) -> None:
    if card.problems:
        st.markdown(f"**{text.count(len(card.problems), 'file')} left out**")
        _table([(problem.name, problem.reason) for problem in card.problems], ("File", "Why"))
    if card.duplicates:
        st.markdown(f"**{text.count(len(card.duplicates), 'group')} of identical images**")
        conflicting = set(card.label_conflicts)
        rows = [(", ".join(group), "different classes" if group in conflicting else "") for group in card.duplicates]
        _table(rows, ("Files", "Note"))


def _table(rows: Sequence[tuple[str, str]], columns: tuple[str, str]) -> None:
    height = 38 + 35 * min(max(len(rows), 1), 7)
    widths = {
        columns[0]: st.column_config.TextColumn(width="medium"),
        columns[1]: st.column_config.TextColumn(width="large"),
    }
    st.dataframe(pd.DataFrame(rows, columns=list(columns)), hide_index=True, height=height, column_config=widths)


def _split_choice(card: HealthCard, draft_id: str) -> tuple[Ratios, int]:
    """Shares and seed; what the source itself prescribes is not asked for."""
    free = [split for split in SPLITS[1:] if split not in card.given_splits]
    if not free:
        st.caption("The images came divided into training, validation and test; that stays as it is.")
        return DEFAULT_RATIOS, 0
    with st.expander("Split", icon=":material/call_split:"):
        if card.given_splits:
            given = text.listing([word for split, word in SPLIT_NAMES.items() if split in card.given_splits])
            st.caption(
                f"The images came with their own division ({given}); only what is missing is taken out of the "
                f"training images."
            )
        columns = st.columns(3)
        shares = dict(zip(SPLITS, DEFAULT_RATIOS, strict=True))
        for column, split in zip(columns, free, strict=False):
            percent = round(100 * shares[split])
            label = f"Images for {SPLIT_NAMES[split]}, in percent"
            shares[split] = column.number_input(label, 5, 40, percent, step=5, key=f"{split}_{draft_id}") / 100
        seed = columns[2].number_input("Seed of the split", 0, 2**31 - 1, 0, key=f"seed_{draft_id}")
        shares["train"] = 1 - shares["val"] - shares["test"]
        st.caption(
            f"{text.percent(shares['train'], 0)} are left for training. Every class is divided alike, and identical "
            f"images stay together."
        )
    return (shares["train"], shares["val"], shares["test"]), int(seed)


def _buttons(draft_id: str, card: HealthCard, *, name: str, ratios: Ratios, seed: int) -> str | None:
    extra = sum(len(group) - 1 for group in card.duplicates)
    troubled = bool(extra or card.small_classes)
    st.caption(_consequence(card, extra))
    places = st.columns([2, 2, 1] if troubled else [4, 1])
    accepted = places[0].button(
        "Continue", key=f"keep_{draft_id}", type="secondary" if troubled else "primary", width="stretch"
    )
    without = troubled and places[1].button(
        "Exclude problems", key=f"exclude_{draft_id}", type="primary", width="stretch"
    )
    if places[-1].button("Discard", key=f"drop_{draft_id}", type="tertiary", width="stretch"):
        drafts.discard(workspace(), draft_id)
        st.rerun()
    if not (accepted or without):
        return None
    try:
        made = commit(workspace(), draft_id, name=name, exclude_problems=without, ratios=ratios, seed=seed)
    except DatasetError as error:
        st.error(text.md(str(error)))
        return None
    return made.id


def _consequence(card: HealthCard, extra: int) -> str:
    gone = []
    if extra:
        gone.append(f"{text.count(extra, 'extra copy')} of identical images")
    if card.small_classes:
        gone.append(text.count(len(card.small_classes), "class") + " with too few images")
    kept = "**Continue** keeps every readable image."
    return f"{kept} **Exclude problems** also leaves out {text.listing(gone)}." if gone else kept
