"""Progress: how far a comparison is, and the buttons that act on all of it.

Not here: what came out (verdict), single runs (monitor).
"""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from engine.comparisons.comparison import MOST_SEEDS, Comparison, arm
from engine.comparisons.data_size import is_part_arm
from engine.config import option_named
from engine.data.dataset import list_datasets
from engine.errors import EngineError
from engine.models.outline import Outline, load_outline, with_classes
from engine.options import Value
from engine.store.run_record import Run
from engine.store.run_store import RESUMABLE
from engine.training.strategies import STRATEGIES
from pages.ui import epochs, forms, status, text, time_left
from pages.ui.resources import comparison_store, workspace
from pages.ui.strategies import title


def progress(runs: Sequence[Run]) -> None:
    """How many runs have ended, what runs now, and how long it will still take."""
    states = [run.status for run in runs]
    ended, failed, waiting = (states.count(state) for state in ("finished", "failed", "queued"))
    going = [run for run in runs if run.status == "running"]
    counts = [f"{ended} of {text.count(len(runs), 'run')} finished"]
    counts += [f"{number} {word}" for number, word in ((failed, "failed"), (waiting, "waiting")) if number]
    with st.container(horizontal=True, vertical_alignment="center"):
        status.badge(_whole(runs))
        st.markdown(", ".join(counts))
    if going or waiting:
        st.progress(sum(_share(run) for run in runs) / len(runs), text=_now(going, seconds_left(runs)))


def seconds_left(runs: Sequence[Run]) -> float | None:
    """Seconds to the end of the last run, one after the other; None while one of them cannot be estimated."""
    measured = {run.id: (run, epochs.of(run)) for run in runs if run.status in ("finished", "running")}
    left = [time_left.seconds_left(run, measured[run.id][1]) for run in runs if run.status == "running"]
    left += [time_left.seconds_of_queued(run, measured) for run in runs if run.status == "queued"]
    known = [seconds for seconds in left if seconds is not None]
    return sum(known) if len(known) == len(left) else None


def buttons(comparison: Comparison, runs: Sequence[Run], *, trainable: bool = True) -> None:
    """Stop, resume, grow, rename, delete: what is possible now. Nothing more can train unless `trainable`."""
    store, active = comparison_store(), any(run.status in status.ACTIVE for run in runs)
    resumable = sum(run.status in RESUMABLE for run in runs)
    with st.container(horizontal=True, vertical_alignment="center"):
        stopping = all(
            run.status != "queued" and run.requested == "stop" for run in runs if run.status in status.ACTIVE
        )
        if active and st.button(
            "Stop", icon=":material/stop:", disabled=stopping, help="Runs that have finished keep their results."
        ):
            act(comparison.id, lambda: store.stop(comparison.id))
        if resumable and st.button(
            f"Resume {text.count(resumable, 'run')}",
            icon=":material/play_arrow:",
            type="secondary" if active else "primary",
            disabled=not trainable,
        ):
            act(comparison.id, lambda: store.resume(comparison.id))
        _add_seeds(comparison, trainable)
        _add_strategy(comparison, trainable)
        _rename(comparison)
        _delete(comparison, len(runs), active)
    refusal(comparison.id)


def outlines_of(comparison: Comparison) -> dict[str, Outline]:
    """The outlines that are known already, with a head for the classes of the dataset: they put runs in order."""
    classes = {dataset.id: dataset.classes for dataset in list_datasets(workspace())}.get(comparison.dataset)
    stored = {backbone: load_outline(workspace(), backbone) for backbone, _ in comparison.backbones}
    return {name: with_classes(outline, classes) for name, outline in stored.items() if outline and classes}


def _add_seeds(comparison: Comparison, trainable: bool) -> None:
    with st.popover("Add seeds", icon=":material/casino:", disabled=not trainable):
        st.caption("Another seed starts the head and the order of images anew. More of them show how much is luck.")
        count = st.number_input("More seeds", 1, MOST_SEEDS, 2, key="more_seeds")
        labels = {arm.strategy: title(arm.strategy) for arm in comparison.strategies}
        options = ["", *labels] if len(labels) > 1 else [""]
        labels[""] = "every strategy"
        chosen = st.selectbox("Of", options, format_func=labels.__getitem__, key="more_seeds_of")
        st.caption(_growth(comparison, int(count), chosen or ""))
        if st.button("Add them to the queue", type="primary", key="add_seeds"):
            add = partial(comparison_store().add_seeds, comparison.id, int(count), strategy=chosen or "")
            act(comparison.id, lambda: add(outlines=outlines_of(comparison)))


