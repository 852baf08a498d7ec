"""Weights file: a file of the user's own, from the drop area to the sentence that says what in it fitted.

Not here: reading the file, which a background job does in a process of its own.
"""

import streamlit as st

from engine.jobs import records
from engine.models.weights_store import Match, list_weights
from engine.store.job_store import Job
from pages.ui import text
from pages.ui.configure import backbones
from pages.ui.resources import job_store, workspace
from pages.ui.status import follow
from pages.ui.widgets.upload_area import upload_area

_JOB = "weights_job"


def file_names() -> dict[str, str]:
    """Id -> file name of everything that was brought, newest first."""
    return {entry.id: entry.name for entry in list_weights(workspace())}


def bring(backbone: str) -> None:
    """The drop area, folded; then the job at work; then what matched, was missing and was left over."""
    job = _job(backbone)
    with st.expander("Bring a weights file", icon=":material/upload_file:", expanded=job is not None):
        if job is not None and not job.ended:
            follow(job, "Reading the weights file")
            return
        if job is not None:
            _outcome(job)
        accepted = ".pth, .pt or .safetensors: a state dict, or a checkpoint that holds one"
        arrival = upload_area("Drop a weights file here", accepted, key="weights")
        if arrival is not None:
            arguments = {"upload": arrival.upload, "backbone": backbone}
            st.session_state[_JOB] = job_store().submit("weights", arguments).id
            st.rerun()


def match_sentences(match: Match) -> list[str]:
    """What matched and what was missing; what the engine says of it and of the rest follows."""
    sentences = [f"{text.count(match.matched, 'tensor')} of the file fitted the backbone."]
    if missing := len(match.missing):
        verb = "is" if missing == 1 else "are"
        sentences.append(
            f"{text.count(missing, 'tensor')} of the backbone {verb} not in the file: random values instead."
        )
    return [*sentences, *(text.short(note, 400) for note in match.notes)]


def _job(backbone: str) -> Job | None:
    """The last file brought in this tab, if it was for this backbone."""
    asked = st.session_state.get(_JOB)
    job = next((job for job in job_store().list("weights") if job.id == asked), None)
    wanted = job.arguments_as(records.ReadWeights) if job else None
    return job if wanted and wanted.backbone == backbone else None


def _outcome(job: Job) -> None:
    made = job.result_as(records.Weights)
    if made is None:
        st.error(text.md(job.error or "Reading the file was cancelled."), icon=":material/error:")
        return
    if st.session_state.get("weights_taken") != job.id:  # select it once; afterwards the person decides
        st.session_state["weights_taken"] = job.id
        st.session_state[backbones.PENDING] = f"file:{made.weights}"
        st.rerun()
    st.markdown("\n".join(f"- {text.md(sentence)}" for sentence in match_sentences(made.match)))
