"""Comparison report: the table and the verdict of a comparison as the terminal shows them, and the files of --out.

Brings pandas, so it is imported only when there is something to report. Not here: what a verdict means (judgement).
"""

import math
from collections.abc import Sequence
from pathlib import Path

from engine.cli.printing import columns
from engine.cli.verb import Session
from engine.comparisons import tables
from engine.comparisons.comparison import Comparison
from engine.comparisons.comparison_store import ComparisonStore
from engine.comparisons.judgement import Judgement, doubt_of, judgement, not_judged
from engine.errors import EngineError
from engine.store.database import Json
from engine.store.run import Run
from engine.workspace import Workspace, atomic_write


def report(session: Session, comparison: Comparison, *, out: str | None) -> None:
    """Print the table and the verdict, write the files that --out asks for; EngineError when runs failed."""
    runs = ComparisonStore(session.workspace).runs_of(comparison.id)
    _verdict(session, comparison, runs)
    if out:
        _write_tables(session.workspace, comparison, runs, Path(out).expanduser())
    failed = [run for run in runs if run.status == "failed"]
    if failed:
        raise EngineError(f"{len(failed)} of {len(runs)} runs failed. {failed[0].name}: {failed[0].error}")


def _verdict(session: Session, comparison: Comparison, runs: Sequence[Run]) -> None:
    judged = judgement(session.workspace, comparison, runs)
    doubt = doubt_of(session.workspace, comparison, runs, judged)
    if session.printer.json:
        return session.printer.say({"comparison": comparison.id, **_record(judged), "doubt": doubt}, "")
    rows = [_cells(row) for row in _rows(judged)]
    columns(rows, tuple(rows[0]))
    print("\n" + "\n".join([*judged.sentences, *filter(None, [doubt]), f"Comparison: {comparison.id}"]), flush=True)


def _record(judged: Judgement) -> Json:
    """The judgement as plain JSON."""
    verdict = judged.verdict
    choice = {name: getattr(verdict, name) for name in ("chosen", "cheapest", "not_worse")} if verdict else {}
    return {"table": _rows(judged), "sentences": judged.sentences, "excluded": judged.excluded, **choice}


def _write_tables(workspace: Workspace, comparison: Comparison, runs: Sequence[Run], folder: Path) -> None:
    """comparison.csv, and result.csv when something that counts has finished, into `folder`."""
    excluded = not_judged(workspace, runs)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(folder / "comparison.csv", tables.comparison_csv(workspace, comparison, runs))
        if any(run.status == "finished" and run.id not in excluded for run in runs):
            atomic_write(folder / "result.csv", tables.result_csv(workspace, comparison, runs))
    except OSError as error:
        raise EngineError(
            f"{folder} cannot be written ({error.strerror}). Choose another folder with --out."
        ) from error


def _rows(judged: Judgement) -> list[Json]:
    """The rows of the table, with None where there is no number."""
    return [
        {str(name): None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
        for row in judged.table.to_dict("records")
    ]


def _cells(row: Json) -> Json:
    """A row of the table as people read it, by heading."""
    test = _percent(row["test_accuracy"])
    if row["test_low"] is not None:
        test += f" ({_percent(row['test_low'])} to {_percent(row['test_high'])})"
    memory = row["peak_memory_bytes"]
    return {
        "strategy": f"{row['label']}{' *' if row['kept_out'] else ''}",
        "runs": f"{row['runs']} of {row['planned']}",
        "validation": _percent(row["val_accuracy"]),
        "test (95 %)": test,
        "macro F1": _fixed(row["f1_macro"], 3),
        "log loss": _fixed(row["log_loss"], 3),
        "best epoch": _fixed(row["best_epoch"], 1),
        "trains": None if row["trainable_parameters"] is None else int(row["trainable_parameters"]),
        "seconds": _fixed(row["seconds"], 1),
        "peak memory": None if memory is None else f"{memory / 1e6:.0f} MB",
    }


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _fixed(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
