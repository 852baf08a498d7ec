"""Heat maps: what in one image speaks for a class, in the eyes of one run; made by a job when they are missing.

Not here: the method, and where the pictures are kept.
"""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from engine.errors import EngineError
from engine.jobs import heat_map_files, records
from engine.jobs.heat_map_files import Explanation, Subject
from engine.training.solved.solvable import reads_stages
from pages.ui import addresses, status, text
from pages.ui.resources import job_store, run_store, workspace
from pages.ui.waiting import failure
from pages.ui.widgets.picture_groups import Picture, PictureGroup, picture_groups

KIND = "explain"
LEGEND = "Yellow places speak most for the class, blue ones least. Every map is scaled to its own strongest place."
SANITY = (
    "Beside each map stands its check, behind a head of random weights, which has learnt nothing. Where both look "
    "alike, the map shows the picture rather than what was learnt."
)
STAGES = "The head also reads what earlier stages saw; the map shows what the features of the last one say."
SMALL = "Of new images only a small copy is kept. The maps are made from it, so the probabilities may differ a little."


def heat_maps(run_id: str, subject: Subject, classes: Sequence[str], *, key: str) -> None:
    """The square that the run saw of `subject`, and a heat map for each of `classes` with its check beside."""
    classes = tuple(dict.fromkeys(classes))
    explanations = _explanations(run_id, subject, classes)
    missing = [name for name, explanation in explanations.items() if explanation is None]
    for name in missing:
        arguments = _arguments(run_id, subject, name)
        job = job_store().newest(KIND, arguments)
        if job is None or job.status == "finished":  # finished and not there: it was dropped to make room
            job_store().submit(KIND, arguments)
    if explanations:
        # Its own fragment draws the maps when they come: a rerun of the page would close the dialog around it.
        st.fragment(_maps, run_every="1s" if missing else None)(run_id, subject, classes, key=key)


def more_button(looked_at: str, *, key: str) -> bool:
    """Whether heat maps are wanted, also of the next image. Not a toggle, which would keep the arrow keys to itself."""
    wanted = bool(st.session_state.get("heat_maps_wanted"))
    label, icon = (f"Hide what {looked_at}", "visibility_off") if wanted else (f"What {looked_at}", "visibility")
    remember = partial(st.session_state.__setitem__, "heat_maps_wanted", not wanted)
    st.button(label, icon=f":material/{icon}:", on_click=remember, key=key)
    return wanted


def _maps(run_id: str, subject: Subject, classes: tuple[str, ...], *, key: str) -> None:
    explanations = _explanations(run_id, subject, classes)
    ready = [explanation for explanation in explanations.values() if explanation is not None]
    if ready:
        picture_groups(_groups(run_id, ready), label="What the model looked at", key=f"heat_maps_{key}")
        stages = STAGES if reads_stages(run_store().get(run_id).config) else ""
        st.caption(" ".join(filter(None, [LEGEND, stages, SMALL if subject.predictions else ""])))
    missing = next((name for name, explanation in explanations.items() if explanation is None), None)
    if missing is not None:  # one at a time: they are made one after the other
        _progress(_arguments(run_id, subject, missing), key)


def _progress(arguments: records.Explain, key: str) -> None:
    job = job_store().newest(KIND, arguments)
    if job is None or job.status in ("failed", "cancelled"):
        failure((job.error if job else None) or "The map was not made.")
        if st.button("Try again", key=f"again_{KIND}_{key}"):  # the fragment ticks; a rerun would close the dialog
            job_store().submit(KIND, arguments)
    else:
        status.progress(job)


def _explanations(run_id: str, subject: Subject, classes: Sequence[str]) -> dict[str, Explanation | None]:
    """By class; none, with the reason drawn, where there can be none (any more)."""
    try:
        return {name: heat_map_files.find(workspace(), run_id, subject, of=name) for name in classes}
    except EngineError as error:
        failure(str(error))
        return {}


def _groups(run_id: str, explanations: Sequence[Explanation]) -> list[PictureGroup]:
    crop = Picture(
        src=addresses.heat_map(run_id, explanations[0].name, "crop"),
        alt="The square that the model saw",
        note="Nothing beyond this square.",
    )
    seen = PictureGroup(title="What the model saw", figures=(crop,), words=SANITY)
    return [seen, *(_group(run_id, explanation) for explanation in explanations)]


def _group(run_id: str, explanation: Explanation) -> PictureGroup:
    """The map of one class, and its check."""
    name = text.short(explanation.of, 40)
    heat, check = (addresses.heat_map(run_id, explanation.name, picture) for picture in ("heat", "chance"))
    note = "Nothing here speaks for it." if explanation.silent else "The trained model."
    return PictureGroup(
        title=f"Speaks for {name}: {text.percent(explanation.probability)}",
        figures=(
            Picture(src=heat, alt=f"Heat map of what speaks for {name}", note=note),
            Picture(src=check, alt=f"The same for {name} with a random head", note="Check: a random head."),
        ),
    )


def _arguments(run_id: str, subject: Subject, name: str) -> records.Explain:
    return records.Explain(run=run_id, image=subject.image, predictions=subject.predictions, of=name)
