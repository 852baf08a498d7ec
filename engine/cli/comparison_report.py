"""Comparison report: the table and the verdict of a comparison as the terminal shows them, and the files of --out.

Brings pandas, so it is imported only when there is something to report. Not here: what a verdict means (judgement).
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from engine.cli.printer import columns
from engine.cli.verb import Session
from engine.comparisons import tables, wording
from engine.comparisons.comparison import Comparison
from engine.comparisons.judgement import Judgement, Row, exclusions, judgement
from engine.errors import EngineError
from engine.workspace import atomic_write


def report(session: Session, comparison: Comparison, *, out: str | None) -> None:
    """Print the table and the verdict, write the files that --out asks for; EngineError when runs failed."""
    runs = session.comparisons.runs_of(comparison.id)
    judged = judgement(session.workspace, comparison, runs)
    if session.printer.json:
        session.printer.say({"comparison": comparison.id, **_record(judged)}, "")
    else:
        columns([_cells(row) for row in judged.rows])
        print("", *wording.sentences(judged), f"Comparison: {comparison.id}", sep="\n")
    if out:
        _write_tables(session, comparison, folder=Path(out).expanduser())
    failed = [run for run in runs if run.status == "failed"]
    if failed:
        raise EngineError(f"{len(failed)} of {len(runs)} runs failed. {failed[0].name}: {failed[0].error}")


def _record(judged: Judgement) -> Mapping[str, object]:
    """The judgement as plain JSON, its reasons as sentences."""
    verdict = judged.verdict
    choice = {name: getattr(verdict, name) for name in ("chosen", "cheapest", "not_worse", "margin")} if verdict else {}
    if verdict:
        choice |= {"take": verdict.advice.take, "shown": verdict.advice.shown}
    return {
        "table": [
            {**asdict(row), "kept_out": " ".join(map(wording.exclusion_sentence, row.kept_out))} for row in judged.rows
        ],
        "sentences": wording.sentences(judged),
        "excluded": {run: wording.exclusion_sentence(exclusion) for run, exclusion in judged.excluded.items()},
        **choice,
        "doubt": wording.doubt(judged),
    }


def _write_tables(session: Session, comparison: Comparison, *, folder: Path) -> None:
    """comparison.csv, and result.csv when something that counts has finished, into `folder`."""
    workspace, runs = session.workspace, session.comparisons.runs_of(comparison.id)
    excluded = exclusions(workspace, runs)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(folder / "comparison.csv", tables.comparison_csv(workspace, comparison, runs))
        if any(run.status == "finished" and run.id not in excluded for run in runs):
            atomic_write(folder / "result.csv", tables.result_csv(workspace, comparison, runs))
    except OSError as error:
        raise EngineError(f"{folder} cannot be written ({error.strerror}). Choose another with --out.") from error


def _cells(row: Row) -> Mapping[str, object]:
    """A row of the table as people read it, by heading; None is a dash."""
    test = _percent(row.test_accuracy)
    if row.test_low is not None:
        test = f"{test} ({_percent(row.test_low)} to {_percent(row.test_high)})"
    return {
        "strategy": f"{row.label}{' *' if row.kept_out else ''}",
        "runs": f"{row.runs} of {row.planned}",
        "validation": _percent(row.val_accuracy),
        "test (95 %)": test,
        "macro F1": _fixed(row.f1_macro, ".3f"),
        "log loss": _fixed(row.log_loss, ".3f"),
        "best epoch": _fixed(row.best_epoch, ".1f"),
        "trains": row.trainable_parameters,
        "seconds": _fixed(row.seconds, ".1f"),
        "peak memory": None if row.peak_memory_bytes is None else f"{row.peak_memory_bytes / 1e6:.0f} MB",
    }


def _fixed(value: float | None, form: str) -> str | None:
    return None if value is None else format(value, form)


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.1f} %"
