"""Colours of the current theme, for what draws itself: figures and the block strip.

Not here: the colours themselves; they are said once, in .streamlit/config.toml.
"""

from collections.abc import Sequence

import streamlit as st

_FALLBACK = (
    "#2563eb",
    "#d97706",
    "#059669",
    "#c026d3",
    "#dc2626",
    "#0891b2",
    "#7c3aed",
    "#65a30d",
    "#db2777",
    "#64748b",
)
DASHES = ("solid", "dash", "dot")


def categorical(theme: str = "") -> tuple[str, ...]:
    """The ten colours that tell things apart in the theme the reader has chosen, or in `theme` (light or dark)."""
    chosen = st.get_option(f"theme.{theme or _theme()}.chartCategoricalColors")
    return tuple(chosen) if chosen and len(chosen) == len(_FALLBACK) else _FALLBACK


def accent() -> str:
    """The accent as a CSS colour that follows a switch between light and dark by itself."""
    light, dark = (
        st.get_option(f"theme.{theme}.primaryColor") or fallback
        for theme, fallback in (("light", "#1d4ed8"), ("dark", "#60a5fa"))
    )
    return f"light-dark({light}, {dark})"


def muted(theme: str = "") -> str:
    """A grey that can be read on the background of either theme."""
    return "#7c8594" if (theme or _theme()) == "light" else "#8b94a3"


def surface(theme: str = "") -> str:
    """The colour of what stands a little apart from the page."""
    return _option("secondaryBackgroundColor", theme, light="#f2f6f9", dark="#19252d")


def page(theme: str = "") -> str:
    """The colour behind everything."""
    return _option("backgroundColor", theme, light="#ffffff", dark="#0f171c")


def ink(theme: str = "") -> str:
    """The colour of text."""
    return _option("textColor", theme, light="#1c2a33", dark="#e4edf2")


def faint(colour: str, share: float = 0.16) -> str:
    """`#rrggbb` as an rgba colour of this opacity."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share:g})"


def styles(ids: Sequence[str], theme: str = "") -> dict[str, tuple[str, str]]:
    """(colour, dash) for every id in `ids`, all runs in order of creation.

    The colour hangs on the turn, not on what is shown beside it. The first colours, which differ most, go first;
    ten in a row never share one, and the next ten are dashed.
    """
    colours = categorical(theme)
    return {
        key: (colours[turn % len(colours)], DASHES[turn // len(colours) % len(DASHES)]) for turn, key in enumerate(ids)
    }


def _option(name: str, theme: str, *, light: str, dark: str) -> str:
    theme = theme or _theme()
    return str(st.get_option(f"theme.{theme}.{name}") or (light if theme == "light" else dark))


def _theme() -> str:
    return st.context.theme.type or "light"
