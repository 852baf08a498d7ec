"""Label decisions: what people decided of labels and nobody has applied yet, with the buttons that make a version of
it or forget it.

Not here: deciding (predictions.label_issues), keeping and applying (engine.data.label_decisions).
"""

import pandas as pd
import streamlit as st

from engine.data import label_decisions
from engine.data.dataset_records import Dataset
from engine.data.label_decisions import Decision, Decisions
from engine.errors import DatasetError
from pages.ui import text
from pages.ui.resources import workspace


def decision_in_words(decision: Decision) -> str:
    """What becomes of the image, in words that a class called `leaves` does not garble."""
    return (
        f"relabelled to {text.plain(decision.to)}"
        if decision.to
        else {"keep": "label kept", "exclude": "left out"}[decision.what]
    )


def pending_decisions(dataset: Dataset, known: Decisions, *, key: str) -> Dataset | None:
    """What waits, and the buttons; the new dataset in the run that made it. Nothing where nothing was decided."""
    if known.lost:
        st.warning(text.md(known.lost), icon=":material/info:")
    if not known.by_image:
        return None
    with st.container(border=True):
        st.markdown(f":material/pending_actions: **{counts_in_words(known)}**")
        with st.expander("Image by image", icon=":material/table_rows:"):
            rows = [
                (dataset.images[image].name, dataset.classes[dataset.images[image].label], decision_in_words(one))
                for image, one in known.by_image.items()
            ]
            st.dataframe(pd.DataFrame(rows, columns=["Image", "Labelled", "Decision"]), hide_index=True)
        with st.container(horizontal=True):
            wanted = st.button(
                "Make a new version of the dataset", type="primary", disabled=not known.changes, key=f"make_{key}"
            )
            with st.popover("Discard …", key=f"forget_{key}"):
                st.markdown("Forget all of them? The dataset is as it was either way.")
                st.button("Discard for good", on_click=label_decisions.discard, args=(dataset,), key=f"discard_{key}")
        st.caption(
            "Kept in the workspace until you apply or discard them. The old dataset stays as it is; all other images "
            "keep their label and "
            "their split, so runs on both can be compared."
            if known.changes
            else "A version needs at least one image that is left out or relabelled."
        )
        return _made(dataset) if wanted else None


def counts_in_words(known: Decisions) -> str:
    """`4 decisions not yet applied: 1 image left out, 2 relabelled, 1 label kept`"""
    what = [one.what for one in known.by_image.values()]
    out, relabelled, kept = (what.count(kind) for kind in ("exclude", "relabel", "keep"))
    said = [f"{text.count(out, 'image')} left out"] if out else []
    said += [f"{relabelled:,} relabelled"] if relabelled else []
    said += [f"{text.count(kept, 'label')} kept"] if kept else []
    return f"{text.count(len(what), 'decision')} not yet applied: {', '.join(said)}"


def _made(dataset: Dataset) -> Dataset | None:
    try:
        return label_decisions.apply(workspace(), dataset)
    except DatasetError as error:
        st.error(text.md(str(error)), icon=":material/error:")
        return None
