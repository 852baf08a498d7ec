"""Embedding files: what the features of a run say of its dataset, as two files in the run's folder.

Loads without torch, PIL and scikit-learn. Not here: computing any of it (embedding).
"""

from dataclasses import dataclass

import numpy as np

from engine import record_files
from engine.workspace import Workspace, atomic_path

KIND = "embedding"
_ARRAYS, _FACTS = "embedding.npz", "embedding.json"


@dataclass(frozen=True, kw_only=True)
class LabelIssue:
    """An image (its index) whose label looks wrong, and how probable the suggested and the given class are."""

    image: int
    given: str
    suggested: str
    confidence: float
    given_confidence: float


@dataclass(frozen=True, kw_only=True)
class NearDuplicate:
    """Two images (indices) of different splits that look almost the same."""

    first: int
    second: int
    bits: int
    cosine: float


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that is not an array. Accuracies are [right, images] of all test images, and of those without a twin."""

    explained: tuple[float, float]
    frozen: bool
    """Whether the body was never trained on these labels."""
    unchecked: str
    """Why labels were not checked, as a sentence; empty when they were."""
    doubts: tuple[LabelIssue, ...]
    twins: tuple[NearDuplicate, ...]
    twins_found: int
    """Also those beyond what is listed."""
    least_cosine: float
    accuracy: tuple[int, int]
    accuracy_without: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """`coordinates` float32 [images, d] in the order of the dataset; `nearest` int32 [images, 5] are training images,
    -1 for none, with their `cosines`."""

    facts: Facts
    coordinates: np.ndarray
    nearest: np.ndarray
    cosines: np.ndarray


def ready(workspace: Workspace, run_id: str) -> bool:
    """Whether both files are there, made from the weights as they are now."""
    folder = workspace.run(run_id)
    weights, *written = (
        path.stat().st_mtime_ns if path.is_file() else 0
        for path in (folder / "best.safetensors", folder / _ARRAYS, folder / _FACTS)
    )
    return all(time and time >= weights for time in written)


def stamp(workspace: Workspace, run_id: str) -> int:
    """Changes whenever the files do."""
    return (workspace.run(run_id) / _FACTS).stat().st_mtime_ns


def keep_embedding(workspace: Workspace, run_id: str, made: Embedded) -> None:
    """Write both files; the facts last, so that they never stand alone."""
    folder = workspace.run(run_id)
    with atomic_path(folder / _ARRAYS) as temporary, open(temporary, "wb") as file:
        np.savez(file, coordinates=made.coordinates, nearest=made.nearest, cosines=made.cosines)
    record_files.write(folder / _FACTS, made.facts)


def read(workspace: Workspace, run_id: str) -> Embedded:
    """What `keep` wrote; FileNotFoundError when nothing was."""
    folder = workspace.run(run_id)
    facts = record_files.read(folder / _FACTS, Facts)
    with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
        return Embedded(facts=facts, **{name: arrays[name] for name in arrays.files})
