"""New images: images that a run has not seen: sent, predicted by a job, and looked at like those of its dataset.

Not here: predicting them, and adding them to a dataset.
"""

from contextlib import suppress

import streamlit as st

from engine.data.dataset import open_dataset
from engine.errors import DatasetError
from engine.evaluation.predictions import classes_of
from engine.jobs import records
from engine.store.run_record import Run
from pages.ui import addresses, status, text
from pages.ui.predictions.filters import filters
from pages.ui.predictions.image_gallery import ImageSource, thumbnails
from pages.ui.predictions.predicted_images import ordered, prediction_table, select, unreadable_files
from pages.ui.resources import job_store, workspace
from pages.ui.waiting import failure
from pages.ui.widgets.choice import choose
from pages.ui.widgets.download_link import download
from pages.ui.widgets.upload_area import upload_area


def new_images(run: Run) -> None:
    """Send, wait, look."""
    _unlabelled(run)
    hint = "Images, a folder or a zip, or images with a list of them. They are not added to any dataset."
    if arrival := upload_area("Drop new images here to have them predicted", hint, key="new"):
        name = text.plain(arrival.name)
        job_store().submit("predict", records.Predict(run=run.id, source=arrival.upload, name=name))
        st.rerun()
    asked = [(job, job.arguments_as(records.Predict)) for job in job_store().list("predict")]
    jobs = {job: text.short(of.name or "New images") for job, of in asked if of and of.run == run.id}
    for job, name in jobs.items():
        if not job.ended:
            status.follow(job, f"Predicting {name}")
    if jobs and (newest := next(iter(jobs))).status == "failed":
        failure(newest.error)
    done = {made.predictions: name for job, name in jobs.items() if (made := job.result_as(records.Predictions))}
    if done:
        _predicted(run, choose("Predicted images", done, key="predictions"))


def _unlabelled(run: Run) -> None:
    """Offers the images that came with the run's dataset and have no class."""
    with suppress(DatasetError):  # deleted since
        if images := open_dataset(workspace(), run.config.dataset).unlabelled:
            one = "the image" if len(images) == 1 else f"the {len(images):,} images"
            if st.button(f"Predict {one} without a class that came with the dataset", icon=":material/label_off:"):
                job_store().submit("predict", records.Predict(run=run.id, name="Images without a class"))
                st.rerun()


def _predicted(run: Run, predictions_id: str) -> None:
    table = prediction_table(workspace().run(run.id) / "predictions" / predictions_id / "predictions.csv")
    failed = unreadable_files(table)
    words, link = st.columns([3, 1], vertical_alignment="center")
    readable = text.count(len(table) - len(failed), "image")
    words.markdown(f"**{readable}** predicted, {text.count(len(failed), 'file')} unreadable.")
    with link:
        download("Download result.csv", addresses.new_result(run.id, predictions_id), key="download_new")
    if len(failed):
        st.dataframe(failed, hide_index=True)
    selection, order = filters(table, classes_of(table), key=predictions_id)
    source = ImageSource(run=run.id, predictions=predictions_id)
    thumbnails(ordered(select(table, selection), order), source, key=predictions_id)
