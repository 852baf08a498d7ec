"""Colours of the current theme, for what draws itself: figures and the block strip.

Not here: the colours themselves; they are said once, in .streamlit/config.toml.
"""

from collections.abc import Sequence

import streamlit as st

DASHES = ("solid", "dash", "dot")


def categorical(theme: str = "") -> tuple[str, ...]:
    """The ten colours that tell things apart in the theme the reader has chosen, or in `theme` (light or dark)."""
    return tuple(_option("chartCategoricalColors", theme))


def accent() -> str:
    """The accent as a CSS colour that follows a switch between light and dark by itself."""
    return f"light-dark({_option('primaryColor', 'light')}, {_option('primaryColor', 'dark')})"


def muted(theme: str = "") -> str:
    """A grey that can be read on the background of either theme."""
    return "#7c8594" if (theme or _theme()) == "light" else "#8b94a3"


def surface(theme: str = "") -> str:
    """The colour of what stands a little apart from the page."""
    return str(_option("secondaryBackgroundColor", theme))


def page(theme: str = "") -> str:
    """The colour behind everything."""
    return str(_option("backgroundColor", theme))


def ink(theme: str = "") -> str:
    """The colour of text."""
    return str(_option("textColor", theme))


def faint(colour: str, share: float = 0.16) -> str:
    """`#rrggbb` as an rgba colour of this opacity."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share:g})"


def styles(ids: Sequence[str], theme: str = "") -> dict[str, tuple[str, str]]:
    """(colour, dash) for every id, whose order decides: ten in a row never share a colour, and the next ten are dashed.

    Give all runs in order of creation, so that a run looks the same whatever is shown beside it.
    """
    colours = categorical(theme)
    return {
        key: (colours[turn % len(colours)], DASHES[turn // len(colours) % len(DASHES)]) for turn, key in enumerate(ids)
    }


def _option(name: str, theme: str) -> str | list[str]:
    return st.get_option(f"theme.{theme or _theme()}.{name}")


def _theme() -> str:
    return st.context.theme.type or "light"
