"""Run status: what a run is doing, in words, numbers and bars.

Not here: the curves (charts) and the buttons (controls).
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import streamlit as st

from engine.config import command_line, options
from engine.data.dataset_records import SPLIT_NAMES
from engine.evaluation.majority_baseline import guess_of
from engine.evaluation.metric_records import METRICS, read_metrics
from engine.events import Epoch, Started
from engine.store.run_record import ENDED, INTERRUPTED, Run
from pages.ui import epochs, status, text, time_left
from pages.ui.epochs import Epochs
from pages.ui.figures import block_strip, charts
from pages.ui.monitor import frozen_part
from pages.ui.resources import workspace
from pages.ui.strategies import title
from pages.ui.unfreezing import phase_of
from pages.ui.widgets.section import section

LOG_LINES = 200
LOG_BYTES = 64_000
RECENT_RUNS = 20
"""So many runs are asked how long an epoch takes; older ones say little about now."""


def headline(run: Run, rows: Epochs) -> None:
    """Status in words; while running, how far the epoch and the run are, and the time left."""
    with st.container(horizontal=True, vertical_alignment="center"):
        status.badge(run.status, paused=run.paused)
        st.markdown(text.md(f"{run.config.backbone}, {title(run.config.strategy).lower()}{_place(run)}"))
    if run.status == "running":
        _progress(run, rows)
    elif run.status == "queued":
        st.markdown("Waiting for its turn; it starts by itself, also when this page is closed.")
    elif run.status == "finished":
        st.success(text.md(f"{outcome(run, rows)}{_guess(run)}"), icon=":material/check_circle:")
    elif run.status == "failed":
        st.error(text.md(run.error or "The run failed without a word; its log may say more."), icon=":material/error:")
    else:
        kept = f" The best of {len(rows)} epochs is kept." if rows else ""
        said = run.error or ("Stopped as you asked." if run.status == "stopped" else "Interrupted.")
        advice = "" if run.error == INTERRUPTED else " Resume it to go on where it was."
        st.warning(text.md(f"{said}{kept}{advice}"), icon=":material/info:")
    if run.progress.note:
        st.info(text.md(run.progress.note), icon=":material/info:")


def outcome(run: Run, rows: Epochs) -> str:
    """`Best epoch 4 of 5. Accuracy: 91.2 % on validation images, 90.1 % on test images. Took 42 s.`"""
    summary = run.summary
    if summary is None:
        return f"Trained {text.count(len(rows), 'epoch')}."
    scores = ((summary.val_accuracy, SPLIT_NAMES["val"]), (summary.test_accuracy, SPLIT_NAMES["test"]))
    said = [f"{text.percent(score)} on {words} images" for score, words in scores if score is not None]
    accuracy = f" Accuracy: {', '.join(said)}." if said else ""
    cache = frozen_part.record(run)
    once = cache.seconds if cache else 0.0
    share = f", {text.duration(once)} of it for computing the frozen part once" if once >= 1 else ""
    started = run.started
    frozen = not started or started.trainable_parameters != started.total_parameters
    proof = " Every frozen parameter is bit for bit what it was." if summary.frozen_unchanged and frozen else ""
    took = text.duration(summary.seconds + once)
    solved = started is not None and started.solved
    how = f"Best epoch {summary.best_epoch} of {len(rows)}."
    if solved:
        tried = rows and rows[-1].penalties
        how = "Solved to the optimum of the head." if tried else "The head was computed in one go, without steps."
    return f"{how}{accuracy} Took {took}{share}.{proof}"


def _guess(run: Run) -> str:
    """What naming the most frequent class every time would score on the test images."""
    folder = workspace().run(run.id)
    scores = read_metrics(folder).splits if (folder / METRICS).is_file() else {}
    guess = guess_of(scores["test"]) if "test" in scores else None
    return f" Always saying {guess.name} would score {text.percent(guess.share)} on them." if guess else ""


def numbers(run: Run, rows: Epochs) -> None:
    """The figures of this moment; none for a run that ended before its first epoch."""
    if not rows and run.status in ENDED:
        return
    last = rows[-1] if rows else Epoch(epoch=0)
    now = run.progress if run.status == "running" else last
    best = max((row.val_accuracy for row in rows if row.val_accuracy is not None), default=None)
    speed, memory = now.images_per_second or last.images_per_second, now.memory_bytes or last.memory_bytes
    rate = max(last.lr.values(), default=None)  # the head has the highest of all groups
    solved = run.started is not None and run.started.solved
    shown = {
        **_how_far(run, rows),
        "Best validation accuracy": "–" if best is None else text.percent(best),
        "Images per second": f"{speed:,.0f}" if speed else "–",
        **({} if solved else {"Learning rate of the head": "–" if rate is None else charts.rate(rate)}),
        "Memory": text.bytes_(memory) if memory else "–",
    }
    with st.grid(5, min_column_width=130):
        for label, value in shown.items():
            st.metric(label, value)
    if run.started and run.started.device_name:
        device = text.md(f"{run.started.device_name}, {run.started.precision}")
        st.caption(f":material/memory: {device}", help="The device, and the number format it computes in.")


def _how_far(run: Run, rows: Epochs) -> dict[str, str]:
    if run.started and run.started.solved:
        return {"Head": "solved" if rows else "being solved"}
    return {"Epoch": f"{len(rows)} of {time_left.epochs_planned(run)}"}


def blocks(run: Run, started: Started, rows: Epochs) -> None:
    """The strip with the phase that runs now, and every block's learning rate and gradient."""
    active = phase_of(started, len(rows) + 1) if run.status == "running" else None
    strip = block_strip.of_started(started)
    st.html(block_strip.draw(strip, active=active, total=started.trainable_parameters or None))
    if rows and not started.solved:
        label, key = "Learning rate and gradient of every block", f"fold_rates_{run.id}"
        with section(label, icon=":material/table_rows:", key=key) as seen:
            if seen:
                step = f"In the last step of epoch {rows[-1].epoch}."
                st.caption(f"{step} A block whose gradient is far smaller than the others' hardly learns.")
                st.dataframe(block_table(started, rows[-1]), hide_index=True, alt=label)


