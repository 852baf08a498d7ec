"""What several tests of the data wing start from."""

import os
from pathlib import Path

import pytest

from engine.data.dataset_records import Dataset
from engine.data.uploads import Upload
from engine.workspace import Workspace
from tests.pictures import make_dataset, new_upload


@pytest.fixture
def dataset(workspace: Workspace, tmp_path: Path) -> Dataset:
    """24 images of three classes."""
    return make_dataset(workspace, tmp_path / "source", each=8)


@pytest.fixture
def upload(workspace: Workspace) -> Upload:
    return new_upload(workspace)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a cache file is to be."""
    return tmp_path / "folder" / "some.rows"


@pytest.fixture
def descriptors(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """What is open of all cache files (their names hold ".rows") that are opened from now on."""
    opened: set[int] = set()
    real_open, real_close = os.open, os.close

    def opening(path: object, *more: object) -> int:
        file = real_open(path, *more)
        if ".rows" in str(path):
            opened.add(file)
        return file

    def closing(file: int) -> None:
        real_close(file)
        opened.discard(file)

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(os, "close", closing)
    return opened
