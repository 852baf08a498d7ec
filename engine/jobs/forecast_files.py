"""Forecast files: what was foretold of a run, to stand beside what was measured. Loads without torch.

Not here: foretelling (forecast).
"""

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path

from engine import record_files
from engine.config import to_json
from engine.errors import EngineError
from engine.runconfig import RunConfig
from engine.training.strategies import starts_at_random
from engine.workspace import Workspace


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
        return record_files.read(_path(workspace, config), Forecast)
    except (OSError, EngineError):
        return None


def keep_forecast(workspace: Workspace, config: RunConfig, forecast: Forecast) -> None:
    """Remember `forecast`; a later one for the same config takes its place."""
    record_files.write(_path(workspace, config), forecast)


def _path(workspace: Workspace, config: RunConfig) -> Path:
    if starts_at_random(config.strategy):  # as a comparison writes it
        config = dataclasses.replace(config, weights="none")
    return workspace.root / "forecasts" / f"{hashlib.sha256(to_json(config).encode()).hexdigest()[:32]}.json"
