"""Imports: those under way, the newest if it failed, and those that wait for a decision.

Not here: asking for an import (bring_form), and the decision itself (health_card).
"""

import streamlit as st

from engine.jobs import records
from engine.store.job_store import Job
from pages.ui import status
from pages.ui.dataset.health_card import draft_decision
from pages.ui.resources import job_store, workspace
from pages.ui.waiting import failure


def imports() -> None:
    """Also the drawing of the sample dataset; the page goes on to a dataset that is accepted."""
    jobs = [job for job in job_store().list() if job.kind in ("import", "sample")]
    for job in jobs:
        if not job.ended:
            asked = job.arguments_as(records.ImportImages)
            status.follow(job, f"Importing {asked.name}" if asked else "Drawing the sample dataset")
    jobs = [job for job in jobs if job.kind == "import"]
    if jobs and jobs[0].unread:
        _failed(jobs[0])
    for job in jobs:
        draft = job.result_as(records.Draft)
        waits = draft and workspace().incoming_item(draft.draft).joinpath("draft.json").is_file()
        if draft and waits and (dataset := draft_decision(draft.draft)):
            st.query_params["dataset"] = dataset
            st.rerun()


def _failed(job: Job) -> None:
    """Until somebody has read it."""
    failure(job.error)
    st.button("Understood", key=f"read_{job.id}", on_click=job_store().understood, args=(job.id,))
