"""Weights files that people brought, as the workspace lists them; loads without torch.

`bringing.bring` stores them. Not here: reading their tensors.
"""

from dataclasses import dataclass
from pathlib import Path

from engine import record_files
from engine.errors import WeightsError
from engine.workspace import Workspace, checked_id


@dataclass(frozen=True, kw_only=True)
class BroughtWeights:
    """One weights file that was read, checked and stored as safetensors."""

    id: str
    name: str
    """The name of the file as it was brought; text of a user."""
    tensors: int
    bytes: int
    created_at: str
    """ISO 8601, UTC; when it was brought last."""
    classes: tuple[str, ...] = ()
    """What its outputs stand for, where the file says so; text of a user."""
    notes: tuple[str, ...] = ()
    """How the file was read: what else there is in it, and what of it was left out."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """How a file and a model fit: numbers and names for the person who brought the file."""

    matched: int
    missing: tuple[str, ...]
    """Tensors of the model that the file does not have; they keep their random start."""
    unexpected: tuple[str, ...]
    """Tensors of the file that are not used."""
    reinitialised_head: bool
    notes: tuple[str, ...]
    """The same in sentences; empty when everything matched."""


def list_weights(workspace: Workspace) -> list[BroughtWeights]:
    """Everything that was brought, newest first."""
    stored = map(_read, workspace.weights.glob("weights-*.json"))
    return sorted(stored, key=lambda weights: weights.created_at, reverse=True)


def open_weights(workspace: Workspace, weights_id: str) -> BroughtWeights:
    """WeightsError names what there is instead."""
    path = weights_path(workspace, weights_id).with_suffix(".json")
    if not path.is_file():
        stored = ", ".join(f"{weights.id} ({weights.name})" for weights in list_weights(workspace)) or "none yet"
        raise WeightsError(
            f"There are no brought weights {weights_id}. Bring the file again, or choose one of: {stored}."
        )
    return _read(path)


def weights_path(workspace: Workspace, weights_id: str) -> Path:
    """Where the tensors of `weights_id` are kept."""
    return workspace.weights / f"{checked_id(weights_id)}.safetensors"


def record_weights(workspace: Workspace, weights: BroughtWeights) -> None:
    """List `weights`; its tensors must be in place already, for this is what makes them exist."""
    record_files.write(weights_path(workspace, weights.id).with_suffix(".json"), weights)


def _read(path: Path) -> BroughtWeights:
    return record_files.read(path, BroughtWeights, error=WeightsError)
