"""ComparisonStore: every comparison of a workspace and the runs that belong to it.

Every change is one transaction, so that nobody sees half a comparison. Not here: what a comparison means (comparison),
single runs (store), what came out (judgement).
"""

import dataclasses
import shutil
import sqlite3
import time
from collections.abc import Callable, Collection

from engine.comparisons import comparison as comparisons
from engine.comparisons.comparison import Arm, Comparison
from engine.errors import ConfigError, RunError
from engine.store import database, run_store
from engine.store.run import Run, from_row
from engine.training.effort import Outlines
from engine.workspace import Workspace

Runs = list[Run]


class ComparisonStore:
    """The comparisons of one workspace. Safe from any thread and any process; holds no connection.

    Outlines (backbone -> Outline) decide the order of runs and let plans that cannot be made be refused beforehand;
    without one, runs go by the order of the strategies.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def create(self, wanted: Comparison, outlines: Outlines | None = None) -> Comparison:
        """Keep the comparison and queue all its runs, cheapest first. ConfigError before anything is kept when one
        cannot be."""
        name = run_store.one_line(wanted.name)
        made = dataclasses.replace(wanted, name=name, created_at=time.time())
        queue = comparisons.cheapest_first(comparisons.expand(made), outlines or {})
        with database.write(self._workspace) as db:
            values = (made.id, made.name, comparisons.to_json(made), made.created_at)
            db.execute("INSERT INTO comparisons (id, name, body, created_at) VALUES (?, ?, ?, ?)", values)
            for config in queue:
                run_store.add(db, config, name=comparisons.run_name(made, config), comparison=made.id)
        return made

    def get(self, comparison_id: str) -> Comparison:
        """RunError when there is none; ConfigError when another version made it."""
        with database.read(self._workspace) as db:
            return _from_row(_row(db, comparison_id))

    def list(self) -> list[Comparison]:
        """The comparisons that this version can read, the newest first."""
        found = []
        with database.read(self._workspace) as db:
            for row in db.execute("SELECT * FROM comparisons ORDER BY number DESC"):
                try:
                    found.append(_from_row(row))
                except ConfigError:  # one of another version must not hide the others
                    continue
        return found

    def runs_of(self, comparison_id: str) -> Runs:
        """Its runs in the order in which they were queued at first."""
        with database.read(self._workspace) as db:
            return [from_row(row) for row in _runs(db, comparison_id)]

    def add_seeds(
        self, comparison_id: str, count: int, *, strategy: str = "", outlines: Outlines | None = None
    ) -> Runs:
        """Queue `count` more seeds for every arm, or for those of one strategy; the new runs."""
        return self._extend(
            comparison_id, lambda known: comparisons.with_seeds(known, count, strategy=strategy), outlines
        )

    def add_arm(self, comparison_id: str, arm: Arm, *, outlines: Outlines | None = None) -> Runs:
        """Queue one more strategy on every backbone; the new runs."""
        return self._extend(comparison_id, lambda known: comparisons.with_arm(known, arm), outlines)

    def claim(self, comparison_id: str, owner: str) -> Run | None:
        """The next queued run of the comparison, now owned by a command line that trains by itself; None when there is
        none."""
        with database.write(self._workspace) as db:
            row = db.execute(
                "SELECT id, wanted FROM runs WHERE comparison = ? AND status = 'queued' ORDER BY turn LIMIT 1",
                (comparison_id,),
            ).fetchone()
            if row is None:
                return None
            run_store.take(db, row["id"], owner, row["wanted"])
            return from_row(db.execute("SELECT * FROM runs WHERE id = ?", (row["id"],)).fetchone())

    def stop(self, comparison_id: str) -> int:
        """Stop what is queued at once and ask what is running to stop; how many that were."""
        return self._each(comparison_id, ("queued", "running"), lambda db, run: run_store.ask(db, run, "stop"))

    def resume(self, comparison_id: str) -> int:
        """Queue again what was stopped, interrupted or failed, in the order of before; how many that were."""
        return self._each(comparison_id, run_store.RESUMABLE, run_store.revive)

    def rename(self, comparison_id: str, name: str) -> None:
        """Another name for the comparison; its runs keep theirs."""
        with database.write(self._workspace) as db:
            self._keep(db, dataclasses.replace(_from_row(_row(db, comparison_id)), name=run_store.one_line(name)))

    def delete(self, comparison_id: str, *, runs: bool = False) -> None:
        """Forget the comparison; its runs stay in the list of runs, or go with their folders. RunError while one to go
        is running."""
        with database.write(self._workspace) as db:
            _row(db, comparison_id)
            gone = [row["id"] for row in _runs(db, comparison_id)] if runs else []
            for run_id in gone:
                run_store.drop(db, run_id)
            db.execute("DELETE FROM comparisons WHERE id = ?", (comparison_id,))
        for run_id in gone:
            shutil.rmtree(self._workspace.run(run_id), ignore_errors=True)

    def _extend(self, comparison_id: str, grow: Callable[[Comparison], Comparison], outlines: Outlines | None) -> Runs:
        """Runs that were there, also ones that were deleted since, are left alone."""
        with database.write(self._workspace) as db:
            known = _from_row(_row(db, comparison_id))
            grown = grow(known)
            there = set(comparisons.expand(known))
            fresh = [config for config in comparisons.expand(grown) if config not in there]
            queue = comparisons.cheapest_first(fresh, outlines or {})
            made = [
                run_store.add(db, config, name=comparisons.run_name(grown, config), comparison=known.id)
                for config in queue
            ]
            self._keep(db, grown)
            return [from_row(row) for row in _runs(db, comparison_id) if row["id"] in made]

    def _keep(self, db: sqlite3.Connection, changed: Comparison) -> None:
        db.execute(
            "UPDATE comparisons SET name = ?, body = ? WHERE id = ?",
            (changed.name, comparisons.to_json(changed), changed.id),
        )

    def _each(
        self, comparison_id: str, statuses: Collection[str], act: Callable[[sqlite3.Connection, str], None]
    ) -> int:
        with database.write(self._workspace) as db:
            _row(db, comparison_id)
            chosen = [row["id"] for row in sorted(_runs(db, comparison_id), key=_turn) if row["status"] in statuses]
            for run_id in chosen:
                act(db, run_id)
            return len(chosen)


def _row(db: sqlite3.Connection, comparison_id: str) -> sqlite3.Row:
    row = db.execute("SELECT * FROM comparisons WHERE id = ?", (comparison_id,)).fetchone()
    if row is None:
        raise RunError(f"There is no comparison {comparison_id[:60]!r} in this workspace; it may have been deleted.")
    return row


def _runs(db: sqlite3.Connection, comparison_id: str) -> list[sqlite3.Row]:
    return db.execute("SELECT * FROM runs WHERE comparison = ? ORDER BY number", (comparison_id,)).fetchall()


def _turn(row: sqlite3.Row) -> int:
    return int(row["turn"])


def _from_row(row: sqlite3.Row) -> Comparison:
    return comparisons.from_json(row["body"])
