"""Export: a trained run as a bundle that needs no Thaw, checked against the dashboard's own answers before anybody gets
it.

Composes the wings, as the pipeline does. Not here: the script inside the bundle, its check, its card, its ONNX file
(bundle/).
"""

import json
import secrets
import shutil
import tempfile
import zipfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from engine.config import from_json
from engine.data.decoder import decode
from engine.data.preprocessing import Preprocessing, eval_crop
from engine.errors import BackboneError, ConfigError, RunError
from engine.evaluation import predictions
from engine.jobs.bundle import check, onnx_file
from engine.jobs.bundle.card import card, licences
from engine.jobs.bundle.facts import facts_of, read_classes, read_json
from engine.jobs.bundle.specimens import Specimens, choose_specimens
from engine.models.chain import Chain
from engine.models.loading import load_trained
from engine.models.provenance import Provenance, provenance
from engine.models.registry import trained_arguments
from engine.runconfig import RunConfig
from engine.runs.recorder import read_precision, read_preprocessing
from engine.store.database import Json
from engine.store.run import Run
from engine.store.run_store import RunStore
from engine.training.batches import moments, normalise
from engine.training.freezing import starting_weights
from engine.training.strategies import STRATEGIES
from engine.workspace import Workspace, atomic_path, new_id

ARCHIVE = "export.zip"
_SCRIPT = Path(check.__file__).with_name("predict.py")
_TELLING = 100 * check.EXACT
_CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What is in a bundle, and what was checked, for people."""

    files: tuple[str, ...]
    checks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Trained:
    """A run with everything it left."""

    workspace: Workspace
    run: Run
    folder: Path
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    table: pd.DataFrame


def export_run(workspace: Workspace, run_id: str, folder: Path) -> Generator[Json, None, Exported]:
    """Write the bundle of a run to `folder`, which must be empty or new: whole and checked, or not at all."""
    trained = _open(workspace, run_id)
    with _replacing(folder) as building:
        yield {"event": "progress", "stage": "writing the bundle", "done": 0, "total": 1}
        _write_model(trained, building)
        chain = load_trained(trained.folder, trained.run.config.backbone, image_size=trained.preprocessing.crop)
        checks = yield from _checked(trained, chain, building)
        _write_card(trained, checks, building)
        files = tuple(sorted(path.name for path in building.iterdir()))
    return Exported(files=files, checks=checks)


def export_zip(workspace: Workspace, run_id: str) -> Generator[Json, None, Exported]:
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


def _open(workspace: Workspace, run_id: str) -> _Trained:
    run = RunStore(workspace).get(run_id)
    folder = workspace.run(run.id)
    if run.status == "running":
        raise RunError(f"{run.name} is still training. Export it when it has finished, or stop it first.")
    if not all((folder / name).is_file() for name in ("best.safetensors", "metrics.json", "predictions.csv")):
        raise RunError(
            f"{run.name} has no trained weights to export: it is {run.status}. Let it finish at least one epoch."
        )
    table = predictions.read(folder / "predictions.csv")
    preprocessing, classes = read_preprocessing(folder), read_classes(folder)
    return _Trained(
        workspace=workspace, run=run, folder=folder, classes=classes, preprocessing=preprocessing, table=table
    )


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


def _write_model(trained: _Trained, building: Path) -> None:
    """Everything that predict.py needs."""
    shutil.copyfile(_SCRIPT, building / _SCRIPT.name)
    shutil.copyfile(trained.folder / "best.safetensors", building / "model.safetensors")
    backbone, preprocessing = trained.run.config.backbone, trained.preprocessing
    about = {
        "backbone": backbone,
        "arguments": trained_arguments(backbone, preprocessing.crop, len(trained.classes)),
        "classes": trained.classes,
        "preprocessing": asdict(preprocessing),
        "run": trained.run.id,
        "versions": read_json(trained.folder / "config.json")["versions"],
    }
    (building / "model.json").write_text(json.dumps(about, indent=2, ensure_ascii=False), encoding="utf-8")


def _checked(trained: _Trained, chain: Chain, building: Path) -> Generator[Json, None, tuple[str, ...]]:
    """Sentences about checks that went well. RunError when one did not."""
    with tempfile.TemporaryDirectory() as temporary:
        specimens = choose_specimens(trained.workspace, trained.run.config.dataset, trained.table, Path(temporary))
        crops = np.stack([eval_crop(decode(path), trained.preprocessing) for path in specimens.paths])
        images = normalise(torch.from_numpy(crops.transpose(0, 3, 1, 2).copy()), *moments(trained.preprocessing, _CPU))
        with torch.no_grad():
            own = chain(images).softmax(1).numpy()
        given = yield from check.answers_of(building, specimens.paths, trained.classes)
    sentence = _compare(trained, specimens, given, own) + _discrimination(own)
    yield {"event": "progress", "stage": "writing ONNX", "done": 0, "total": 1}
    return sentence, _onnx(chain, images, own, building / "model.onnx")


def _compare(trained: _Trained, specimens: Specimens, given: np.ndarray, own: np.ndarray) -> str:
    """Against this program in float32 on the CPU, and against what the dashboard shows, however that was computed."""
    count, run = len(specimens.paths), trained.run
    difference = check.demand_equal(given, own, check.EXACT, "this program does in fp32")
    told = f"allowed {check.EXACT:g}"
    if specimens.rows is None:
        return (
            f"predict.py answers as Thaw does on {count} drawn pictures, for the dataset is no longer here: "
            f"probabilities differ by at most {difference:.1e} ({told})."
        )
    shown = specimens.rows[[predictions.PREFIX + name for name in trained.classes]].to_numpy(dtype=np.float64)
    computed, device = (
        read_precision(trained.folder) or "fp32",
        str((run.started or {}).get("device", "an unknown device")),
    )
    if (computed, device) == ("fp32", "cpu"):
        difference = check.demand_equal(given, shown, check.EXACT, "the dashboard does")
        return (
            f"predict.py answers as the dashboard does on {count} images: probabilities differ by at most "
            f"{difference:.1e} ({told})."
        )
    coarse = check.demand_equal(given, shown, check.COARSE, "the dashboard does")
    return (
        f"predict.py answers as Thaw does in fp32 on {count} images: probabilities differ by at most "
        f"{difference:.1e} ({told}). The "
        f"dashboard's own answers were computed in {computed} on {device} and differ by at most {coarse:.1e} "
        f"(allowed {check.COARSE:g})."
    )


def _discrimination(own: np.ndarray) -> str:
    """A model that says the same of every image agrees with any reading of them; then that has to be known."""
    apart = float(np.ptp(own, axis=0).max())
    if apart > _TELLING:
        return ""
    return f" It says almost the same of all of them (within {apart:.1e}), so this shows little of how they are read."


def _onnx(chain: Chain, images: torch.Tensor, own: np.ndarray, path: Path) -> str:
    if missing := onnx_file.missing():
        return f"model.onnx is left out, for {', '.join(missing)} is not installed: {onnx_file.HOW}, then export again."
    try:
        onnx_file.write(chain.model, images, path)
    except BackboneError as error:
        for part in path.parent.glob("model.onnx*"):
            part.unlink()
        return f"model.onnx is left out: {error}"
    difference = check.demand_equal(
        onnx_file.probabilities(path, images), own, check.ONNX, "this program does, in onnxruntime,"
    )
    return (
        f"model.onnx answers the same in onnxruntime: probabilities differ by at most {difference:.1e} (allowed "
        f"{check.ONNX:g}). It takes "
        f"`images` [batch, 3, {images.shape[2]}, {images.shape[3]}] as predict.py prepares them and gives "
        f"`probabilities` [batch, classes]."
    )


def _write_card(trained: _Trained, checks: tuple[str, ...], building: Path) -> None:
    origin = _origin(trained.workspace, trained.run.config)
    strategy = STRATEGIES[trained.run.config.strategy].description
    facts = facts_of(
        trained.run,
        trained.folder,
        trained.table,
        strategy=strategy,
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
