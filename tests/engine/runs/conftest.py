"""What tests of runs start from."""

from pathlib import Path

import pytest

from engine.workspace import Workspace
from tests.engine.small_runs import Lab
from tests.pictures import make_dataset


@pytest.fixture
def lab(workspace: Workspace, tmp_path: Path) -> Lab:
    return Lab(workspace=workspace, dataset=make_dataset(workspace, tmp_path / "source"))
