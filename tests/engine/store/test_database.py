"""The file survives racing writers, and says what is wrong when it cannot be used."""

import sqlite3

import pytest

from engine.errors import EngineError
from engine.store import database
from engine.workspace import Workspace
from tests.engine.store.racing import racing


def test_read_modify_write_from_eight_threads_loses_nothing(workspace: Workspace):
    with database.write(workspace) as db:
        db.execute("CREATE TABLE counter (value INTEGER)")
        db.execute("INSERT INTO counter VALUES (0)")

    def count() -> None:
        for _ in range(25):
            with database.write(workspace) as db:
                value = db.execute("SELECT value FROM counter").fetchone()[0]
                db.execute("UPDATE counter SET value = ?", (value + 1,))

    racing(count)
    with database.read(workspace) as db:
        assert db.execute("SELECT value FROM counter").fetchone()[0] == 8 * 25


def test_the_schema_is_made_once_by_racing_threads(workspace: Workspace):
    def first() -> int:
        with database.read(workspace) as db:
            return db.execute("SELECT count(*) FROM runs").fetchone()[0]

    assert racing(first) == [0] * 8


def test_a_failed_transaction_leaves_no_trace(workspace: Workspace):
    with pytest.raises(ZeroDivisionError), database.write(workspace) as db:
        db.execute("INSERT INTO devices VALUES (0, 'cpu', 'x', 1, '')")
        raise ZeroDivisionError
    with database.read(workspace) as db:
        assert db.execute("SELECT count(*) FROM devices").fetchone()[0] == 0


def test_a_file_of_a_newer_version_is_refused_and_left_alone(workspace: Workspace):
    with database.read(workspace) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(EngineError, match="newer Thaw"), database.read(workspace):
        pass
    connection = sqlite3.connect(workspace.database)
    assert connection.execute("PRAGMA user_version").fetchone()[0] == 99
    connection.close()


def test_a_file_that_is_no_database_is_named_with_a_remedy(workspace: Workspace):
    workspace.database.write_bytes(b"no database" * 100)
    sentence = r"thaw\.db cannot be used: file is not a database\. Restore"
    with pytest.raises(EngineError, match=sentence), database.read(workspace):
        pass
