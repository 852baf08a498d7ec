"""Export: the model of a run as one zip that works without Thaw. Asked for, waited for, fetched.

Not here: what makes the bundle and checks it, which a background job does.
"""

import streamlit as st

from engine.jobs import records
from engine.jobs.bundle.formats import contents
from engine.store.job_store import Job
from engine.store.run import Run
from pages.ui import addresses, status, text
from pages.ui.download import download
from pages.ui.resources import job_store, workspace
from pages.ui.waiting import newest

KIND = "export"


def offer(run: Run) -> None:
    """A folded section: what the bundle holds, the button that makes it, and the link to it."""
    job = newest(KIND, {"run": run.id})
    with st.expander(
        "Export the model", icon=":material/package_2:", expanded=st.session_state.get("exported") == run.id
    ):
        st.markdown(
            "One zip that works without Thaw:\n"
            + "\n".join(f"- `{name}`: {about}" for name, about in contents(run.config.backbone).items())
        )
        if job is not None and not job.ended:
            status.follow(job, "Exporting the model")
            return
        if job is not None and job.status == "failed":
            st.error(text.md(job.error or "The export ended without saying why."), icon=":material/error:")
        ready = _ready(run)
        if ready:
            _bundle(run, job)
        if st.button("Export again" if ready else "Export the model", key="export", icon=":material/package_2:"):
            st.session_state["exported"] = run.id  # open from now on, so that the link is seen when it is there
            job_store().submit(KIND, {"run": run.id})
            st.rerun()


def _bundle(run: Run, job: Job | None) -> None:
    bundle = job.result_as(records.Bundle) if job is not None else None
    first, *more = (bundle and bundle.checks) or ("",)
    if first:
        st.success(text.md(first), icon=":material/verified:")
    for said in more:
        st.caption(text.md(said))
    size = text.bytes_((workspace().run(run.id) / "export.zip").stat().st_size)
    download(f"Download the bundle ({size})", addresses.run_file(run.id, "export.zip"), key=f"export_{run.id}")


def _ready(run: Run) -> bool:
    """Whether there is a bundle, made from the weights as they are now."""
    folder = workspace().run(run.id)
    bundle, weights = folder / "export.zip", folder / "best.safetensors"
    return bundle.is_file() and not (weights.is_file() and weights.stat().st_mtime_ns > bundle.stat().st_mtime_ns)
