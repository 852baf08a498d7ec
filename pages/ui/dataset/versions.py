"""Versions: of which dataset a dataset is a version, what was changed, and which versions were made of it.

Not here: making versions (engine.data.versions).
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import streamlit as st

from engine.data.dataset import open_dataset
from engine.data.dataset_records import Dataset, DatasetSummary, LabelChange, VersionOrigin
from engine.data.versions import LocatedChange, locate_changes
from pages.ui import addresses, text
from pages.ui.dataset.image_browser import image_dialog
from pages.ui.resources import workspace
from pages.ui.widgets.gallery import Card, gallery, page_of

PAGE_SIZE = 24
_MOST_KINDS = 6


def version_links(dataset: Dataset, origin: VersionOrigin | None, known: Mapping[str, DatasetSummary]) -> None:
    """One line: the dataset this was made of, and those made of it, as links."""
    children = [other for other in known.values() if other.version_of == dataset.id]
    if origin is None and not children:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if origin is not None:
            st.caption(":material/account_tree: A version of", width="content")
            if origin.dataset in known:
                _link(known[origin.dataset])
            else:
                st.caption(f"**{text.md(text.short(origin.name))}**, which was deleted.", width="content")
        if children:
            st.caption(":material/call_split: Versions made of it:", width="content")
            for child in children:
                _link(child)


def changed_images(dataset: Dataset, origin: VersionOrigin) -> None:
    """What was left out and what has another class, in words and as thumbnails that open large."""
    st.markdown(text.md(changes_in_words(origin.changes)))
    for words, kinds in (
        ("Relabelled", Counter(f"{_name(change.was)} → {_name(change.to)}" for change in origin.changes if change.to)),
        ("Left out", Counter(_name(change.was) for change in origin.changes if not change.to)),
    ):
        if kinds:
            more = f" · {len(kinds) - _MOST_KINDS:,} more" if len(kinds) > _MOST_KINDS else ""
            counted = " · ".join(f"{kind} **{number:,}**" for kind, number in kinds.most_common(_MOST_KINDS))
            st.caption(f"{words}: {counted}{more}")
    located = locate_changes(workspace(), dataset, origin)
    if any(not change.dataset for change in located):
        st.caption("Pictures of what was left out went with the dataset that it came from.")
    here = page_of(len(located), PAGE_SIZE, key=f"changes_page_{dataset.id}")
    cards = [_card(place, change) for place, change in list(enumerate(located))[here]]
    picked = gallery(cards, label="Changed images", key=f"changes_{dataset.id}")
    if picked is not None and (change := located[int(picked)]).dataset:
        image_dialog(open_dataset(workspace(), change.dataset), change.index)


def changes_in_words(changes: Sequence[LabelChange]) -> str:
    """`2 images left out, 3 images with another class.`"""
    out = sum(not change.to for change in changes)
    kinds = {"left out": out, "with another class": len(changes) - out}
    return ", ".join(f"{text.count(number, 'image')} {kind}" for kind, number in kinds.items() if number) + "."


def _name(label: str) -> str:
    return text.md(text.short(label, 30))


def _card(place: int, located: LocatedChange) -> Card:
    change = located.change
    title = f"{change.was} → {change.to}" if change.to else f"left out: {change.was}"
    return Card(
        id=str(place),
        src=addresses.thumbnail(located.dataset, located.index) if located.dataset else "",
        title=text.plain(title),
        note=change.image.rpartition("/")[2],
        tone="plain" if change.to else "bad",
        alt=text.plain(f"{change.image}, {title}. {change.why}"),
    )


def _link(summary: DatasetSummary) -> None:
    st.page_link(
        "dataset.py", label=text.md(text.short(summary.name)), query_params={"dataset": summary.id}, width="content"
    )
