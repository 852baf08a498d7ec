"""Waiting: something a background job must make first: asked for once, shown as a skeleton until it is there.

Not here: what the jobs do, and the pages that need their result.
"""

from collections.abc import Mapping

import streamlit as st

from engine.runs.jobs import Job
from pages.ui import status, text
from pages.ui.resources import job_store


def wait_for(kind: str, arguments: Mapping[str, object], title: str, *, height: int = 120) -> None:
    """Call while the result is missing: submits the job unless it is on its way, and reruns the page when it ends."""
    job = newest(kind, arguments)
    if job is not None and job.status in ("failed", "cancelled"):
        st.error(text.md(job.error or f"{title} was cancelled."), icon=":material/error:")
        if st.button("Try again", key=f"again_{kind}"):
            job_store().submit(kind, dict(arguments))
            st.rerun()
        return
    if job is None or job.ended:  # ended and the result is still missing: somebody removed the file
        job = job_store().submit(kind, dict(arguments))
    st.skeleton(height=height)
    status.follow(job, title)


def newest(kind: str, arguments: Mapping[str, object]) -> Job | None:
    """The latest job of this kind with exactly these arguments."""
    return next((job for job in job_store().list(kind) if job.arguments == dict(arguments)), None)
