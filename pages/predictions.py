"""Predictions: how good a run is, which images it gets wrong, and what it says of new ones. Reads the run's folder;
predicts nothing."""

import streamlit as st

from engine.data.dataset_records import SPLIT_NAMES
from engine.store.run_record import Run
from pages.ui import addresses, text
from pages.ui.audit import audit_section, is_audited
from pages.ui.predictions.embedding import embedding_or_button
from pages.ui.predictions.export import export_section
from pages.ui.predictions.image_map import image_map
from pages.ui.predictions.label_issues import decisions, label_issues
from pages.ui.predictions.near_duplicates import near_duplicates
from pages.ui.predictions.new_images import new_images
from pages.ui.predictions.own_images import own_images
from pages.ui.predictions.reliability import reliability
from pages.ui.resources import run_store, workspace
from pages.ui.strategies import title
from pages.ui.widgets.choice import choose
from pages.ui.widgets.download_link import download


def run_caption(run: Run) -> str:
    words, config = [text.short(run.name)], run.config
    if config.backbone not in run.name or config.strategy not in run.name:  # as they are, unless a person named the run
        words.append(f"{config.backbone}, {title(config.strategy).lower()}")
    scores = {"test": run.summary.test_accuracy, "val": run.summary.val_accuracy} if run.summary else {}
    measured = [
        f"{text.percent(score)} of {SPLIT_NAMES[split]} images right" for split, score in scores.items() if score
    ]
    return " · ".join([*words, *measured[:1]])


def data(run: Run) -> None:
    """What the features say of the dataset itself: labels, and images that occur twice."""
    if known := embedding_or_button(run, key="data"):
        label_issues(run, *known)
        decisions(run, known[1])
        near_duplicates(run, *known)


def map_(run: Run) -> None:
    if known := embedding_or_button(run, key="map"):
        image_map(run, *known)


st.title("Predictions", anchor=False)
runs = {run.id: run for run in run_store().list() if (workspace().run(run.id) / "predictions.csv").is_file()}
if not runs:
    waiting = "No run has predictions yet. They appear here when the first run has finished."
    st.info(waiting, icon=":material/grid_view:")
    st.page_link("configure.py", label="Go to Configure", icon=":material/arrow_forward:")
    st.stop()
picker, link = st.columns([3, 1], vertical_alignment="bottom")
with picker:
    run = runs[choose("Run", {id_: run_caption(run) for id_, run in runs.items()}, key="run")]
with link:
    if (workspace().run(run.id) / "result.csv").is_file():
        download("Download result.csv", addresses.run_file(run.id, "result.csv"), key="download_run")
export_section(run)
if is_audited(run):
    audit_section(run)
views = {
    "Validation and test images": own_images,
    "Confidence": reliability,
    "Labels and copies": data,
    "Map": map_,
    "New images": new_images,
}
for tab, draw in zip(st.tabs(list(views), key="views", on_change="rerun"), views.values(), strict=True):
    # The others read and draw much, so only when somebody looks; what is filtered or sent here must stay.
    if tab.open or draw in (own_images, new_images):
        with tab:
            draw(run)
