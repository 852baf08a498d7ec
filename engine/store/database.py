"""The database file: connections, transactions, and the schema with its migrations.

Not here: what rows mean (store, jobs). A connection lives for one call, so threads and processes share nothing but the
file. The rollback journal is meant: no SQLite before 3.51.3 is safe with several writers in WAL mode.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from engine.errors import EngineError
from engine.store.process_identity import alive
from engine.workspace import Workspace

_BUSY_SECONDS = 30.0
_RESTORE = "Restore it from a copy, or move it away to begin with an empty list of runs."
_REMEDIES = {
    "full": "Free some space on the disk and try again.",
    "locked": "Another program holds the file; close it and try again.",
    "readonly": "Make the file and its folder writable, or choose another workspace with --workspace DIR.",
    "not a database": _RESTORE,
    "malformed": _RESTORE,
    "": "Check that the workspace folder exists and is writable.",
}
"""What SQLite says, in part -> what helps."""
_MIGRATIONS = (
    """
    CREATE TABLE runs (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, config TEXT NOT NULL,
        wanted TEXT NOT NULL, status TEXT NOT NULL, turn INTEGER NOT NULL, created_at REAL NOT NULL,
        started_at REAL, ended_at REAL, heartbeat_at REAL, owner TEXT, device TEXT, progress TEXT NOT NULL DEFAULT '{}',
        requested TEXT, error TEXT, started TEXT, summary TEXT
    );
    CREATE INDEX runs_by_status ON runs (status, turn);
    CREATE TABLE epochs (
        run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, epoch INTEGER NOT NULL, event TEXT NOT NULL,
        PRIMARY KEY (run, epoch)
    );
    CREATE TABLE jobs (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, arguments TEXT NOT NULL,
        status TEXT NOT NULL, progress TEXT NOT NULL DEFAULT '{}', result TEXT, error TEXT, created_at REAL NOT NULL,
        ended_at REAL, owner TEXT, requested TEXT
    );
    CREATE INDEX jobs_by_status ON jobs (status, number);
    CREATE TABLE devices (
        position INTEGER PRIMARY KEY, device TEXT NOT NULL UNIQUE, name TEXT NOT NULL, memory_bytes INTEGER NOT NULL,
        why TEXT NOT NULL
    );
    """,
    """
    CREATE TABLE comparisons (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, body TEXT NOT NULL,
        created_at REAL NOT NULL
    );
    ALTER TABLE runs ADD COLUMN comparison TEXT REFERENCES comparisons (id) ON DELETE SET NULL;
    CREATE INDEX runs_by_comparison ON runs (comparison, number);
    """,
)


@contextmanager
def read(workspace: Workspace) -> Iterator[sqlite3.Connection]:
    """A connection for single SELECTs; rows answer to column names. EngineError when the file cannot be used."""
    try:
        with closing(_connect(workspace)) as connection:
            yield connection
    except sqlite3.IntegrityError:
        raise
    except sqlite3.DatabaseError as error:
        remedy = next((text for word, text in _REMEDIES.items() if word in str(error)), _REMEDIES[""])
        raise EngineError(f"The list of runs in {workspace.database} cannot be used: {error}. {remedy}") from error


@contextmanager
def write(workspace: Workspace) -> Iterator[sqlite3.Connection]:
    """A transaction that holds the write lock from its start, so that what it reads stays true until it ends."""
    with read(workspace) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def any_queued(workspace: Workspace, table: str) -> bool:
    """Whether there is anything to claim: asked often, so without the write lock."""
    with read(workspace) as db:
        return db.execute(f"SELECT 1 FROM {table} WHERE status = 'queued'").fetchone() is not None


def orphans(db: sqlite3.Connection, table: str) -> list[str]:
    """Ids of the running rows of `table` whose owner is dead."""
    rows = db.execute(f"SELECT id, owner FROM {table} WHERE status = 'running'")
    return [row["id"] for row in rows if not alive(row["owner"] or "")]


def _connect(workspace: Workspace) -> sqlite3.Connection:
    connection = sqlite3.connect(workspace.database, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        if _version(connection) != len(_MIGRATIONS):
            _migrate(connection, workspace)
    except BaseException:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _migrate(connection: sqlite3.Connection, workspace: Workspace) -> None:
    """Bring an older file up to date, once, whichever process comes first."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        if version > len(_MIGRATIONS):
            raise EngineError(
                f"{workspace.database} was written by a newer Thaw (format {version}, this one reads "
                f"{len(_MIGRATIONS)}). Update Thaw, or choose another workspace with --workspace DIR."
            )
        for step, script in enumerate(_MIGRATIONS[version:], start=version + 1):
            for statement in script.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {step}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
