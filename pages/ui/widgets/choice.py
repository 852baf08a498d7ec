"""Choice: a select box over ids, whose chosen id stands in the address bar (`/predictions?run=run-…`).

Streamlit's own binding writes the caption into the address; ids stay valid when a name changes or two names are equal.
"""

from collections import Counter
from collections.abc import Mapping

import streamlit as st

from pages.ui import text


def choose(label: str, captions: Mapping[str, str], *, key: str, help: str | None = None) -> str:
    """The id a person chose among `captions` (id -> caption, best first); at first the `?key=` of the address."""
    asked, written = st.query_params.get(key), st.session_state.get(f"_{key}_written")
    # An address that changed since we wrote it (a link, the back button) is a new question; otherwise the widget
    # decides. What we wrote ourselves and is gone now was deleted here: no news.
    if asked != written:
        if asked in captions:
            st.session_state[f"_{key}"] = asked
        elif asked:
            missing = (
                f"The address asks for {label.lower()} {asked[:60]!r}, which is not here; it may have been deleted."
            )
            st.warning(text.md(f"{missing} Another is shown."), icon=":material/info:")
    if st.session_state.get(f"_{key}") not in captions:
        st.session_state.pop(f"_{key}", None)
    chosen = st.selectbox(label, captions, format_func=_distinct(captions).__getitem__, key=f"_{key}", help=help)
    st.query_params[key] = st.session_state[f"_{key}_written"] = chosen
    return chosen


def _distinct(captions: Mapping[str, str]) -> dict[str, str]:
    """Select boxes answer with the caption, so two equal captions would be one; the id tells them apart."""
    flat = {id_: text.plain(caption) for id_, caption in captions.items()}
    seen = Counter(flat.values())
    return {id_: f"{caption} ({id_})" if seen[caption] > 1 else caption for id_, caption in flat.items()}
