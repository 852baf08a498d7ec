"""ComparisonStore: every comparison of a workspace and the runs that belong to it; every change is one transaction.

Not here: what a comparison means (comparison), single runs (run_store), what came out (judgement).
"""

import dataclasses
import shutil
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from operator import itemgetter

from engine.comparisons import comparison as comparisons
from engine.comparisons.comparison import Arm, Comparison, from_json
from engine.errors import ConfigError, RunError
from engine.runconfig import RunConfig
from engine.store import database, run_store
from engine.store.run_record import Run, from_row
from engine.training.effort import Outlines
from engine.workspace import Workspace

Runs = list[Run]


class ComparisonStore:
    """The comparisons of one workspace. Safe from any thread and any process; holds no connection.

    Outlines (backbone -> Outline) order the runs and let plans that cannot be made be refused beforehand; without one,
    runs go by the order of the strategies.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def create(self, wanted: Comparison, outlines: Outlines | None = None) -> Comparison:
        """Keep the comparison and queue its runs, cheapest first. ConfigError, and nothing kept, when one cannot be."""
        name = run_store.one_line(wanted.name)
        comparison = dataclasses.replace(wanted, name=name, created_at=time.time())
        queue = comparisons.cheapest_first(comparisons.expand(comparison), outlines or {}, self._workspace)
        with database.write(self._workspace) as db:
            values = (comparison.id, name, comparisons.to_json(comparison), comparison.created_at)
            db.execute("INSERT INTO comparisons (id, name, body, created_at) VALUES (?, ?, ?, ?)", values)
            _enqueue(db, comparison, queue)
        return comparison

    def get(self, comparison_id: str) -> Comparison:
        """RunError when there is none; ConfigError when another version made it."""
        with database.read(self._workspace) as db:
            return from_json(_body(db, comparison_id))

    def list(self) -> list[Comparison]:
        """The comparisons that this version can read, the newest first."""
        found = []
        with database.read(self._workspace) as db:
            for row in db.execute("SELECT body FROM comparisons ORDER BY number DESC"):
                with suppress(ConfigError):  # one of another version must not hide the others
                    found.append(from_json(row["body"]))
        return found

    def runs_of(self, comparison_id: str) -> Runs:
        """Its runs in the order in which they were queued at first."""
        with database.read(self._workspace) as db:
            return [from_row(row) for row in _runs(db, comparison_id)]

    def add_seeds(
        self, comparison_id: str, count: int, *, strategy: str = "", outlines: Outlines | None = None
    ) -> Runs:
        """Queue `count` more seeds for every arm, or for those of one strategy; the new runs."""
        return self._extend(comparison_id, partial(comparisons.with_seeds, count=count, strategy=strategy), outlines)

    def add_arm(self, comparison_id: str, arm: Arm, *, outlines: Outlines | None = None) -> Runs:
        """Queue one more strategy on every backbone; the new runs."""
        return self._extend(comparison_id, partial(comparisons.with_arm, arm=arm), outlines)

    def claim(self, comparison_id: str, owner: str) -> Run | None:
        """The next queued run, now owned by a command line that trains by itself; None when there is none."""
        with database.write(self._workspace) as db:
            queued = "SELECT id, wanted FROM runs WHERE comparison = ? AND status = 'queued' ORDER BY turn LIMIT 1"
            row = db.execute(queued, (comparison_id,)).fetchone()
            if row is None:
                return None
            run_store.take(db, row["id"], owner, device=row["wanted"])
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
            _keep(db, dataclasses.replace(from_json(_body(db, comparison_id)), name=run_store.one_line(name)))

    def set_margin(self, comparison_id: str, margin: float) -> None:
        """Judge the comparison with this margin from now on; see `comparison.with_margin`."""
        with database.write(self._workspace) as db:
            _keep(db, comparisons.with_margin(from_json(_body(db, comparison_id)), margin))

    def delete(self, comparison_id: str, *, runs: bool = False) -> None:
        """Forget the comparison; its runs stay in the list, or go with their folders. RunError while one of those is
        running."""
        with database.write(self._workspace) as db:
            _body(db, comparison_id)
            gone = [row["id"] for row in _runs(db, comparison_id)] if runs else []
            for run_id in gone:
                run_store.drop(db, run_id)
            db.execute("DELETE FROM comparisons WHERE id = ?", (comparison_id,))
        for run_id in gone:
            shutil.rmtree(self._workspace.run(run_id), ignore_errors=True)

    def _extend(self, comparison_id: str, grow: Callable[[Comparison], Comparison], outlines: Outlines | None) -> Runs:
        """Runs that were there, also ones that were deleted since, are left alone."""
        with database.write(self._workspace) as db:
            comparison = from_json(_body(db, comparison_id))
            grown, old = grow(comparison), comparisons.expand(comparison)
            fresh = [config for config in comparisons.expand(grown) if config not in old]
            added = _enqueue(db, grown, comparisons.cheapest_first(fresh, outlines or {}, self._workspace))
            _keep(db, grown)
            return [from_row(row) for row in _runs(db, comparison_id) if row["id"] in added]

    def _each(
        self, comparison_id: str, statuses: Collection[str], act: Callable[[sqlite3.Connection, str], None]
    ) -> int:
        with database.write(self._workspace) as db:
            _body(db, comparison_id)
            rows = sorted(_runs(db, comparison_id), key=itemgetter("turn"))
            ids = [row["id"] for row in rows if row["status"] in statuses]
            for run_id in ids:
                act(db, run_id)
            return len(ids)


def _body(db: sqlite3.Connection, comparison_id: str) -> str:
    """The JSON of the comparison, which another version may have written."""
    row = db.execute("SELECT body FROM comparisons WHERE id = ?", (comparison_id,)).fetchone()
    if row is None:
        raise RunError(f"There is no comparison {comparison_id[:60]!r} in this workspace; it may have been deleted.")
    return str(row["body"])


def _keep(db: sqlite3.Connection, comparison: Comparison) -> None:
    values = (comparison.name, comparisons.to_json(comparison), comparison.id)
    db.execute("UPDATE comparisons SET name = ?, body = ? WHERE id = ?", values)


def _enqueue(db: sqlite3.Connection, comparison: Comparison, queue: Iterable[RunConfig]) -> list[str]:
    return [
        run_store.add(db, config, name=comparisons.run_name(comparison, config), comparison=comparison.id)
        for config in queue
    ]


def _runs(db: sqlite3.Connection, comparison_id: str) -> list[sqlite3.Row]:
    return db.execute("SELECT * FROM runs WHERE comparison = ? ORDER BY number", (comparison_id,)).fetchall()
