"""Export: a trained run as a bundle that needs no Thaw, checked against the dashboard's own answers before anybody gets
it.

Composes the wings, as the pipeline does. Not here: the forms of the model, their checks, the card (bundle/).
"""

import json
import secrets
import shutil
import tempfile
import zipfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from engine.config import from_json
from engine.data.decoder import decode
from engine.data.preprocessing import eval_crop
from engine.errors import BackboneError, ConfigError, RunError
from engine.evaluation import predictions
from engine.events import Progress
from engine.jobs.bundle.card import card, licences
from engine.jobs.bundle.facts import facts_of, read_classes, read_json
from engine.jobs.bundle.formats import FORMATS, Format, Subject
from engine.jobs.bundle.specimens import Specimens, choose_specimens
from engine.models.loading import load_trained
from engine.models.provenance import Provenance, provenance
from engine.runconfig import RunConfig
from engine.runs.recorder import read_preprocessing
from engine.store.run import Run
from engine.store.run_store import RunStore
from engine.training.batches import moments, normalise
from engine.training.freezing import starting_weights
from engine.training.strategies import STRATEGIES
from engine.workspace import Workspace, atomic_path, new_id

ARCHIVE = "export.zip"
_CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What is in a bundle, and what was checked, for people."""

    files: tuple[str, ...]
    checks: tuple[str, ...]


def export_run(workspace: Workspace, run_id: str, folder: Path) -> Generator[Progress, None, Exported]:
    """Write the bundle of a run to `folder`, which must be empty or new: whole and checked, or not at all."""
    run, table = _finished(workspace, run_id)
    with _replacing(folder) as building, tempfile.TemporaryDirectory() as temporary:
        subject = _subject(workspace, run, choose_specimens(workspace, run.config.dataset, table, Path(temporary)))
        checks = []
        for form in FORMATS:
            yield Progress(stage=f"writing {form.name}", done=0, total=1)
            checks.append((yield from _written(form, subject, building)))
        _write_card(workspace, subject, table, checks, building)
        files = tuple(sorted(path.name for path in building.iterdir()))
    return Exported(files=files, checks=tuple(checks))


def export_zip(workspace: Workspace, run_id: str) -> Generator[Progress, None, Exported]:
    """The same as export.zip in the folder of the run."""
    building = workspace.incoming / new_id("export")
    try:
        exported = yield from export_run(workspace, run_id, building)
        with atomic_path(workspace.run(run_id) / ARCHIVE) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for name in exported.files:  # stored as they are: weights do not compress
                archive.write(building / name, f"{run_id}/{name}")
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return exported


def _finished(workspace: Workspace, run_id: str) -> tuple[Run, pd.DataFrame]:
    """The run and its predictions; RunError when it has nothing to export."""
    run = RunStore(workspace).get(run_id)
    folder = workspace.run(run.id)
    if run.status == "running":
        raise RunError(f"{run.name} is still training. Export it when it has finished, or stop it first.")
    if not all((folder / name).is_file() for name in ("best.safetensors", "metrics.json", "predictions.csv")):
        raise RunError(
            f"{run.name} has no trained weights to export: it is {run.status}. Let it finish at least one epoch."
        )
    return run, predictions.read(folder / "predictions.csv")


def _subject(workspace: Workspace, run: Run, specimens: Specimens) -> Subject:
    folder = workspace.run(run.id)
    preprocessing = read_preprocessing(folder)
    chain = load_trained(folder, run.config.backbone, image_size=preprocessing.crop)
    crops = np.stack([eval_crop(decode(path), preprocessing) for path in specimens.paths])
    images = normalise(torch.from_numpy(crops.transpose(0, 3, 1, 2).copy()), *moments(preprocessing, _CPU))
    with torch.no_grad():
        probabilities = chain(images).softmax(1).numpy()
    return Subject(
        run=run,
        folder=folder,
        classes=read_classes(folder),
        preprocessing=preprocessing,
        chain=chain,
        specimens=specimens,
        images=images,
        probabilities=probabilities,
    )


def _written(form: Format, subject: Subject, building: Path) -> Generator[Progress, None, str]:
    """The model in one form, and a sentence about its check or why it is left out. RunError when it answers
    otherwise."""
    file = next(iter(form.files))
    if missing := form.missing:
        return f"{file} is left out, for {', '.join(missing)} is not installed: {form.remedy}, then export again."
    writer = form.writer()
    try:
        writer.write(subject, building)
    except BackboneError as error:
        for part in building.glob(f"{file}*"):
            part.unlink()
        return f"{file} is left out: {error}"
    return (yield from writer.check(subject, building))


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` that takes its place when the block ends well, and is gone otherwise."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} is not an empty folder. Choose a new one, so that nothing in it is overwritten.")
    building = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    try:
        with _writing(folder):
            building.mkdir(parents=True)
        yield building
        with _writing(folder):
            if folder.exists():
                folder.rmdir()
            building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"{folder} cannot be written ({error.strerror}). Choose another folder.") from error


def _write_card(
    workspace: Workspace, subject: Subject, table: pd.DataFrame, checks: Sequence[str], building: Path
) -> None:
    config = subject.run.config
    origin = _origin(workspace, config)
    facts = facts_of(
        subject.run,
        subject.folder,
        table,
        strategy=STRATEGIES[config.strategy].description,
        weights=(origin.text, origin.links),
        checks=checks,
    )
    (building / "MODEL_CARD.md").write_text(card(facts), encoding="utf-8")
    (building / "LICENSES.md").write_text(licences(facts), encoding="utf-8")


def _origin(workspace: Workspace, config: RunConfig) -> Provenance:
    """Where the weights come from, through all the runs that they went through."""
    weights, passed = starting_weights(config), []
    while weights.startswith("run:"):
        passed.append(weights.removeprefix("run:"))
        try:
            config = from_json(json.dumps(read_json(workspace.run(passed[-1]) / "config.json")["config"]))
            weights = starting_weights(config)
        except (OSError, ValueError, KeyError, ConfigError):
            return Provenance(
                text=f"The weights come from the earlier run {passed[-1]}, of which nothing is left that says more."
            )
    origin = provenance(workspace, config.backbone, weights)
    return (
        replace(origin, text=f"They come by way of the earlier run {', '.join(passed)}. {origin.text}")
        if passed
        else origin
    )
