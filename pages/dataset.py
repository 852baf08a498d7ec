"""Dataset: bring images, check what arrived, and look at what is there. Imports run in the background; this page asks
and watches."""

import streamlit as st

from engine.data import dataset as datasets
from engine.data.dataset_records import DatasetSummary
from engine.errors import DatasetError
from pages.ui import text
from pages.ui.dataset.actions import actions, decisions
from pages.ui.dataset.bring_form import bring_images
from pages.ui.dataset.health_card import health_card
from pages.ui.dataset.image_browser import image_browser
from pages.ui.dataset.imports import imports
from pages.ui.dataset.versions import changed_images, version_links
from pages.ui.resources import workspace
from pages.ui.widgets.choice import choose


def dataset_caption(summary: DatasetSummary) -> str:
    return f"{text.short(summary.name)} · {text.count(summary.images, 'image')}, {text.count(summary.classes, 'class')}"


st.title("Dataset", anchor=False)
imports()
summaries = {summary.id: summary for summary in datasets.list_datasets(workspace())}
st.subheader("Add images", anchor=False)
bring_images()

st.subheader("Your datasets", anchor=False)
if not summaries:
    st.info(
        "Nothing here yet. Drop a zip of photographs above; the sample dataset appears here as soon as it is drawn."
    )
    st.stop()
chosen = choose("Dataset", {id_: dataset_caption(summary) for id_, summary in summaries.items()}, key="dataset")
try:
    dataset = datasets.open_dataset(workspace(), chosen)
    card, origin = datasets.health_card(dataset), datasets.version_origin(dataset)
except DatasetError as problem:
    st.error(text.md(str(problem)))
    st.stop()
version_links(dataset, origin, summaries)
actions(dataset)
decisions(dataset)
names = ["Images", "Health card"]
gallery_tab, health_tab, *more = st.tabs([*names, f"Changes ({len(origin.changes):,})"] if origin else names)
with gallery_tab:
    image_browser(dataset)
with health_tab:
    st.caption(f"{text.md(card.layout)} Fingerprint `{dataset.fingerprint[:12]}`, made {dataset.created_at[:10]}.")
    health_card(card, key=dataset.id)
if origin:
    with more[0]:
        changed_images(dataset, origin)
