"""Gallery: a grid of thumbnails in pages, that answers with the id of the image a person picked.

Not here: which images, and one in large (large_image). Names travel as data only.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from engine.data.dataset_records import SPLIT_NAMES, Dataset, Image
from pages.ui import addresses

_HERE = Path(__file__).parent
_grid = st.components.v2.component(
    "thaw_gallery",
    html="<ul></ul>",
    css=(_HERE / "gallery.css").read_text(),
    js=(_HERE / "gallery.js").read_text(),
)


@dataclass(frozen=True, kw_only=True)
class Card:
    """One thumbnail with up to two lines under it; `alt` is what a screen reader says."""

    id: str
    src: str
    title: str
    alt: str
    note: str = ""
    tone: Literal["plain", "good", "bad"] = "plain"


def dataset_card(dataset: Dataset, image: Image, *, note: str, alt: str = "") -> Card:
    """An image of a dataset under the name of its class; its id is its index."""
    name = dataset.classes[image.label]
    alt = alt or f"{image.name}: {name}, {SPLIT_NAMES[image.split]}"
    return Card(id=str(image.index), src=addresses.thumbnail(dataset.id, image.index), title=name, note=note, alt=alt)


def gallery(cards: Sequence[Card], *, label: str, key: str, side: int = 132) -> str | None:
    """The grid; the id of a card in the one run after it was picked. `side`: least width of a thumbnail in pixels."""
    data = {"items": [asdict(card) for card in cards], "label": label, "side": side}
    return _grid(key=key, data=data, on_picked_change=lambda: None).picked


def page_of(total: int, size: int, *, key: str) -> slice:
    """Which of `total` images to show; draws page buttons if they take more than one."""
    pages = -(-total // size)
    if pages <= 1:
        return slice(0, total)
    # A filter may leave fewer pages than the one that was open.
    if st.session_state.get(key, 1) > pages:
        st.session_state[key] = 1
    page = st.pagination(pages, key=key)
    return slice((page - 1) * size, page * size)
