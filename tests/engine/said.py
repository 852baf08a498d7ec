"""What the command line said, read back."""

import json
from typing import Any

import pytest


def last_json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The last line that was printed, as JSON."""
    return dict(json.loads(capsys.readouterr().out.strip().splitlines()[-1]))
