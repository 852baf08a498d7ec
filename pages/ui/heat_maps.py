"""Attention: what in one image speaks for a class, in the eyes of one run: heat maps, made by a job when they are not
there yet.

Works in any column or dialog, several times on a page. Not here: the method, and where the pictures are kept.
"""

from collections.abc import Sequence

import streamlit as st

from engine.errors import EngineError
from engine.jobs import heat_map_files
from engine.jobs.heat_map_files import Explanation, Subject
from engine.store.job_store import Job
from pages.ui import status, text
from pages.ui.figures import Figure, Group, figures
from pages.ui.resources import job_store, workspace
from pages.ui.waiting import newest

KIND = "explain"
LEGEND = "Yellow places speak most for the class, blue ones least. Every map is scaled to its own strongest place."
SANITY = (
    "Beside each map stands its check, made behind a head of random weights, which has learnt nothing. "
    "Where both look alike, the map shows the picture rather than what was learnt."
)
SMALL = "Of new images only a small copy is kept. The maps are made from it, so the probabilities may differ a little."


def attention(run_id: str, subject: Subject, classes: Sequence[str], *, key: str) -> None:
    """The square that the run `run_id` saw of `subject`, and a heat map for each of `classes` with its check beside."""
    wanted = tuple(dict.fromkeys(classes))
    try:
        missing = [name for name, found in _known(run_id, subject, wanted) if found is None]
    except EngineError as error:
        _say(str(error))
        return
    for name in missing:
        job = _job(run_id, subject, name)
        if job is None or job.status == "finished":  # finished and not there: it was dropped to make room
            job_store().submit(KIND, _arguments(run_id, subject, name))
    # Its own fragment draws the maps when they come: a rerun of the page would close the dialog around it.
    st.fragment(_panel, run_every="1s" if missing else None)(run_id, subject, wanted, key)


def _panel(run_id: str, subject: Subject, classes: tuple[str, ...], key: str) -> None:
    try:
        known = _known(run_id, subject, classes)
    except EngineError as error:  # the run was deleted meanwhile
        _say(str(error))
        return
    ready = [found for _, found in known if found is not None]
    if ready:
        figures(_groups(run_id, ready), label="What the model looked at", key=f"attention_{key}")
        st.caption(f"{LEGEND} {SMALL}" if subject.predictions else LEGEND)
    if len(ready) < len(known):  # one at a time: they are made one after the other
        _wait(run_id, subject, next(name for name, found in known if found is None), key)


def _wait(run_id: str, subject: Subject, name: str, key: str) -> None:
    """How far the job is, or why it failed."""
    job = _job(run_id, subject, name)
    if job is None or job.status in ("failed", "cancelled"):
        _say((job.error if job else None) or "The map was not made.")
        if st.button("Try again", key=f"again_{KIND}_{key}"):
            job_store().submit(KIND, _arguments(run_id, subject, name))
        return
    done, total = float(job.progress.get("done") or 0), float(job.progress.get("total") or 1)
    stage = (
        "Waiting for its turn"
        if job.status == "queued"
        else status.stage_words(str(job.progress.get("stage") or "Starting"))
    )
    st.progress(min(done / total, 1.0), text=f"{stage} …")


def _known(run_id: str, subject: Subject, classes: Sequence[str]) -> list[tuple[str, Explanation | None]]:
    return [(name, heat_map_files.find(workspace(), run_id, subject, name)) for name in classes]


def _say(reason: str) -> None:
    st.error(text.md(reason), icon=":material/error:")


def _groups(run_id: str, found: Sequence[Explanation]) -> list[Group]:
    seen = Figure(
        src=_src(run_id, found[0], "crop"), alt="The square that the model saw", note="Nothing beyond this square."
    )
    return [Group(title="What the model saw", figures=(seen,), words=SANITY), *(_group(run_id, one) for one in found)]


def _group(run_id: str, one: Explanation) -> Group:
    of, share = text.short(one.of, 40), text.percent(one.probability)
    said = "Nothing here speaks for it." if one.silent else "The trained model."
    return Group(
        title=f"Speaks for {of}: {share}",
        figures=(
            Figure(src=_src(run_id, one, "heat"), alt=f"Heat map of what speaks for {of}", note=said),
            Figure(
                src=_src(run_id, one, "chance"),
                alt=f"The same for {of} with a random head",
                note="Check: a random head.",
            ),
        ),
    )


def _src(run_id: str, one: Explanation, picture: str) -> str:
    return f"/api/explanations/{run_id}/{one.name}/{picture}.png"


def _arguments(run_id: str, subject: Subject, name: str) -> dict[str, object]:
    about: dict[str, object] = {"run": run_id, "image": subject.image, "class": name}
    return {**about, "predictions": subject.predictions} if subject.predictions else about


def _job(run_id: str, subject: Subject, name: str) -> Job | None:
    return newest(KIND, _arguments(run_id, subject, name))
