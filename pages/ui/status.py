"""Status: what runs where, in one line: badges, the device line, and the progress of a background job.

Not here: what a run does (monitor.run_status).
"""

from collections.abc import Sequence
from typing import Literal

import streamlit as st

from engine.events import Device
from engine.store.job_store import Job
from pages.ui import text
from pages.ui.resources import job_store

ACTIVE = ("queued", "running")

# status -> word, colour and icon of the badge
_BADGES: dict[str, tuple[str, Literal["gray", "blue", "orange", "green", "red"], str]] = {
    "queued": ("Waiting", "gray", "schedule"),
    "running": ("Running", "blue", "play_circle"),
    "paused": ("Paused", "orange", "pause_circle"),
    "finished": ("Finished", "green", "check_circle"),
    "stopped": ("Stopped", "gray", "stop_circle"),
    "failed": ("Failed", "red", "error"),
    "interrupted": ("Interrupted", "orange", "power_off"),
    "cancelled": ("Cancelled", "gray", "cancel"),
}

# what the engine calls a stage -> words
_STAGES = {
    "unpack": "Unpacking",
    "read": "Reading images",
    "draw": "Drawing images",
    "frozen part": "Computing the frozen part once",
    "download": "Downloading weights",
    "number format": "Timing number formats, once for this machine",
    "describing": "Describing backbones",
    "predicting": "Predicting",
    "solving the head": "Solving the head, penalty by penalty",
    "features": "Looking at images",
}


def badge(status: str, *, paused: bool = False) -> None:
    label, colour, icon = _BADGES["paused" if paused else status]
    st.badge(label, icon=f":material/{icon}:", color=colour)


def word(status: str, *, paused: bool = False) -> str:
    return _BADGES["paused" if paused else status][0]


def stage_words(stage: str) -> str:
    return _STAGES.get(stage, text.md(stage[:1].upper() + stage[1:]))


def device_line(devices: Sequence[Device]) -> None:
    """Which device trains, and why it is not a GPU when it is not."""
    if not devices:
        st.caption(":material/hourglass_top: Looking for a GPU …")
        return
    names = " and ".join(_device(device) for device in devices)
    why = next((device.why for device in devices if device.why), "")
    st.caption(
        f":material/memory: Training on {names} · {text.md(why)}" if why else f":material/bolt: Training on {names}"
    )


def follow(job: Job, title: str) -> None:
    """A job that has not ended, each second, with a cancel button; the page reruns when it ends."""
    st.fragment(_live, run_every="1s")(job.id, title)


def _live(job_id: str, title: str) -> None:
    job = job_store().get(job_id)
    if job.ended:
        st.rerun()
    with st.container(border=True):
        words, button = st.columns([5, 1], vertical_alignment="center")
        words.markdown(f"**{text.md(title)}**")
        if button.button("Cancel", key=f"cancel_{job.id}", disabled=job.requested == "cancel", width="stretch"):
            job_store().cancel(job.id)
            st.rerun()
        progress(job)


def progress(job: Job) -> None:
    """How far the job is, and at what."""
    done, total = job.progress.done, job.progress.total
    st.progress(min(done / total, 1.0) if total else 0.0, text=_stage(job))


def _stage(job: Job) -> str:
    if job.requested == "cancel":
        return "Cancelling …"
    if job.status == "queued":
        return "Waiting for its turn …"
    stage, now = stage_words(job.progress.stage or "Starting"), job.progress
    return f"{stage} · {now.done:,} of {now.total:,}" if now.total else f"{stage} …"


def _device(device: Device) -> str:
    memory = f" ({text.bytes_(device.memory_bytes)})" if device.memory_bytes else ""
    return f"**{text.md(device.name or device.device)}**{memory}"
