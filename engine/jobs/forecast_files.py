"""Forecasts: what was foretold of a run, kept so that it can stand beside what was measured. Plain files; loads without
torch.

Not here: foretelling (forecasting).
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from engine.config import to_json
from engine.runconfig import RunConfig
from engine.workspace import Workspace, atomic_write


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """One run as it was foretold: seconds in all in its queue, and what it takes of the machine."""

    seconds: float
    peak_memory_bytes: int
    trainable_parameters: int
    cache_bytes: int


def forecast_of(workspace: Workspace, config: RunConfig) -> Forecast | None:
    """What was foretold of a run with exactly this config, or None. A file of another version is as good as none."""
    try:
        return Forecast(**json.loads(_path(workspace, config).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def keep(workspace: Workspace, config: RunConfig, forecast: Forecast) -> None:
    """Remember `forecast`; a later one for the same config takes its place."""
    atomic_write(_path(workspace, config), json.dumps(dataclasses.asdict(forecast)))


def _path(workspace: Workspace, config: RunConfig) -> Path:
    plain = (
        dataclasses.replace(config, weights="none") if config.strategy == "from_scratch" else config
    )  # as a comparison writes it
    return workspace.root / "forecasts" / f"{hashlib.sha256(to_json(plain).encode()).hexdigest()[:32]}.json"
