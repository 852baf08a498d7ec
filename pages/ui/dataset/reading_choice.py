"""Reading choice: how the folders, tables and names of an import were understood, what is doubtful about that, and the
other ways one click away.

Not here: how readings are made and judged (the engine), and accepting the import (health_card).
"""

from collections.abc import Mapping

import streamlit as st

from engine.data.dataset_records import Alternative, HealthCard
from engine.data.drafts import take_reading
from engine.errors import DatasetError
from pages.ui import text
from pages.ui.resources import workspace

_SHOWN = 8


def reading_choice(card: HealthCard, draft_id: str) -> None:
    """A question first where there is a doubt; the likeliest other reading stands open, the rest is folded."""
    if card.doubts:
        st.warning(f"**Are these the classes?**\n\n{text.bullets(card.doubts)}", icon=":material/help:")
    st.markdown(f"**{text.md(card.layout)}**")
    if card.tree:
        st.markdown(_tree(card))
    first, *others = card.alternatives or (None,)
    if first is not None:
        _alternative(first, draft_id)
    if others:
        with st.expander("More ways to read it", icon=":material/account_tree:"):
            for other in others:
                if other is not None:
                    _alternative(other, draft_id)


def _tree(card: HealthCard) -> str:
    """Nested bullets."""
    lines = []
    for line in card.tree:
        taken_for = f" · {line.taken_for}" if line.taken_for else ""
        lines.append(f"{'  ' * line.depth}- {text.md(text.short(line.name))}{taken_for} · {line.images:,}")
    return "\n".join(lines)


def _alternative(other: Alternative, draft_id: str) -> None:
    words, button = st.columns([4, 1], vertical_alignment="center")
    words.caption(f"Or: {text.md(other.sentence)} {_counted(other.classes)}")
    if button.button("Read it so", key=f"read_{other.key}_{draft_id}", width="stretch"):
        try:
            take_reading(workspace(), draft_id, other.key)
        except DatasetError as error:
            st.error(text.md(str(error)))
        else:
            st.rerun()


def _counted(classes: Mapping[str, int]) -> str:
    first = [f"{text.md(text.short(name))} {images:,}" for name, images in list(classes.items())[:_SHOWN]]
    return " · ".join(first) + (f" · {len(classes) - _SHOWN:,} more" if len(classes) > _SHOWN else "")
