"""Large image: what dialogs about one image share: the picture, and the way to the images beside it.

Not here: the dialogs themselves, and grids of thumbnails (gallery).
"""

import streamlit as st

from pages.ui import addresses

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


def picture(src: str, *, fallback: str, alt: str, key: str) -> None:
    """One image as large as the room allows; `fallback` when the browser cannot show it."""
    _component(key=key, data={"src": src, "fallback": fallback, "alt": alt})


def dataset_picture(dataset_id: str, index: int, *, alt: str, key: str) -> None:
    """An image of a dataset."""
    picture(addresses.image(dataset_id, index), fallback=addresses.thumbnail(dataset_id, index), alt=alt, key=key)


def position_among(total: int, *, key: str) -> int:
    """Which of its `total` images the open dialog shows; the position is kept in the session under `key`."""
    return min(max(st.session_state.get(key, 0), 0), total - 1)


def previous_next(position: int, total: int, *, key: str) -> None:
    """The buttons, and the arrow keys, that change the position under `key`."""
    back, words, forward = st.columns([1, 2, 1], vertical_alignment="center")
    words.caption(f"{position + 1:,} of {total:,}", text_alignment="center")
    for place, label, arrow, to in ((back, "Previous", "Left", position - 1), (forward, "Next", "Right", position + 1)):
        ended = not 0 <= to < total
        button_key = f"{key}_{label.lower()}"
        place.button(
            label, on_click=go_to, args=(to, key), disabled=ended, shortcut=arrow, width="stretch", key=button_key
        )


def go_to(position: int, key: str) -> None:
    """A place rather than a step: a key that is pressed twice before the page is drawn goes on once."""
    st.session_state[key] = position