def _growth(comparison: Comparison, seeds: int, strategy: str) -> str:
    """How many runs so many more seeds are; parts of the images have seeds of their own."""
    each = seeds * len(comparison.backbones)
    arms = [arm for arm in comparison.strategies if strategy in ("", arm.strategy)]
    parts = sum(is_part_arm(comparison, arm) for arm in arms)
    of_parts = f", {each * parts:,} of them on parts of the images" if parts else ""
    return f"That is {text.count(each * len(arms), 'more run')}{of_parts}."


def _add_strategy(comparison: Comparison, trainable: bool) -> None:
    with st.popover("Add a strategy", icon=":material/add:", disabled=not trainable):
        st.caption("On the same images, with the options that the others share.")
        name = st.selectbox("Strategy", list(STRATEGIES), format_func=title, key="more_strategy")
        settings: dict[str, Value] = {}
        if asks := STRATEGIES[name].asks:
            settings[asks] = forms.widget(option_named(asks), key=f"more_{asks}")
        seeds = st.number_input("Seeds", 1, MOST_SEEDS, None, placeholder="automatic", key="more_strategy_seeds")
        if st.button("Add it to the queue", type="primary", key="add_strategy"):
            act(
                comparison.id,
                lambda: comparison_store().add_arm(
                    comparison.id, arm(name, seeds=seeds, settings=settings), outlines=outlines_of(comparison)
                ),
            )


def _rename(comparison: Comparison) -> None:
    with st.popover("Rename", icon=":material/edit:"):
        name = st.text_input("Name", comparison.name, max_chars=120, key=f"rename_{comparison.id}")
        if st.button("Rename it", type="primary", key="rename"):
            act(comparison.id, lambda: comparison_store().rename(comparison.id, name or ""))


def _delete(comparison: Comparison, runs: int, active: bool) -> None:
    """Two steps; the second says what is lost."""
    with st.popover("Delete", icon=":material/delete:", key=f"delete_box_{comparison.id}"):
        if active:
            st.markdown("Stop it first: runs of it are waiting or at work.")
            return
        too = bool(runs) and st.checkbox(
            f"Delete its {text.count(runs, 'run')} with their weights and predictions too",
            key=f"delete_runs_{comparison.id}",
        )
        if runs:
            st.markdown("This cannot be undone." if too else "Its runs stay in the list of runs.")
        if st.button(
            "Delete for good", icon=":material/delete_forever:", type="primary", key=f"delete_{comparison.id}"
        ):
            act(comparison.id, lambda: _forget(comparison.id, too))


def _forget(comparison_id: str, runs: bool) -> None:
    """Delete it, and let the address no longer ask for it."""
    comparison_store().delete(comparison_id, runs=runs)
    st.query_params.pop("comparison", None)


def act(place: str, wish: Callable[[], object]) -> None:
    """Do it and draw the page anew, or keep why not for `refusal` of the same place, which outlives the next tick."""
    st.session_state.pop(f"refused_{place}", None)
    try:
        wish()
    except EngineError as error:  # a wish that cannot be, or another tab was faster
        st.session_state[f"refused_{place}"] = str(error)
        return
    st.rerun()


def refusal(place: str) -> None:
    """Why the last wish at this place was refused, until the next one; nothing when it was not."""
    if why := st.session_state.get(f"refused_{place}"):
        st.error(text.md(why), icon=":material/error:")


def _whole(runs: Sequence[Run]) -> str:
    """One status for all."""
    states = {run.status for run in runs}
    order = ("running", "queued", "interrupted", "stopped", "failed")
    return next((state for state in order if state in states), "finished")


def _share(run: Run) -> float:
    """How far a run is, for the bar."""
    if run.status != "running":
        return 0.0 if run.status == "queued" else 1.0
    return min(time_left.epochs_done(run, epochs.of(run)) / max(time_left.epochs_planned(run), 1), 1.0)


def _now(going: Sequence[Run], left: float | None) -> str:
    if not going:
        return "Waiting for its turn; you can close this page."
    run = going[0]
    done = min(int(time_left.epochs_done(run, epochs.of(run))) + 1, time_left.epochs_planned(run))
    more = f" and {len(going) - 1} more" if len(going) > 1 else ""
    name = text.md(f"{title(run.config.strategy)}, seed {run.config.seed}{more}")
    rest = f" · about {text.duration(left)} left in all" if left else ""
    return f"{name}: epoch {done} of {time_left.epochs_planned(run)}{rest}"
