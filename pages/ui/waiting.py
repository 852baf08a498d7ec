"""Waiting: something a background job must make first: asked for once, shown as a skeleton until it is there.

Not here: what the jobs do, and the pages that need their result.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import streamlit as st

from engine.store.job_store import Job
from pages.ui import status, text
from pages.ui.resources import job_store


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The words around an offer."""

    ask: str
    again: str
    going: str
    failed: str
    """Said when a job failed without a sentence of its own."""
    icon: str
    key: str
    """Of the button."""


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


def offer(kind: str, arguments: Mapping[str, object], labels: Labels, show: Callable[[Job], None]) -> None:
    """A job that is done only when somebody asks: how it goes, what came of it (drawn by `show`), and the button that
    asks."""
    job = newest(kind, arguments)
    if job is not None and not job.ended:
        status.follow(job, labels.going)
        return
    if job is not None and job.status == "failed":
        st.error(text.md(job.error or labels.failed), icon=":material/error:")
    done = job is not None and job.status == "finished" and job.result is not None
    if job is not None and done:
        show(job)
    if st.button(labels.again if done else labels.ask, key=labels.key, icon=labels.icon):
        job_store().submit(kind, dict(arguments))
        st.rerun()


def newest(kind: str, arguments: Mapping[str, object]) -> Job | None:
    """The latest job of this kind with exactly these arguments."""
    return job_store().newest(kind, dict(arguments))
