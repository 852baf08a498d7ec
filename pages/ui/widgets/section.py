"""Section: folded, and drawn only when somebody opens it.

Not here: sections whose widgets must be known although they are closed (options of a run).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st


@contextmanager
def section(label: str, *, icon: str, key: str, opened: bool = False) -> Iterator[bool]:
    """Whether it is open; draw into it only then. Opening it draws the page, or the fragment around it, anew.

    with section("Log", icon=":material/article:", key="log") as seen:
        if seen:
            ...
    """
    place = st.expander(label, expanded=opened, icon=icon, key=key, on_change="rerun")
    with place:
        yield bool(place.open)
