"""Gallery: a grid of thumbnails that answers with the id of the image a person picked, and one image in large.

Not here: which images, and what is said about them. Names travel as data only.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

_HERE = Path(__file__).parent
_grid = st.components.v2.component(
    "thaw_gallery",
    html="<ul></ul>",
    css=(_HERE / "gallery.css").read_text(),
    js=(_HERE / "gallery.js").read_text(),
)
_picture = st.components.v2.component(
    "thaw_picture",
    html="<img>",
    css="""
img { display: block; min-width: min(100%, 20rem); max-width: 100%; max-height: 62vh; margin: 0 auto; object-fit:
contain;
  border-radius: var(--st-base-radius); background: var(--st-secondary-background-color); }
""",
    js="""
export default function ({ data, parentElement }) {
  const image = parentElement.querySelector("img")
  image.alt = data.alt
  // A format the browser cannot show (TIFF) still has its thumbnail.
  image.onerror = () => { image.onerror = null; image.src = data.fallback }
  if (image.dataset.src !== data.src) { image.dataset.src = data.src; image.src = data.src }
}
""",
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


def gallery(cards: Sequence[Card], *, label: str, key: str, side: int = 132) -> str | None:
    """The grid; the id of a card in the one run after it was picked. `side` is the least width of a thumbnail in
    pixels."""
    data = {"items": [asdict(card) for card in cards], "label": label, "side": side}
    return _grid(key=key, data=data, on_picked_change=lambda: None).picked


def picture(src: str, *, fallback: str, alt: str, key: str) -> None:
    """One image as large as the room allows; `fallback` when the browser cannot show it."""
    _picture(key=key, data={"src": src, "fallback": fallback, "alt": alt})


def page_of(total: int, size: int, *, key: str) -> slice:
    """Which of `total` images to show; draws the page buttons when there is more than one page."""
    pages = max(1, -(-total // size))
    if pages == 1:
        return slice(0, total)
    # A filter may leave fewer pages than the one that was open.
    if st.session_state.get(key, 1) > pages:
        st.session_state[key] = 1
    page = st.pagination(pages, key=key)
    return slice((page - 1) * size, page * size)
