"""Group choice: which images of a waiting import belong together, as far as names, source or times tell.

Not here: finding groups and dividing by them (engine.data).
"""

from collections.abc import Mapping

import streamlit as st

from engine.data.dataset_records import GroupBy
from engine.data.drafts import load_draft
from engine.data.grouping.groups import grouped, groupings
from pages.ui import text
from pages.ui.resources import workspace

_TITLES: Mapping[GroupBy, str] = {
    "source": "as the source names them",
    "name": "by what file names begin with",
    "time": "by pictures taken within moments",
}


def group_choice(draft_id: str) -> GroupBy:
    """What the split is to keep together beside near-copies; nothing is asked where nothing was found."""
    draft = load_draft(workspace(), draft_id)
    ways = groupings(draft)
    if not ways:
        return "auto"
    titles: dict[GroupBy, str] = {"none": "Divide image by image"}
    titles |= {way.by: f"{text.count(way.count, 'group')} {_TITLES[way.by]}" for way in ways}
    return st.radio(
        f"{text.count(ways[0].count, 'group')} found: keep each in one split?",
        list(titles),
        index=list(titles).index(grouped(draft).group_by),
        format_func=titles.__getitem__,
        key=f"groups_{draft_id}",
        help="Images of one person, video or burst are alike. Where some train and others test, scores look better "
        "than they are for new ones.",
    )
