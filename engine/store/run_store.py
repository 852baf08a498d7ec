"""RunStore: every run and what is known of it. Pages, command line and worker share nothing else.

Every change is one short transaction; the functions below do steps of one, for changes to many runs at once
(comparisons). Not here: what a Run is made of (run), executing it (pipeline).
"""

import shutil
import sqlite3
import time
from collections.abc import Mapping, Sequence

from msgspec.structs import astuple

from engine import record_files
from engine.config import from_json, to_json
from engine.errors import RunError
from engine.events import Device, Epoch, Event, Paused, Started
from engine.runconfig import RunConfig
from engine.store import database
from engine.store.run_record import ENDED, INTERRUPTED, Run, RunProgress, changes, decoded, from_row
from engine.workspace import Workspace, new_id


class RunStore:
    """Safe from any thread and any process; holds no connection."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def enqueue(self, config: RunConfig, *, name: str = "", owner: str | None = None) -> Run:
        """Queue a run; with an `owner` it is claimed at once, for a command line that trains by itself."""
        with database.write(self._workspace) as db:
            run_id = add(db, config, name=name)
            if owner:
                take(db, run_id, owner, device=config.device)
            return from_row(_row(db, run_id))

    def get(self, run_id: str) -> Run:
        with database.read(self._workspace) as db:
            return from_row(_row(db, run_id))

    def list(self) -> list[Run]:
        """All runs, the newest first."""
        with database.read(self._workspace) as db:
            return [from_row(row) for row in db.execute("SELECT * FROM runs ORDER BY number DESC")]

    def queued(self) -> tuple[Run, ...]:
        """Those that wait, the next one first."""
        with database.read(self._workspace) as db:
            rows = db.execute("SELECT * FROM runs WHERE status = 'queued' ORDER BY turn")
            return tuple(from_row(row) for row in rows)

    def claim(self, device: str, owner: str) -> Run | None:
        """The next queued run that may use `device`, now running and owned by `owner`; None when there is none or the
        device is busy. Of all who ask, exactly one gets it. Runs that ask for a device nobody has fail here."""
        if not database.any_queued(self._workspace, "runs"):
            return None
        with database.write(self._workspace) as db:
            _interrupt_orphans(db)
            announced = [row["device"] for row in db.execute("SELECT device FROM devices ORDER BY position")]
            _refuse_unplaceable(db, announced)
            if db.execute("SELECT 1 FROM runs WHERE status = 'running' AND device = ?", (device,)).fetchone():
                return None
            wants = [device, device.partition(":")[0]]
            if not announced or announced[0].partition(":")[0] == wants[1]:
                wants.append("auto")  # the CPU leaves these to the GPU when there is one
            waiting = f"SELECT id FROM runs WHERE status = 'queued' AND wanted IN ({_marks(wants)}) ORDER BY turn"
            row = db.execute(waiting, wants).fetchone()
            if row is None:
                return None
            take(db, row["id"], owner, device=device)
            return from_row(_row(db, row["id"]))

    def record(self, run_id: str, event: Event) -> None:
        """Remember what a run said of itself; events of a run that is not running are dropped."""
        with database.write(self._workspace) as db:
            row = db.execute("SELECT * FROM runs WHERE id = ? AND status = 'running'", (run_id,)).fetchone()
            if row is None:
                return
            progress = decoded(row["progress"], RunProgress) or RunProgress()
            _set(db, run_id, changes(event, progress))
            match event:
                # A later request waits for its own answer.
                case Paused(paused=paused) if row["requested"] == ("pause" if paused else "resume"):
                    _set(db, run_id, {"requested": None})
                case Epoch(epoch=epoch):
                    values = (run_id, epoch, record_files.encode(event))
                    db.execute("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?)", values)
                case Started(epochs_done=int(done)):
                    db.execute("DELETE FROM epochs WHERE run = ? AND epoch > ?", (run_id, done))

    def request(self, run_id: str, what: str) -> None:
        """Ask a run to "stop", "pause" or "resume". A queued run stops at once; no later pause takes a stop back."""
        if what not in ("stop", "pause", "resume"):
            raise RunError(f"A run cannot be asked to {what!r}; only to stop, pause or resume.")
        with database.write(self._workspace) as db:
            ask(db, run_id, what)

    def requested(self, run_id: str) -> str | None:
        """What was asked of the run and not answered yet."""
        return self.get(run_id).requested

    def finish(self, run_id: str, status: str, error: str | None = None) -> None:
        """End a running run; nothing happens when it has ended already (its owner was found dead, say)."""
        if status not in ENDED:
            raise ValueError(f"{status!r} does not end a run")
        with database.write(self._workspace) as db:
            if _row(db, run_id)["status"] == "running":
                _end(db, run_id, status, error=error)

    def requeue(self, run_id: str, *, owner: str | None = None) -> Run:
        """Queue an ended run again, to resume from its checkpoint; not a finished one. `owner` as for enqueue."""
        with database.write(self._workspace) as db:
            revive(db, run_id)
            if owner:
                take(db, run_id, owner, device=None)
            return from_row(_row(db, run_id))

    def rename(self, run_id: str, name: str) -> None:
        with database.write(self._workspace) as db:
            config = from_row(_row(db, run_id)).config
            _set(db, run_id, {"name": _name(name, config)})

    def delete(self, run_id: str) -> None:
        """Forget a run and remove its folder; RunError while it is running."""
        with database.write(self._workspace) as db:
            drop(db, run_id)
        shutil.rmtree(self._workspace.run(run_id), ignore_errors=True)

    def epochs(self, run_id: str) -> tuple[Epoch, ...]:
        """The ended epochs of a run in order, but those that cannot be read."""
        with database.read(self._workspace) as db:
            rows = db.execute("SELECT event FROM epochs WHERE run = ? ORDER BY epoch", (run_id,)).fetchall()
        return tuple(epoch for row in rows if (epoch := decoded(row["event"], Epoch)))

    def sweep(self) -> int:
        """Mark runs whose owner is dead as interrupted; how many there were."""
        with database.write(self._workspace) as db:
            return _interrupt_orphans(db)

    def announce(self, devices: Sequence[Device]) -> None:
        """Replace the list of devices that can train, the preferred first."""
        rows = [(position, *astuple(device)) for position, device in enumerate(devices)]
        with database.write(self._workspace) as db:
            db.execute("DELETE FROM devices")
            db.executemany("INSERT INTO devices VALUES (?, ?, ?, ?, ?)", rows)

    def devices(self) -> tuple[Device, ...]:
        """What was announced last; empty until a worker has looked."""
        with database.read(self._workspace) as db:
            rows = db.execute("SELECT device, name, memory_bytes, why FROM devices ORDER BY position")
            return tuple(Device(**dict(row)) for row in rows)


RESUMABLE = ("stopped", "interrupted", "failed")
_NEXT_TURN = "(SELECT coalesce(max(turn), 0) + 1 FROM runs)"  # counted, not timed: clocks jump


def add(db: sqlite3.Connection, config: RunConfig, *, name: str = "", comparison: str | None = None) -> str:
    """Queue a run within a transaction of the caller; its id."""
    run_id = new_id("run")
    values = (run_id, _name(name, config), to_json(config), config.device, time.time(), comparison)
    columns = "id, name, config, wanted, created_at, comparison, status, turn"
    db.execute(f"INSERT INTO runs ({columns}) VALUES (?, ?, ?, ?, ?, ?, 'queued', {_NEXT_TURN})", values)
    return run_id


def take(db: sqlite3.Connection, run_id: str, owner: str, *, device: str | None) -> None:
    """Make `owner` the one who runs it."""
    _set(db, run_id, {"status": "running", "owner": owner, "device": device, "started_at": time.time()})


def ask(db: sqlite3.Connection, run_id: str, what: str) -> None:
    """RunStore.request within a transaction of the caller."""
    row = _row(db, run_id)
    if row["status"] == "queued" and what == "stop":
        _set(db, run_id, {"status": "stopped", "ended_at": time.time()})
    elif row["status"] != "running":
        raise RunError(f"{row['name']} is {row['status']}, so it cannot {what}. Only a running run can.")
    elif row["requested"] != "stop":
        _set(db, run_id, {"requested": what})


def revive(db: sqlite3.Connection, run_id: str) -> None:
    """RunStore.requeue within a transaction of the caller."""
    row = _row(db, run_id)
    if row["status"] not in RESUMABLE:
        raise RunError(f"{row['name']} is {row['status']}. Only a stopped, interrupted or failed run can be resumed.")
    from_json(row["config"])  # a config of another version is refused by name, never half used
    cleared = ("ended_at", "error", "requested", "summary", "device", "owner", "started_at")
    _set(db, run_id, {**dict.fromkeys(cleared), "progress": "{}", "status": "queued"})
    db.execute(f"UPDATE runs SET turn = {_NEXT_TURN} WHERE id = ?", (run_id,))


def drop(db: sqlite3.Connection, run_id: str) -> None:
    """RunStore.delete within a transaction of the caller, who removes the folder afterwards."""
    row = _row(db, run_id)
    if row["status"] == "running":
        raise RunError(f"{row['name']} is running. Stop it first, then delete it.")
    db.execute("DELETE FROM runs WHERE id = ?", (run_id,))


def one_line(text: str) -> str:
    """What a person typed, on one line and of bearable length."""
    return " ".join(text.encode("utf-8", "replace").decode().split())[:200]


def _name(text: str, config: RunConfig) -> str:
    return one_line(text) or f"{config.backbone} {config.strategy}"


def _row(db: sqlite3.Connection, run_id: str) -> sqlite3.Row:
    row = db.execute("SELECT * FROM runs WHERE id = ?", (run_id,)).fetchone()
    if row is None:
        raise RunError(f"There is no run {run_id[:60]!r} in this workspace; it may have been deleted.")
    return row


def _interrupt_orphans(db: sqlite3.Connection) -> int:
    orphans = database.orphans(db, "runs")
    for run_id in orphans:
        _end(db, run_id, "interrupted", error=INTERRUPTED)
    return len(orphans)


def _refuse_unplaceable(db: sqlite3.Connection, announced: list[str]) -> None:
    """Fail queued runs that wait for a device this machine does not have."""
    if not announced:
        return
    placeable = ["auto", *announced, *(device.partition(":")[0] for device in announced)]
    refused = f"SELECT id, wanted FROM runs WHERE status = 'queued' AND wanted NOT IN ({_marks(placeable)})"
    for row in db.execute(refused, placeable).fetchall():
        error = f"There is no device {row['wanted']!r} on this machine. Choose auto or one of: {', '.join(announced)}."
        _set(db, row["id"], {"status": "failed", "error": error, "ended_at": time.time()})


def _end(db: sqlite3.Connection, run_id: str, status: str, *, error: str | None) -> None:
    left = {"ended_at": time.time(), "owner": None, "requested": None}
    _set(db, run_id, {"status": status, "error": error, **left})


def _set(db: sqlite3.Connection, run_id: str, values: Mapping[str, str | float | None]) -> None:
    assignments = ", ".join(f"{column} = ?" for column in values)
    db.execute(f"UPDATE runs SET {assignments} WHERE id = ?", (*values.values(), run_id))


def _marks(values: list[str]) -> str:
    return ", ".join("?" * len(values))
