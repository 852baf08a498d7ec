"""What tests of several verbs of the command line start from."""

from pathlib import Path

import pytest

from engine.cli.main import main
from engine.workspace import Workspace
from tests.pictures import write_folders


@pytest.fixture
def in_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child's work, done in a thread of this process."""
    monkeypatch.setenv("THAW_ISOLATION", "thread")


@pytest.fixture
def imported(in_thread: None, workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Workspace:
    """A workspace with the dataset `colours`."""
    write_folders(tmp_path / "colours")
    assert main(["import", str(tmp_path / "colours"), "--name", "colours", "--split", "60/20/20"]) == 0
    capsys.readouterr()
    return workspace


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str) -> object:
        raise OSError("no network in this test")

    monkeypatch.setattr("engine.models.published._open", refuse)
