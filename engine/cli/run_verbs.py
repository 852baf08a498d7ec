"""Run verbs: the verbs that train one run, act on it, or use it. The heavy work happens in a child, as for the
dashboard.

Not here: comparisons of runs (compare), what is measured before a run (explore) or proved after it (audit).
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Unpack

import click
import msgspec

from engine.cli.run_options import RUN_OPTIONS, RunOptions, run_config, say_budget
from engine.cli.verb import QUEUE, RUN, Session, full_path, verb
from engine.errors import EngineError
from engine.evaluation.majority_baseline import MajorityBaseline, guess_of
from engine.evaluation.metric_records import METRICS, read_metrics
from engine.jobs.records import Bundle, Predictions
from engine.models.quoting import quoted
from engine.store.run_record import Run
from engine.work import worker


@verb("runs", "list the runs, the newest first")
def list_runs(session: Session) -> None:
    rows = [_row(run) for run in session.runs.list()]
    names = ("run", "name", "status", "backbone", "strategy", "epoch", "test_accuracy")
    session.printer.table(rows, names, empty="No run yet.")


@verb(
    "train",
    "train one run here and now; the last line names it",
    *RUN_OPTIONS,
    click.option("--name", default="", help="a name for the run"),
    QUEUE,
)
def train(session: Session, *, name: str, queue: bool, **options: Unpack[RunOptions]) -> None:
    config = run_config(session, **options)
    if queue:
        run = session.runs.enqueue(config, name=name)
        return session.printer.say({"run": run.id, "status": run.status}, f"{run.id} is queued.")
    say_budget(session, [config])
    _train_here(session, session.runs.enqueue(config, name=name, owner=session.supervisor.owner))


@verb("resume", "continue a stopped, interrupted or failed run here, or wake a paused one", RUN)
def resume(session: Session, *, run: str) -> None:
    if session.runs.get(run).paused:
        return _request(session, run, "resume")
    session.runs.sweep()
    _train_here(session, session.runs.requeue(run, owner=session.supervisor.owner))


@verb("stop", "stop a run after its current step; the best epoch is kept", RUN)
def stop(session: Session, *, run: str) -> None:
    _request(session, run, "stop")


@verb("pause", "let a run hold still", RUN)
def pause(session: Session, *, run: str) -> None:
    _request(session, run, "pause")


@verb(
    "predict",
    "classify new images with a trained run",
    RUN,
    click.argument("source", metavar="SOURCE", help="image, folder or zip, or a list of images (csv, txt)"),
    click.option("--out", default="result.csv", metavar="FILE", help="where the table goes"),
    click.option("--device", default="auto", help="auto, cpu, cuda:0, ..."),
)
def predict(session: Session, *, run: str, source: str, out: str, device: str) -> None:
    run = session.runs.get(run).id
    if not Path(out).expanduser().resolve().parent.is_dir():
        raise EngineError(f"{out} cannot be written: there is no such folder. Choose another file with --out.")
    asked = {"run": run, "source": full_path(source), "device": device, "anywhere": True}
    made = session.do_job("predict", Predictions, **asked)
    try:
        shutil.copyfile(session.workspace.run(run) / "predictions" / made.predictions / "result.csv", out)
    except OSError as error:
        raise EngineError(f"{out} cannot be written ({error.strerror}). Choose another file with --out.") from error
    left = f", {made.unanswered} not (the column error says why)" if made.unanswered else ""
    record = {"run": run, "predictions": made.predictions, "out": out}
    counts = {"answered": made.answered, "unanswered": made.unanswered}
    session.printer.say(record | counts, f"Predictions are in {out}: {made.answered} answered{left}.")
    if not made.answered:
        raise EngineError(f"None of {made.unanswered} images could be answered; the column error in {out} says why.")


@verb(
    "export",
    "write a trained run as a bundle that needs no Thaw, and check its answers",
    RUN,
    click.argument("folder", metavar="DIR", help="an empty or new folder for it"),
)
def export(session: Session, *, run: str, folder: str) -> None:
    run, folder = session.runs.get(run).id, full_path(folder)
    bundle = session.do_job("export", Bundle, run=run, folder=folder)
    text = "\n".join([f"{folder} holds {', '.join(bundle.files)}.", *bundle.checks])
    session.printer.say({"run": run, "folder": folder, "files": bundle.files, "checks": bundle.checks}, text)


@verb("work", "work through the queue without the dashboard, until interrupted")
def work(session: Session) -> None:
    workers = worker.start(session.workspace)
    session.printer.say({"working": True}, "Working through the queue. Stop with Ctrl+C.")
    try:
        workers.wait()
    finally:
        workers.stop()


def _train_here(session: Session, run: Run) -> None:
    """Train in a child of this process and report; a failure is raised as the sentence that the run keeps."""
    session.supervisor.do_run(run, run.config.device, watch=session.printer.event)
    ended = session.runs.get(run.id)
    summary = ended.summary
    accuracy = f", test accuracy {summary.test_accuracy:.1%}" if summary and summary.test_accuracy is not None else ""
    record = {"run": run.id, "status": ended.status, **(msgspec.to_builtins(summary) if summary else {})}
    if accuracy and (guess := _guess(session.workspace.run(run.id))):
        accuracy += f"; always saying {quoted(guess.name)} would score {guess.share:.1%}"
        record["guess_accuracy"] = guess.share
    session.printer.say(record, f"{run.id} {ended.status}{accuracy}")
    if ended.error:
        raise EngineError(ended.error)


def _guess(folder: Path) -> MajorityBaseline | None:
    scores = read_metrics(folder).splits if (folder / METRICS).is_file() else {}
    return guess_of(scores["test"]) if "test" in scores else None


def _request(session: Session, run: str, what: str) -> None:
    session.runs.request(run, what)
    record = {"run": run, "status": session.runs.get(run).status, "requested": what}
    session.printer.say(record, f"{run} is asked to {what}.")


def _row(run: Run) -> Mapping[str, object]:
    summary = run.summary
    return {
        "run": run.id,
        "name": run.name,
        "status": run.status,
        "backbone": run.config.backbone,
        "strategy": run.config.strategy,
        "epoch": run.progress.epoch or (summary.epochs if summary else None),
        "test_accuracy": summary.test_accuracy if summary else None,
        "error": run.error,
    }
