"""Siblings: waiting runs that see the same images through the same frozen weights, to share what is computed once.

Not here: what they will read (sharing).
"""

from contextlib import suppress

from engine.errors import EngineError
from engine.runconfig import RunConfig
from engine.store.run_store import RunStore
from engine.training.freezing import starting_weights
from engine.training.solved.solvable import reads_stages
from engine.workspace import Workspace

_DECIDES = ("dataset", "backbone", "preprocessing", "image_size", "precision", "device")


def siblings(workspace: Workspace, config: RunConfig) -> tuple[RunConfig, ...]:
    """Configurations of the queued runs that start where `config` starts."""
    start, alike = start_of(config), []
    for run in RunStore(workspace).queued():
        with suppress(EngineError):  # one that starts nowhere says so when its turn comes
            if start_of(run.config) == start:
                alike.append(run.config)
    return tuple(alike)


def start_of(config: RunConfig) -> tuple[object, ...]:
    """What decides the frozen part; the seed does where weights are random. ConfigError where nothing can start."""
    weights = starting_weights(config)
    random = config.seed if weights == "none" else None
    return (*(getattr(config, name) for name in _DECIDES), weights, random, reads_stages(config))
