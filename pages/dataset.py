"""Dataset: bring images, check what arrived, and look at what is there. Imports run in the background; this page asks
and watches."""

import streamlit as st

from engine.data import dataset as datasets
from engine.data.dataset_records import Dataset, DatasetSummary, VersionOrigin
from engine.data.label_decisions import read_decisions
from engine.errors import DatasetError
from engine.jobs import records
from pages.ui import status, text
from pages.ui.choice import choose
from pages.ui.dataset.bring_form import bring_images
from pages.ui.dataset.health_card import draft_decision, health_card
from pages.ui.dataset.image_browser import image_browser, image_dialog
from pages.ui.dataset.versions import change_gallery, version_links
from pages.ui.label_decisions import pending_decisions
from pages.ui.resources import job_store, run_store, workspace


def waiting_drafts() -> list[str]:
    """Imports that are done and not yet decided about, the newest first."""
    found = [made.draft for job in job_store().list("import") if (made := job.result_as(records.Draft))]
    return [draft for draft in found if workspace().incoming_item(draft).joinpath("draft.json").is_file()]


def caption_of(summary: DatasetSummary) -> str:
    return f"{text.short(summary.name)} · {text.count(summary.images, 'image')}, {text.count(summary.classes, 'class')}"


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
            datasets.delete_dataset(workspace(), dataset.id)
            st.rerun()


def decisions(dataset: Dataset) -> None:
    """What was decided of labels on the page Predictions and waits to be applied."""
    made = pending_decisions(dataset, read_decisions(dataset), key=dataset.id)
    if made is not None:
        st.query_params["dataset"] = made.id
        st.rerun()


def changes(dataset: Dataset, origin: VersionOrigin) -> None:
    picked = change_gallery(dataset, origin)
    if picked is not None:
        of, index = picked
        image_dialog(datasets.open_dataset(workspace(), of), index)


def failed_import() -> None:
    """Why the newest import ended without a result, until somebody has read it."""
    newest = next(iter(job_store().list("import")), None)
    if newest is None or newest.status != "failed" or newest.id in st.session_state.setdefault("read", set()):
        return
    st.error(text.md(newest.error or "The import ended without saying why."), icon=":material/error:")
    if st.button("Understood", key=f"read_{newest.id}"):
        st.session_state["read"].add(newest.id)
        st.rerun()


st.title("Dataset", anchor=False)
for job in job_store().list():
    if job.kind in ("import", "sample") and job.status in status.ACTIVE:
        asked = job.arguments_as(records.ImportImages)
        status.follow(job, f"Importing {asked.name}" if asked else "Drawing the sample dataset")
failed_import()
for draft in waiting_drafts():
    accepted = draft_decision(draft)
    if accepted:
        st.query_params["dataset"] = accepted
        st.rerun()

summaries = datasets.list_datasets(workspace())
st.subheader("Add images", anchor=False)
bring_images()

st.subheader("Your datasets", anchor=False)
if not summaries:
    st.info(
        "Nothing here yet. Drop a zip of photographs above; the sample dataset appears here as soon as it is drawn."
    )
    st.stop()
chosen = choose("Dataset", {summary.id: caption_of(summary) for summary in summaries}, key="dataset")
try:
    opened = datasets.open_dataset(workspace(), chosen)
    card, made_of = datasets.health_card(opened), datasets.version_origin(opened)
except DatasetError as problem:
    st.error(text.md(str(problem)))
    st.stop()
version_links(opened, made_of, {summary.id: summary for summary in summaries})
actions(opened)
decisions(opened)
names = ["Images", "Health card"]
gallery_tab, health_tab, *more = st.tabs([*names, f"Changes ({len(made_of.changes):,})"] if made_of else names)
with gallery_tab:
    image_browser(opened)
with health_tab:
    st.caption(f"{text.md(card.layout)} Fingerprint `{opened.fingerprint[:12]}`, made {opened.created_at[:10]}.")
    health_card(card, key=opened.id)
if made_of:
    with more[0]:
        changes(opened, made_of)
