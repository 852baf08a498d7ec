"""Bars: a short table of names and amounts as horizontal bars, which also reads as text."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "thaw_bars",
    html='<div class="legend"></div><div class="rows" role="list" tabindex="0"></div>\n',
    css=(_HERE / "bars.css").read_text(),
    js=(_HERE / "bars.js").read_text(),
)


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One row: its parts in the order of the legend, and the amount in words."""

    name: str
    values: tuple[float, ...]
    says: str
    strong: bool = False


def bars(rows: Sequence[Bar], *, label: str, key: str, parts: Sequence[str] = ("",), most: float = 0) -> None:
    """On one scale, up to `most` or the longest row; `parts` names the colours."""
    data = {"rows": [asdict(row) for row in rows], "parts": list(parts), "label": label, "most": most}
    _component(key=key, data=data)
