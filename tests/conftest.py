"""What every test gets: a workspace of its own and no way to reach a real one."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("THAW_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: threads that wait for each other crawl on a busy machine

import pytest

from engine.workspace import Workspace, open_workspace


@pytest.fixture(autouse=True)
def roomy_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept depends on the room there is; a test that is about that says how much."""

    def usage(path: str | Path) -> SimpleNamespace:
        os.stat(path)  # as the real one, which knows no room where nothing is
        return SimpleNamespace(total=1 << 42, used=0, free=1 << 42)

    monkeypatch.setattr(shutil, "disk_usage", usage)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("THAW_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch_home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return open_workspace()
