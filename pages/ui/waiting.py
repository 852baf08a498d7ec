"""Waiting: for what a background job makes: asked for, followed while it goes on, tried again when it failed.

Not here: what the jobs do, and how their results are drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from engine.store.job_store import Job
from pages.ui import status, text
from pages.ui.resources import job_store


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The words around an offer, with the icon and the key of its button."""

    ask: str
    again: str
    going: str
    icon: str
    key: str


def wait_for(kind: str, arguments: object, title: str, *, height: int = 120) -> None:
    """While the result is missing: submits the job unless it is on its way; the page reruns when it ends."""
    job = job_store().newest(kind, arguments)
    if job is not None and job.status in ("failed", "cancelled"):
        failure(job.error or f"{title} was cancelled.")
        submit_button("Try again", kind, arguments, key=f"again_{kind}")
        return
    if job is None or job.ended:  # ended and the result is still missing: somebody removed the file
        job = job_store().submit(kind, arguments)
    st.skeleton(height=height)
    status.follow(job, title)


def offer(kind: str, arguments: object, labels: Labels, *, draw: Callable[[Job], None]) -> None:
    """A job that somebody has to ask for: how it goes, its result by `draw`, and the button."""
    job = job_store().newest(kind, arguments)
    if under_way(job, labels.going):
        return
    done = job is not None and job.status == "finished"
    if job is not None and done:
        draw(job)
    submit_button(labels.again if done else labels.ask, kind, arguments, key=labels.key, icon=labels.icon)


def under_way(job: Job | None, title: str) -> bool:
    """Whether `job` goes on; draws its progress, or why it failed."""
    if job is not None and not job.ended:
        status.follow(job, title)
        return True
    if job is not None and job.status == "failed":
        failure(job.error)
    return False


def failure(reason: str | None) -> None:
    """Why a job failed."""
    st.error(text.md(reason or "It ended without saying why."), icon=":material/error:")


def submit_button(
    label: str,
    kind: str,
    arguments: object,
    *,
    key: str,
    icon: str | None = None,
    type: Literal["primary", "secondary"] = "secondary",
) -> None:
    """A click submits the job and draws the page anew. No callback, which would know what was typed last too late."""
    if st.button(label, key=key, icon=icon, type=type):
        job_store().submit(kind, arguments)
        st.rerun()
