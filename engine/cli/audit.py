"""Audit: the verb `audit`: what moved in training and what stayed frozen, read from the audit.csv of runs.

Not here: the comparison of tensors (training.audit).
"""

import csv
from collections.abc import Sequence

import click

from engine.cli.verb import Session, verb
from engine.errors import EngineError
from engine.store.run_record import Run

Tensors = list[dict[str, str]]
_VERDICTS = ("frozen", "trained", "idle", "broken")


@verb(
    "audit",
    "show what moved in training and what stayed frozen, byte for byte",
    click.argument("runs", metavar="[RUN]...", nargs=-1, help="default: every run that has an audit"),
    click.option("--blocks", is_flag=True, help="a line for every block, with how far it moved"),
)
def audit(session: Session, *, runs: Sequence[str], blocks: bool) -> None:
    rows, broken = [], []
    for run in reversed([session.runs.get(run) for run in runs] or session.runs.list()):
        tensors = _tensors(session, run)
        if tensors:
            rows += _rows(run, tensors, blocks=blocks)
        elif runs:
            raise EngineError(f"{run.name} has no audit yet: it is {run.status}. Let it finish.")
        broken += [run.name] if any(row["verdict"] == "broken" for row in tensors) else []
    session.printer.table(rows, tuple(rows[0]) if rows else (), empty="No run has an audit yet.")
    if broken:
        raise EngineError(f"Frozen tensors moved in {', '.join(broken)}. This is a defect of Thaw; please report it.")


def _tensors(session: Session, run: Run) -> Tensors:
    """The rows of a run's audit.csv; none before it was written."""
    path = session.workspace.run(run.id) / "audit.csv"
    return list(csv.DictReader(path.read_text().splitlines())) if path.is_file() else []


def _rows(run: Run, tensors: Tensors, *, blocks: bool) -> list[dict[str, object]]:
    """One row, or one for every block."""
    about = {"run": run.id, "backbone": run.config.backbone, "strategy": run.config.strategy}
    if not blocks:
        return [about | _counts(tensors)]
    names = dict.fromkeys(row["block"] for row in tensors)
    return [about | {"block": name} | _counts([row for row in tensors if row["block"] == name]) for name in names]


def _counts(tensors: Tensors) -> dict[str, object]:
    counts = {verdict: sum(row["verdict"] == verdict for row in tensors) for verdict in _VERDICTS}
    furthest = max(float(row["movement"]) for row in tensors)
    return {**counts, "movement": furthest, "kept": not counts["broken"]}
