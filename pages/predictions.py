"""Predictions: how good a run is, which images it gets wrong, and what it says of new ones. Reads the run's folder;
predicts nothing."""

import streamlit as st

from engine.data.dataset_records import SPLIT_NAMES
from engine.evaluation.predictions import classes_of
from engine.jobs import records
from engine.store.job_store import Job
from engine.store.run import Run
from pages.ui import addresses, status, text
from pages.ui.audit import audit_section, is_audited
from pages.ui.choice import choose
from pages.ui.download import download
from pages.ui.predictions import export
from pages.ui.predictions.embedding import embedding_or_button
from pages.ui.predictions.filters import filters
from pages.ui.predictions.image_gallery import ImageSource, thumbnails
from pages.ui.predictions.image_map import image_map
from pages.ui.predictions.label_issues import decisions, label_issues
from pages.ui.predictions.near_duplicates import near_duplicates
from pages.ui.predictions.own_images import own_images
from pages.ui.predictions.reliability import reliability
from pages.ui.predictions.row_selection import ordered, prediction_table, select, unreadable_files
from pages.ui.resources import job_store, run_store, workspace
from pages.ui.strategies import title
from pages.ui.upload import next_upload, upload_area


def caption_of(run: Run) -> str:
    tested, validated = (run.summary.test_accuracy, run.summary.val_accuracy) if run.summary else (None, None)
    accuracy = tested or validated
    words = [text.short(run.name)]
    if (
        run.config.backbone not in run.name or run.config.strategy not in run.name
    ):  # as they are, unless a person named the run
        words.append(f"{run.config.backbone}, {title(run.config.strategy).lower()}")
    split = SPLIT_NAMES["test" if tested else "val"]
    return " · ".join([*words, f"{text.percent(accuracy)} of {split} images right"] if accuracy else words)


def new_images(run: Run) -> None:
    """Images that the run has not seen: send, wait, look."""
    hint = "Images, a folder or a zip. They are not added to any dataset."
    arrival = upload_area("Drop new images here to have them predicted", hint, key="new")
    if arrival:
        job_store().submit(
            "predict", {"run": run.id, "source": arrival.upload, "name": text.plain(arrival.name) or "New images"}
        )
        next_upload("new")
        st.rerun()
    jobs = [job for job in job_store().list("predict") if _asked(job).run == run.id]
    for job in jobs:
        if not job.ended:
            status.follow(job, f"Predicting {_asked(job).name}")
    if jobs and jobs[0].status == "failed":
        st.error(text.md(jobs[0].error or "The prediction ended without saying why."), icon=":material/error:")
    done = {made.predictions: job for job in jobs if (made := job.result_as(records.Predictions))}
    if done:
        predicted(
            run, choose("Predicted images", {id_: job_caption(job) for id_, job in done.items()}, key="predictions")
        )


def job_caption(job: Job) -> str:
    return text.short(_asked(job).name or "New images")


def _asked(job: Job) -> records.Predict:
    return job.arguments_as(records.Predict) or records.Predict(run="", source="")


def predicted(run: Run, predictions_id: str) -> None:
    table = prediction_table(workspace().run(run.id) / "predictions" / predictions_id / "predictions.csv")
    failed = unreadable_files(table)
    words, link = st.columns([3, 1], vertical_alignment="center")
    words.markdown(
        f"**{text.count(len(table) - len(failed), 'image')}** predicted, {text.count(len(failed), 'file')} unreadable."
    )
    with link:
        download("Download result.csv", addresses.new_result(run.id, predictions_id), key="download_new")
    if len(failed):
        st.dataframe(failed, hide_index=True)
    wanted, order = filters(table, classes_of(table), key=predictions_id)
    thumbnails(
        ordered(select(table, wanted), order),
        ImageSource(run=run.id, dataset="", predictions=predictions_id),
        key=predictions_id,
    )


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
    st.info(
        "No run has predictions yet. They appear here when the first run has finished.", icon=":material/grid_view:"
    )
    if st.button("Go to Configure", icon=":material/arrow_forward:"):
        st.switch_page("configure.py")
    st.stop()
picker, link = st.columns([3, 1], vertical_alignment="bottom")
with picker:
    chosen_run = runs[choose("Run", {id_: caption_of(run) for id_, run in runs.items()}, key="run")]
with link:
    if (workspace().run(chosen_run.id) / "result.csv").is_file():
        download("Download result.csv", addresses.run_file(chosen_run.id, "result.csv"), key="download_run")
export.offer(chosen_run)
if is_audited(chosen_run):
    audit_section(chosen_run)
names = ["Validation and test images", "Confidence", "Labels and copies", "Map", "New images"]
known, sure, checked, mapped, unseen = st.tabs(names, key="views", on_change="rerun")
with known:
    own_images(chosen_run)
for tab, draw in ((sure, reliability), (checked, data), (mapped, map_)):
    if tab.open:  # they read and draw much, so only when somebody looks
        with tab:
            draw(chosen_run)
with unseen:
    new_images(chosen_run)
