"""Export: a trained run as a bundle that needs no Thaw, checked against the dashboard's answers before anybody gets it.

Composes the wings, as the pipeline does. Not here: the forms of the model, their checks, the card (bundle/).
"""

import secrets
import shutil
import tempfile
import zipfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from engine.data.decoder import decode
from engine.data.preprocessing import eval_crop
from engine.errors import BackboneError, ConfigError, RunError
from engine.evaluation import predictions
from engine.events import Progress
from engine.jobs.bundle.card import card, licences
from engine.jobs.bundle.facts import facts_of
from engine.jobs.bundle.formats import FORMATS, Format, Subject
from engine.jobs.bundle.specimens import choose_specimens
from engine.jobs.records import Bundle
from engine.jobs.trained import load
from engine.models.provenance import Provenance, provenance
from engine.runconfig import RunConfig
from engine.runs.run_files import read_origin
from engine.store.run_record import Run
from engine.store.run_store import RunStore
from engine.training.freezing import starting_weights
from engine.workspace import Workspace, atomic_path, new_id

ARCHIVE = "export.zip"


def export_run(workspace: Workspace, run_id: str, folder: Path) -> Generator[Progress, None, Bundle]:
    """Write the bundle of a run to `folder`, which must be empty or new: whole and checked, or not at all."""
    run, table = _finished(workspace, run_id)
    with _replacing(folder) as building, tempfile.TemporaryDirectory() as temporary:
        specimens = choose_specimens(workspace, run.config.dataset, table, folder=Path(temporary))
        trained = load(workspace, run)
        decoded = (decode(path, rendering=trained.rendering) for path in specimens.paths)
        images = trained.images(np.stack([eval_crop(image, trained.preprocessing) for image in decoded]))
        probabilities = trained.probabilities(images)
        subject = Subject(trained=trained, specimens=specimens, images=images, probabilities=probabilities)
        checks = []
        for form in FORMATS:
            yield Progress(stage=f"writing {form.name}", total=1)
            checks.append((yield from _written(form, subject, building)))
        facts = facts_of(trained, table, weights=_provenance(workspace, run.config), checks=checks)
        (building / "MODEL_CARD.md").write_text(card(facts), encoding="utf-8")
        (building / "LICENSES.md").write_text(licences(facts), encoding="utf-8")
        files = tuple(sorted(path.name for path in building.iterdir()))
    return Bundle(file=str(folder), files=files, checks=tuple(checks))


def export_zip(workspace: Workspace, run_id: str) -> Generator[Progress, None, Bundle]:
    """The same as export.zip in the folder of the run."""
    building = workspace.incoming / new_id("export")
    try:
        bundle = yield from export_run(workspace, run_id, building)
        with atomic_path(workspace.run(run_id) / ARCHIVE) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for name in bundle.files:  # stored as they are: weights do not compress
                archive.write(building / name, f"{run_id}/{name}")
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return msgspec.structs.replace(bundle, file=ARCHIVE)


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


def _written(form: Format, subject: Subject, building: Path) -> Generator[Progress, None, str]:
    """A sentence about the check of this form or why it is left out. RunError when it answers otherwise."""
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


def _provenance(workspace: Workspace, config: RunConfig) -> Provenance:
    """Where the weights come from, through all the runs that they went through."""
    weights, passed = starting_weights(config), []
    while weights.startswith("run:"):
        passed.append(weights.removeprefix("run:"))
        try:
            config = read_origin(workspace.run(passed[-1])).config
            weights = starting_weights(config)
        except (RunError, ConfigError):
            return Provenance(
                text=f"The weights come from the earlier run {passed[-1]}, of which nothing is left that says more."
            )
    origin = provenance(workspace, config.backbone, weights)
    if not passed:
        return origin
    return replace(origin, text=f"They come by way of the earlier run {', '.join(passed)}. {origin.text}")
