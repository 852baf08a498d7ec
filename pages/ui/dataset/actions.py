"""Actions: what can be done with a dataset: train on it, delete it, and apply what was decided of its labels.

Not here: deciding (the page Predictions).
"""

import streamlit as st

from engine.data.dataset import delete_dataset
from engine.data.dataset_records import Dataset
from engine.data.label_decisions import read_decisions
from pages.ui import text
from pages.ui.label_decisions import pending_decisions
from pages.ui.resources import run_store, workspace


def actions(dataset: Dataset) -> None:
    train, remove, _ = st.columns([2, 1, 3])
    if train.button("Train on this dataset", type="primary", icon=":material/arrow_forward:", width="stretch"):
        st.switch_page("configure.py", query_params={"dataset": dataset.id})
    using = sum(run.config.dataset == dataset.id for run in run_store().list())
    with remove.popover("Delete …", width="stretch"):
        st.markdown(f"Delete **{text.md(dataset.name)}** with its {text.count(len(dataset.images), 'image')}?")
        if using:
            st.caption(f"{text.count(using, 'run')} used it. Their results stay, their galleries lose the pictures.")
        if st.button("Delete for good", key=f"delete_{dataset.id}"):
            delete_dataset(workspace(), dataset.id)
            st.rerun()


def decisions(dataset: Dataset) -> None:
    """What waits to be applied; the page goes on to the version that is made."""
    if version := pending_decisions(dataset, read_decisions(dataset), key=dataset.id):
        st.query_params["dataset"] = version.id
        st.rerun()
