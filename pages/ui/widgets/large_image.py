"""Large image: what dialogs about one image share: the picture, what it is, and the way to its neighbours.

Not here: the dialogs themselves, and grids of thumbnails (gallery).
"""

from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.data.dataset_records import SPLIT_NAMES, Dataset, Image
from pages.ui import addresses, text

_component = st.components.v2.component(
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


def picture(src: str, fallback: str, *, alt: str) -> DeltaGenerator:
    """One image as large as the room allows, `fallback` when the browser cannot show it; the column beside it."""
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _component(key="large_image", data={"src": src, "fallback": fallback, "alt": alt})
    return right


def dataset_picture(dataset_id: str, index: int, *, alt: str) -> DeltaGenerator:
    return picture(addresses.image(dataset_id, index), addresses.thumbnail(dataset_id, index), alt=alt)


def dataset_image(dataset: Dataset, image: Image) -> None:
    """An image of a dataset, and what it is."""
    with dataset_picture(dataset.id, image.index, alt=image.name):
        label, split = text.md(dataset.classes[image.label]), SPLIT_NAMES[image.split].capitalize()
        st.markdown(f"**{label}** · {split} · {image.width} × {image.height} pixels")
        st.text(image.name)


def position_among(total: int, *, key: str) -> int:
    """Which of `total` images the open dialog shows, kept in the session under `key`."""
    return min(max(st.session_state.get(key, 0), 0), total - 1)


def previous_next(position: int, total: int, *, key: str) -> None:
    """The buttons, and the arrow keys, that change the position under `key`."""
    back, words, forward = st.columns([1, 2, 1], vertical_alignment="center")
    words.caption(f"{position + 1:,} of {total:,}", text_alignment="center")
    for place, label, arrow, to in ((back, "Previous", "Left", position - 1), (forward, "Next", "Right", position + 1)):
        # A place, no step: a key that is pressed twice before the page is drawn goes on once.
        go, ended = partial(st.session_state.__setitem__, key, to), not 0 <= to < total
        button_key = f"{key}_{label.lower()}"
        place.button(label, on_click=go, disabled=ended, shortcut=arrow, width="stretch", key=button_key)
