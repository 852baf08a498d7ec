"""Heat map files: where the pictures that explain a prediction are kept, and what is known of them. Without torch.

A folder for each (weights, image, class) in the run's `explanations/`, complete or absent. Not here: making them
(heat_maps).
"""

import hashlib
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine import record_files
from engine.errors import RunError
from engine.workspace import Workspace, checked_id, new_id

PICTURES = ("crop", "heat", "chance")
"""The square the model saw, the heat map over it, and the map behind a head of random weights over it."""
MOST_KEPT = 400
"""Explanations of one run; the oldest go first. Each takes about 0.2 MB and is made again in a second."""

_NAME = re.compile(r"[0-9a-f]{12}-(image|predict-[0-9a-f]{8,32})-[0-9]{1,9}-[0-9]{1,6}")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An image: its index in the run's dataset, or, with the id of new predictions, its row there."""

    image: int
    predictions: str = ""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What is known beside the pictures, which are in the folder `name`."""

    name: str
    of: str
    """The class that the map speaks for."""
    probability: float
    """What the model gives that class for the picture in the folder `name`."""
    silent: bool
    """Nothing in the image speaks for the class: the map is empty."""


def find(workspace: Workspace, run_id: str, subject: Subject, *, of: str) -> Explanation | None:
    """The explanation for the class `of` by the weights as they are now; None when it has to be made first."""
    folder = workspace.run(run_id) / "explanations" / name_of(workspace, run_id, subject, of=of)
    try:
        return record_files.read(folder / "about.json", Explanation, error=RunError)
    except FileNotFoundError:
        return None


def keep_heat_map(
    workspace: Workspace, run_id: str, explanation: Explanation, *, pictures: Mapping[str, bytes]
) -> None:
    """Write it with its PNGs, by the names in PICTURES, at once; drop what is too old or of other weights."""
    building = workspace.incoming / new_id("explain")
    kept = workspace.run(run_id) / "explanations"
    try:
        building.mkdir(parents=True)
        for name in PICTURES:
            (building / f"{name}.png").write_bytes(pictures[name])
        record_files.write(building / "about.json", explanation)
        kept.mkdir(exist_ok=True)
        with suppress(OSError):  # it is there already: somebody else asked for the same at the same time
            building.rename(kept / explanation.name)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    _drop_old(kept, explanation.name.partition("-")[0])


def name_of(workspace: Workspace, run_id: str, subject: Subject, *, of: str) -> str:
    """The folder name: which weights, which image, and the number of the class. RunError for what does not exist."""
    folder = workspace.run(run_id)
    source = f"{checked_id(subject.predictions)}-{subject.image}" if subject.predictions else f"image-{subject.image}"
    return f"{_weights_digest(folder)}-{source}-{class_index(folder, of)}"


def class_index(folder: Path, of: str) -> int:
    """The number of the class `of` among those of the run in `folder`."""
    try:
        classes = record_files.read(folder / "classes.json", list[str], error=RunError)
    except (OSError, RunError) as error:
        raise RunError("This run does not say which classes it knows. Choose a run that has finished.") from error
    if of not in classes:
        raise RunError(f"This run knows no class {of[:60]!r}. Choose one of its own classes.")
    return classes.index(of)


def picture_path(workspace: Workspace, run_id: str, name: str, *, picture: str) -> Path:
    """Where one picture is; RunError unless both names have the shape of ours. They arrive in URLs."""
    if not _NAME.fullmatch(name) or picture not in PICTURES:
        raise RunError("There is no such picture. Open the image on the page Predictions.")
    return workspace.run(run_id) / "explanations" / name / f"{picture}.png"


def _weights_digest(folder: Path) -> str:
    """Of size and time: a run that was resumed has other weights, of which earlier pictures are not true."""
    try:
        file = (folder / "best.safetensors").stat()
    except OSError as error:
        raise RunError("This run has no trained weights. Let it finish at least one epoch.") from error
    return hashlib.sha256(f"{file.st_size} {file.st_mtime_ns}".encode()).hexdigest()[:12]


def _drop_old(kept: Path, weights: str) -> None:
    newest = sorted(kept.iterdir(), key=lambda folder: folder.stat().st_mtime_ns, reverse=True)
    of_now = [folder for folder in newest if folder.name.startswith(f"{weights}-")]
    for folder in set(newest).difference(of_now[:MOST_KEPT]):
        shutil.rmtree(folder, ignore_errors=True)
