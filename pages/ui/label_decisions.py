"""Label decisions: what people decided of labels and nobody has applied yet, and the buttons that apply or forget it.

Not here: deciding (predictions.label_issues), keeping (engine.data.label_decisions).
"""

from collections import Counter

import pandas as pd
import streamlit as st

from engine.data import label_decisions
from engine.data.dataset_records import Dataset
from engine.data.label_decisions import Decision, Decisions
from engine.errors import DatasetError
from pages.ui import text
from pages.ui.resources import workspace
from pages.ui.waiting import failure


def decision_in_words(decision: Decision) -> str:
    if decision.to:
        return f"relabelled to {text.plain(decision.to)}"
    return {"keep": "label kept", "exclude": "left out"}[decision.what]


def pending_decisions(dataset: Dataset, known: Decisions, *, key: str) -> Dataset | None:
    """What waits, and the buttons; the new dataset in the run that made it."""
    if known.lost:
        st.warning(text.md(known.lost), icon=":material/info:")
    if not known.by_image:
        return None
    with st.container(border=True):
        st.markdown(f":material/pending_actions: **{counts_in_words(known)}**")
        with st.expander("Image by image", icon=":material/table_rows:"):
            images = [dataset.images[image] for image in known.by_image]
            rows = {
                "Image": [image.name for image in images],
                "Labelled": [dataset.classes[image.label] for image in images],
                "Decision": [decision_in_words(decision) for decision in known.by_image.values()],
            }
            st.dataframe(pd.DataFrame(rows), hide_index=True)
        with st.container(horizontal=True):
            label = "Make a new version of the dataset"
            wanted = st.button(label, type="primary", disabled=not known.changes, key=f"make_{key}")
            with st.popover("Discard …", key=f"forget_{key}"):
                st.markdown("Forget all of them? The dataset is as it was either way.")
                st.button(
                    "Discard for good",
                    on_click=label_decisions.discard_decisions,
                    args=(dataset,),
                    key=f"discard_{key}",
                )
        st.caption(
            "Kept in the workspace until you apply or discard them. The old dataset stays as it is; all other images "
            "keep label and split, so runs on both can be compared."
            if known.changes
            else "A version needs at least one image that is left out or relabelled."
        )
        try:
            return label_decisions.apply(workspace(), dataset) if wanted else None
        except DatasetError as error:
            failure(str(error))
            return None


def counts_in_words(known: Decisions) -> str:
    """`4 decisions not yet applied: 1 image left out, 2 images relabelled, 1 label kept`"""
    counts = Counter[str](decision.what for decision in known.by_image.values())
    words = {"exclude": ("image", "left out"), "relabel": ("image", "relabelled"), "keep": ("label", "kept")}
    said = [f"{text.count(counts[what], noun)} {verb}" for what, (noun, verb) in words.items() if counts[what]]
    return f"{text.count(counts.total(), 'decision')} not yet applied: {', '.join(said)}"