def block_table(started: Started, epoch: Epoch) -> pd.DataFrame:
    """One row a block, in forward order: what trained in this epoch, its rate, and the L2 norm of its gradient."""
    rows = []
    for block in started.blocks:
        state, rate, gradient = "frozen", "–", "–"
        if block.trains[epoch.phase]:
            groups = (block.name, f"{block.name} (bias, norm)")
            rates = [epoch.lr[group] for group in groups if group in epoch.lr]
            state, rate = "trains", charts.rate(max(rates)) if rates else "–"
            gradient = f"{epoch.grad_norm[block.name]:.3g}" if block.name in epoch.grad_norm else "–"
        rows.append((block.name, state, rate, gradient))
    return pd.DataFrame(rows, columns=["Block", "State", "Learning rate", "Gradient norm"])


def queue(runs: Sequence[Run], shown: str) -> None:
    """What runs and what waits, in order, with the time until each is done."""
    queued = sorted((run for run in runs if run.status == "queued"), key=lambda run: run.turn)
    active = [*(run for run in runs if run.status == "running"), *queued]
    if not active or [run.id for run in active] == [shown]:
        return
    recent = [run for run in runs if run.status in ("running", "finished", "stopped")][:RECENT_RUNS]
    measured = {run.id: (run, epochs.of(run)) for run in recent}
    with st.container(border=True):
        left = [
            time_left.seconds_left(run, epochs.of(run))
            if run.status == "running"
            else time_left.seconds_of_queued(run, measured)
            for run in active
        ]
        total = sum(seconds for seconds in left if seconds is not None)
        rest = "" if None in left else f" · about {text.duration(total)} to the end"
        st.markdown(f"**Queue** · {text.count(len(queued), 'run')} waiting{rest}")
        for run, seconds in zip(active, left, strict=True):
            _queued(run, seconds, shown)


def configuration(run: Run) -> None:
    """Options that are not at their default, and the command that repeats the run."""
    values = asdict(run.config)
    shown = {"Dataset": run.config.dataset, "Backbone": run.config.backbone, "Strategy": run.config.strategy}
    shown |= {option.label: str(values[option.name]) for option in options() if values[option.name] != option.default}
    st.markdown("\n".join(f"- {text.md(label)}: **{text.md(value)}**" for label, value in shown.items()))
    st.caption("Everything else is at its default. The same run on the command line:")
    st.code(command_line(run.config), language="bash", wrap_lines=True)


def log_tail(path: Path) -> str:
    """The last lines of a log; empty when there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - LOG_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-LOG_LINES:])


def _place(run: Run) -> str:
    device = run.started.device if run.started else run.device
    if device in (None, "auto"):
        return ", on the next free device" if run.status in ("queued", "running") else ""
    return f", on {'the CPU' if device == 'cpu' else device}"


def _progress(run: Run, rows: Epochs) -> None:
    now = run.progress
    if now.stage:
        share, amount = (now.done / now.total, f" · {now.done:,} of {now.total:,}") if now.total else (0.0, " …")
        st.progress(min(share, 1.0), text=status.stage_words(now.stage) + amount)
        return
    if run.started and run.started.solved:
        st.progress(1.0 if rows else 0.0, text="The head is solved" if rows else "Getting ready …")
        return
    planned, behind = time_left.epochs_planned(run), time_left.epochs_done(run, rows)
    left = "paused" if run.paused else _time_left(run, rows)
    st.progress(min(behind / planned, 1.0), text=f"Epoch {min(int(behind) + 1, planned)} of {planned} · {left}")
    if not now.steps or now.epoch <= len(rows):  # what is known is of an epoch that has ended
        st.progress(0.0, text="Next epoch …" if rows else "Getting ready …")
    else:
        judging = " · validating" if now.step == now.steps else ""
        st.progress(min(now.step / now.steps, 1.0), text=f"Step {now.step:,} of {now.steps:,}{judging}")


def _time_left(run: Run, rows: Epochs) -> str:
    """A phase to come may train more than the one that was measured, or less."""
    seconds = time_left.seconds_left(run, rows)
    if seconds is None:
        return "measuring the time left"
    if run.started and phase_of(run.started, len(rows) + 1) + 1 < len(run.started.phases):
        return f"about {text.duration(seconds)} left at the present pace, which phases to come may change"
    return f"about {text.duration(seconds)} left" if seconds > 1 else "almost done"


def _queued(run: Run, seconds: float | None, shown: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        status.badge(run.status, paused=run.paused)
        if run.id == shown:
            st.markdown(f"**{text.md(run.name)}**")
        else:
            st.page_link("monitor.py", label=text.md(run.name), query_params={"run": run.id})
        st.caption("not measured yet" if seconds is None else f"about {text.duration(seconds)}")
