"""What the command line is told in order to train quickly, and what it said, read back."""

import json
from typing import Any

import pytest

SMALL = ["--backbone", "resnet18", "--weights", "none", "--epochs", "1"]
SMALL += ["--set", "image_size=32", "--set", "batch_size=8"]


def last_json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The last line that was printed, as JSON."""
    return dict(json.loads(capsys.readouterr().out.strip().splitlines()[-1]))
