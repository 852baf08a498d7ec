"""JobStore: the short jobs beside training (imports, predictions, lists of backbones), asked for and watched by
pages.

Not here: what a kind of job does (tasks) and who does it (worker). Rows are changed in short transactions like those of
runs.
"""

import json
import sqlite3
import time
from dataclasses import dataclass

from engine.errors import RunError
from engine.store import database
from engine.store.database import Json
from engine.store.process_identity import alive
from engine.workspace import Workspace, new_id

STATUSES = ("queued", "running", "finished", "failed", "cancelled")
INTERRUPTED = "This was interrupted: Thaw was closed, or its process was ended, before it was done. Start it again."


@dataclass(frozen=True, kw_only=True)
class Job:
    """One row, as it was when it was read."""

    id: str
    kind: str
    arguments: Json
    status: str
    progress: Json
    """{"stage": what it is doing, "done": so many, "total": of so many}; empty at first."""
    result: Json | None
    error: str | None
    created_at: float
    requested: str | None
    """"cancel" when somebody wants it to end and it has not yet."""

    @property
    def ended(self) -> bool:
        return self.status in ("finished", "failed", "cancelled")


class JobStore:
    """The jobs of one workspace. Safe from any thread and any process; holds no connection."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def submit(self, kind: str, arguments: Json) -> Job:
        """Queue a job; `arguments` must be plain JSON."""
        job_id = new_id("job")
        with database.write(self._workspace) as db:
            values = (job_id, kind, json.dumps(arguments), "queued", time.time())
            db.execute("INSERT INTO jobs (id, kind, arguments, status, created_at) VALUES (?, ?, ?, ?, ?)", values)
            return _job(_row(db, job_id))

    def get(self, job_id: str) -> Job:
        with database.read(self._workspace) as db:
            return _job(_row(db, job_id))

    def list(self, kind: str | None = None) -> list[Job]:
        """All jobs, or all of a kind, the newest first."""
        with database.read(self._workspace) as db:
            return [
                _job(row)
                for row in db.execute("SELECT * FROM jobs WHERE kind = coalesce(?, kind) ORDER BY number DESC", (kind,))
            ]

    def newest(self, kind: str, arguments: Json) -> Job | None:
        """The latest job of this kind with exactly these arguments; reads no further than it."""
        with database.read(self._workspace) as db:
            rows = db.execute("SELECT * FROM jobs WHERE kind = ? ORDER BY number DESC", (kind,))
            return next((_job(row) for row in rows if json.loads(row["arguments"]) == arguments), None)

    def claim(self, owner: str) -> Job | None:
        """The oldest queued job, now running and owned by `owner`. Of everyone who asks, exactly one gets it."""
        with database.read(self._workspace) as db:
            if not db.execute("SELECT 1 FROM jobs WHERE status = 'queued'").fetchone():
                return None
        with database.write(self._workspace) as db:
            row = db.execute("SELECT id FROM jobs WHERE status = 'queued' ORDER BY number LIMIT 1").fetchone()
            if row is None:
                return None
            db.execute("UPDATE jobs SET status = 'running', owner = ? WHERE id = ?", (owner, row["id"]))
            return _job(_row(db, row["id"]))

    def record(self, job_id: str, progress: Json) -> None:
        """Remember how far a running job is: {"stage", "done", "total"}."""
        with database.write(self._workspace) as db:
            db.execute(
                "UPDATE jobs SET progress = ? WHERE id = ? AND status = 'running'", (json.dumps(progress), job_id)
            )

    def finish(
        self, job_id: str, *, result: Json | None = None, error: str | None = None, cancelled: bool = False
    ) -> None:
        """End a running job: failed with an `error`, cancelled, or finished with its `result`."""
        status = "cancelled" if cancelled else "failed" if error is not None else "finished"
        with database.write(self._workspace) as db:
            db.execute(
                "UPDATE jobs SET status = ?, result = ?, error = ?, ended_at = ?, owner = NULL, requested = NULL "
                "WHERE id = ? AND status = 'running'",
                (status, None if result is None else json.dumps(result), error, time.time(), job_id),
            )

    def cancel(self, job_id: str) -> None:
        """A queued job is cancelled at once, a running one as soon as it notices; an ended one stays as it is."""
        with database.write(self._workspace) as db:
            status = _row(db, job_id)["status"]
            if status == "queued":
                db.execute("UPDATE jobs SET status = 'cancelled', ended_at = ? WHERE id = ?", (time.time(), job_id))
            elif status == "running":
                db.execute("UPDATE jobs SET requested = 'cancel' WHERE id = ?", (job_id,))

    def sweep(self) -> int:
        """Fail running jobs whose owner is dead; how many there were."""
        with database.write(self._workspace) as db:
            rows = db.execute("SELECT id, owner FROM jobs WHERE status = 'running'").fetchall()
            orphans = [row["id"] for row in rows if not alive(row["owner"] or "")]
            for job_id in orphans:
                values = (INTERRUPTED, time.time(), job_id)
                db.execute(
                    "UPDATE jobs SET status = 'failed', error = ?, ended_at = ?, owner = NULL, requested = NULL "
                    "WHERE id = ?",
                    values,
                )
            return len(orphans)


def _row(db: sqlite3.Connection, job_id: str) -> sqlite3.Row:
    row = db.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
    if row is None:
        raise RunError(f"There is no job {job_id[:60]!r} in this workspace.")
    return row


def _job(row: sqlite3.Row) -> Job:
    return Job(
        id=row["id"],
        kind=row["kind"],
        arguments=json.loads(row["arguments"]),
        status=row["status"],
        progress=json.loads(row["progress"]),
        result=json.loads(row["result"]) if row["result"] else None,
        error=row["error"],
        created_at=row["created_at"],
        requested=row["requested"],
    )
