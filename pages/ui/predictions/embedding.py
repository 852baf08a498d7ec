"""Embedding: what a background job found in the features of a run: asked for on a button, waited for, read once.

Not here: what is drawn of it (label_issues, near_duplicates, image_map).
"""

from dataclasses import replace
from pathlib import Path

import streamlit as st

from engine.data.dataset import open_dataset
from engine.data.dataset_records import Dataset, Image
from engine.errors import DatasetError
from engine.jobs import embedding_files
from engine.jobs.embedding_files import KIND, Embedded
from engine.store.run_record import Run
from engine.workspace import Workspace
from pages.ui import text
from pages.ui.resources import job_store, workspace
from pages.ui.waiting import submit_button, under_way
from pages.ui.widgets.gallery import Card, dataset_card, gallery

WHAT = (
    "The model's features of all images of the dataset show which **labels look wrong**, which images of different "
    "splits are **almost the same**, and which **lie close together**. Nothing is changed."
)


def embedding_of(run_id: str) -> Embedded | None:
    """What the job found with the weights as they are now; None when nothing is there."""
    if not embedding_files.ready(workspace(), run_id):
        return None
    return _read(str(workspace().root), run_id, embedding_files.stamp(workspace(), run_id))


def embedding_or_button(run: Run, *, key: str) -> tuple[Embedded, Dataset] | None:
    """What the job found, with the dataset; otherwise draws the job's progress, or the button that starts it."""
    try:
        dataset = open_dataset(workspace(), run.config.dataset)
    except DatasetError:
        st.info("The dataset of this run was deleted, and its images with it.")
        return None
    embedding = embedding_of(run.id)
    if embedding is not None and len(embedding.coordinates) == len(dataset.images):
        return embedding, dataset
    arguments, icon = {"run": run.id}, ":material/hub:"
    if not under_way(job_store().newest(KIND, arguments), "Looking at all images of the dataset"):
        st.markdown(WHAT)
        submit_button("Look at all images", KIND, arguments, key=f"embed_{key}", icon=icon, type="primary")
    return None


def nearest_images(run_id: str, dataset_id: str, image: int) -> None:
    """The training images closest to `image`, with their labels; nothing where the job has not run."""
    embedding = embedding_of(run_id)
    if embedding is None or not 0 <= image < len(embedding.nearest):
        return
    try:
        dataset = open_dataset(workspace(), dataset_id)
    except DatasetError:
        return
    pairs = zip(embedding.nearest[image].tolist(), embedding.cosines[image].tolist(), strict=True)
    near = {place: cosine for place, cosine in pairs if place >= 0}
    if not near:
        return
    st.markdown("**Nearest training images**")
    cards = [_card(dataset, dataset.images[place], cosine) for place, cosine in near.items()]
    picked = gallery(cards, label="Nearest training images", key="nearest", side=96)
    if picked is not None and int(picked) in near:
        st.text(dataset.images[int(picked)].name)
    st.caption("With their labels, and how alike their features are: 1 is the same. Pick one to see its file name.")


def _card(dataset: Dataset, image: Image, cosine: float) -> Card:
    label = text.short(dataset.classes[image.label], 24)
    alt = f"{image.name}, a training image of {label}, likeness {cosine:.2f}"
    return replace(dataset_card(dataset, image, note=f"{cosine:.2f}", alt=alt), title=label)


@st.cache_resource(show_spinner=False, max_entries=4)
def _read(root: str, run_id: str, changed_ns: int) -> Embedded:
    return embedding_files.read(Workspace(root=Path(root)), run_id)
