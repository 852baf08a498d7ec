"""The images that tests of runs train on."""

from pathlib import Path

import pytest

from engine.data.dataset_records import Dataset
from engine.workspace import Workspace
from tests.pictures import make_dataset


@pytest.fixture
def dataset(workspace: Workspace, tmp_path: Path) -> Dataset:
    return make_dataset(workspace, tmp_path / "source")
