"""Export: the model of a run as one zip that works without Thaw. Asked for, waited for, fetched.

Not here: what makes the bundle and checks it, which a background job does.
"""

import streamlit as st

from engine.jobs import records
from engine.jobs.bundle.formats import contents
from engine.store.job_store import Job
from engine.store.run_record import Run
from pages.ui import addresses, text
from pages.ui.resources import job_store, workspace
from pages.ui.waiting import submit_button, under_way
from pages.ui.widgets.download_link import download
from pages.ui.widgets.section import section

KIND = "export"
ICON = ":material/package_2:"


def export_section(run: Run) -> None:
    """Folded: what the bundle holds, the button that makes it, and the link to it."""
    with section("Export the model", icon=ICON, key=f"fold_export_{run.id}") as seen:
        if not seen:
            return
        files = "\n".join(f"- `{name}`: {content}" for name, content in contents(run.config.backbone).items())
        st.markdown(f"One zip that works without Thaw:\n{files}")
        job = job_store().newest(KIND, {"run": run.id})
        if under_way(job, "Exporting the model"):
            return
        ready = _ready(run)
        if ready:
            _bundle(run, job)
        label = "Export again" if ready else "Export the model"
        submit_button(label, KIND, {"run": run.id}, key="export", icon=ICON)


def _bundle(run: Run, job: Job | None) -> None:
    bundle = job.result_as(records.Bundle) if job is not None else None
    first, *more = (bundle and bundle.checks) or ("",)
    if first:
        st.success(text.md(first), icon=":material/verified:")
    for check in more:
        st.caption(text.md(check))
    size = text.bytes_((workspace().run(run.id) / "export.zip").stat().st_size)
    download(f"Download the bundle ({size})", addresses.run_file(run.id, "export.zip"), key=f"export_{run.id}")


def _ready(run: Run) -> bool:
    """Whether there is a bundle, made from the weights as they are now."""
    folder = workspace().run(run.id)
    bundle, weights = folder / "export.zip", folder / "best.safetensors"
    return bundle.is_file() and not (weights.is_file() and weights.stat().st_mtime_ns > bundle.stat().st_mtime_ns)
