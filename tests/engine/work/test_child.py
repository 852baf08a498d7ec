"""What people are told of an error names the cause and the remedy, and the log takes whatever it is given."""

import errno
import shutil
import threading
from collections import namedtuple
from queue import SimpleQueue

import pytest

from engine.errors import TrainingError
from engine.events import Command, DoJob, Prepare
from engine.work import conversation
from engine.work.child import ChildLoop, Wiring, failure, write_log
from engine.work.transport import ThreadChild
from engine.workspace import Workspace
from tests.engine.work import fake_work

FAKES = Wiring(executor=fake_work.__name__, tasks=fake_work.__name__, devices=fake_work.__name__)
Usage = namedtuple("Usage", "total used free")


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "message", "healthy"),
    [
        (TrainingError("The loss is not a number. Lower the rate."), "The loss is not a number. Lower the rate.", True),
        (KeyError("x"), "Thaw hit a defect: KeyError: 'x'. The log has the details.", False),
    ],
)
def test_errors_become_sentences(workspace: Workspace, error: Exception, message: str, healthy: bool):
    event = failure(raised(error), workspace)
    assert (event.message, event.healthy) == (message, healthy)
    assert event.traceback.startswith("Traceback") and type(error).__name__ in event.traceback


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "Input, output error"), RuntimeError("unexpected pos 576 vs 534")]
)
def test_a_full_disk_is_called_one(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, error: Exception):
    assert "defect" in failure(error, workspace).message
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1 << 40, 1 << 40, 12 << 20))
    assert failure(error, workspace).message.startswith("The disk is full: 12 MB are free")
    monkeypatch.undo()  # a full quota is a full disk, however much the disk has
    assert failure(OSError(errno.EDQUOT, "Full"), workspace).message.startswith("The disk is full")


def test_the_log_keeps_every_line_with_its_time(workspace: Workspace):
    write_log(workspace, "run-0123456789", "하나\ntwo \udcff")
    write_log(workspace, "run-0123456789", "three")
    lines = (workspace.run("run-0123456789") / "log.txt").read_text(encoding="utf-8").splitlines()
    assert [line[20:] for line in lines] == ["하나", "two \\udcff", "three"]
    assert all(line[4] == "-" and line[13] == ":" for line in lines)


def test_a_log_that_cannot_be_written_ends_nothing(workspace: Workspace, capsys: pytest.CaptureFixture[str]):
    workspace.run("run-0123456789").write_text("a file where the folder should be")
    write_log(workspace, "run-0123456789", "lost")
    assert "log.txt of run-0123456789" in capsys.readouterr().err


def test_an_idle_child_loads_what_runs_need(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    loaded = threading.Event()
    monkeypatch.setattr(fake_work, "prepare", loaded.set)
    monkeypatch.setattr(conversation, "start_child", ThreadChild)
    slot = conversation.ChildSlot(workspace, FAKES, threading.Event())
    slot.warm()
    assert loaded.wait(30)
    slot.dismiss()


def test_a_child_that_is_asked_for_more_loads_nothing_before(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    loaded, commands = threading.Event(), SimpleQueue[Command | None]()
    monkeypatch.setattr(fake_work, "prepare", loaded.set)
    for command in (Prepare(), DoJob(kind="import", arguments="{}"), None):
        commands.put(command)
    ChildLoop(workspace=workspace, wiring=FAKES, commands=commands, emit=lambda event: None).serve()
    assert not loaded.is_set()
