"""JobStore: the short jobs beside training (imports, predictions, lists of backbones), asked for and watched by pages.

Not here: what a kind of job does (tasks) and who does it (worker).
"""

import sqlite3
import time
from dataclasses import dataclass, fields
from typing import TypeVar

from engine import record_files
from engine.errors import RunError
from engine.events import Progress
from engine.store import database
from engine.store.run_record import decoded
from engine.workspace import Workspace, new_id

INTERRUPTED = "This was interrupted: Thaw was closed, or its process was ended, before it was done. Start it again."
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Job:
    """One row, as it was when it was read."""

    id: str
    kind: str
    arguments: str
    """The JSON of a record that the kind of job defines, and so is the result."""
    status: str
    progress: Progress
    result: str | None
    error: str | None
    requested: str | None
    """"cancel" when somebody wants it to end and it has not yet; "nothing" when somebody has read why it failed."""

    @property
    def unread(self) -> bool:
        """Whether it failed and nobody has said that they know."""
        return self.status == "failed" and self.requested != "nothing"

    @property
    def ended(self) -> bool:
        return self.status in ("finished", "failed", "cancelled")

    def arguments_as(self, kind: type[T]) -> T | None:
        """What was asked; None where another version asked otherwise."""
        return decoded(self.arguments, kind)

    def result_as(self, kind: type[T]) -> T | None:
        """What came of it; None before it has finished, and where another version left another record."""
        return decoded(self.result, kind) if self.status == "finished" else None


class JobStore:
    """Safe from any thread and any process; holds no connection."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def submit(self, kind: str, arguments: object) -> Job:
        """Queue a job; `arguments` is the record that this kind defines."""
        job_id = new_id("job")
        with database.write(self._workspace) as db:
            values = (job_id, kind, record_files.encode(arguments), time.time())
            columns = "id, kind, arguments, created_at, status"
            db.execute(f"INSERT INTO jobs ({columns}) VALUES (?, ?, ?, ?, 'queued')", values)
            return _job(_row(db, job_id))

    def get(self, job_id: str) -> Job:
        with database.read(self._workspace) as db:
            return _job(_row(db, job_id))

    def list(self, kind: str | None = None) -> list[Job]:
        """All jobs, or all of a kind, the newest first."""
        with database.read(self._workspace) as db:
            rows = db.execute("SELECT * FROM jobs WHERE kind = coalesce(?, kind) ORDER BY number DESC", (kind,))
            return [_job(row) for row in rows]

    def newest(self, kind: str, arguments: object) -> Job | None:
        """The latest job of this kind with exactly these arguments; reads no further than it."""
        with database.read(self._workspace) as db:
            rows = db.execute("SELECT * FROM jobs WHERE kind = ? ORDER BY number DESC", (kind,))
            return next((_job(row) for row in rows if decoded(row["arguments"], type(arguments)) == arguments), None)

    def claim(self, owner: str) -> Job | None:
        """The oldest queued job, now running and owned by `owner`. Of all who ask, exactly one gets it."""
        if not database.any_queued(self._workspace, "jobs"):
            return None
        with database.write(self._workspace) as db:
            row = db.execute("SELECT id FROM jobs WHERE status = 'queued' ORDER BY number").fetchone()
            if row is None:
                return None
            db.execute("UPDATE jobs SET status = 'running', owner = ? WHERE id = ?", (owner, row["id"]))
            return _job(_row(db, row["id"]))

    def record(self, job_id: str, progress: Progress) -> None:
        """Remember how far a running job is."""
        values = (record_files.encode(progress), job_id)
        with database.write(self._workspace) as db:
            db.execute("UPDATE jobs SET progress = ? WHERE id = ? AND status = 'running'", values)

    def finish(
        self, job_id: str, *, result: str | None = None, error: str | None = None, cancelled: bool = False
    ) -> None:
        """End a running job: failed with an `error`, cancelled, or finished with its `result` as JSON."""
        status = "cancelled" if cancelled else "failed" if error is not None else "finished"
        with database.write(self._workspace) as db:
            _end(db, job_id, status, result=result, error=error)

    def cancel(self, job_id: str) -> None:
        """A queued job is cancelled at once, a running one as soon as it notices; an ended one stays as it is."""
        with database.write(self._workspace) as db:
            status = _row(db, job_id)["status"]
            if status == "queued":
                db.execute("UPDATE jobs SET status = 'cancelled', ended_at = ? WHERE id = ?", (time.time(), job_id))
            elif status == "running":
                db.execute("UPDATE jobs SET requested = 'cancel' WHERE id = ?", (job_id,))

    def understood(self, job_id: str) -> None:
        """Somebody has read why the job failed; it need not be said again, in no tab."""
        with database.write(self._workspace) as db:
            db.execute("UPDATE jobs SET requested = 'nothing' WHERE id = ? AND status = 'failed'", (job_id,))

    def sweep(self) -> int:
        """Fail running jobs whose owner is dead; how many there were."""
        with database.write(self._workspace) as db:
            orphans = database.orphans(db, "jobs")
            for job_id in orphans:
                _end(db, job_id, "failed", error=INTERRUPTED)
            return len(orphans)


def _row(db: sqlite3.Connection, job_id: str) -> sqlite3.Row:
    row = db.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
    if row is None:
        raise RunError(f"There is no job {job_id[:60]!r} in this workspace.")
    return row


def _end(db: sqlite3.Connection, job_id: str, status: str, *, result: str | None = None, error: str | None) -> None:
    """Nothing happens to a job that has ended already."""
    columns = "status = ?, result = ?, error = ?, ended_at = ?, owner = NULL, requested = NULL"
    values = (status, result, error, time.time(), job_id)
    db.execute(f"UPDATE jobs SET {columns} WHERE id = ? AND status = 'running'", values)


def _job(row: sqlite3.Row) -> Job:
    values = {field.name: row[field.name] for field in fields(Job)}
    return Job(**{**values, "progress": decoded(row["progress"], Progress) or Progress()})
