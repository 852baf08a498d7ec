"""Inference: a trained run answers for images it has never seen; unreadable ones become rows with their reason.

Images are decoded in threads and never held all at once. Not here: training, and predictions for the run's own splits.
"""

import shutil
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from engine import devices
from engine.data.archives import stage
from engine.data.decoder import decode, thumbnail
from engine.data.file_names import system_file
from engine.data.pool import ordered
from engine.data.preprocessing import Preprocessing, eval_crop
from engine.data.zips import StagedFile
from engine.errors import DatasetError, ImageError
from engine.evaluation import predictions
from engine.evaluation.result_csv import write_result
from engine.events import Progress
from engine.jobs.trained import classes_of, numerics_of, weights_path
from engine.models.loading import load_trained
from engine.runs.recorder import read_preprocessing
from engine.store.run import Run
from engine.store.run_store import RunStore
from engine.training.batches import moments, normalise
from engine.training.state import autocast
from engine.work.progress import reported
from engine.workspace import Workspace, new_id

BATCH = 64


@dataclass(frozen=True, kw_only=True)
class _Read:
    """One input: its crop [H, W, 3] uint8 and thumbnail, or the reason why there is none."""

    name: str
    crop: np.ndarray | None = None
    thumbnail: bytes = b""
    reason: str = ""


def predict_new(
    workspace: Workspace, run_id: str, source: Path, *, device: str = "auto"
) -> Generator[Progress, None, str]:
    """Classify everything at `source` (image, folder, zip, upload); returns the id under the run's folder
    `predictions/`."""
    run = RunStore(workspace).get(run_id)
    model = _Model(workspace, run, device)
    predictions_id = new_id("predict")
    building = workspace.incoming / predictions_id
    try:
        (building / "thumbs").mkdir(parents=True)
        staged = yield from reported(lambda report: stage(source, building / "staging", progress=report))
        inputs = [file for file in staged.files if not system_file(file.name)]
        if not inputs:
            raise DatasetError("There is no file to predict. Choose images, a folder or a zip of images.")
        table = yield from _classify(inputs, model, building / "thumbs")
        table = predictions.with_unreadable(table, [(p.name, p.reason) for p in staged.problems if p.kind == "input"])
        shutil.rmtree(building / "staging", ignore_errors=True)
        predictions.write(building / "predictions.csv", table)
        write_result(building / "result.csv", table, run_id)
        (workspace.run(run_id) / "predictions").mkdir(exist_ok=True)
        building.rename(workspace.run(run_id) / "predictions" / predictions_id)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return predictions_id


def _classify(inputs: Sequence[StagedFile], model: "_Model", thumbs: Path) -> "Generator[Progress, None, pd.DataFrame]":
    """The predictions table; the i-th readable image is row i and has thumbnail i."""
    names: list[str] = []
    failures: list[tuple[str, str]] = []
    parts = [np.zeros((0, len(model.classes)))]
    for batch in _batches(ordered(lambda file: _read(file, model.preprocessing), inputs)):
        good = [one for one in batch if one.crop is not None]
        failures += [(one.name, one.reason) for one in batch if one.crop is None]
        for number, one in enumerate(good, start=len(names)):
            (thumbs / f"{number}.jpg").write_bytes(one.thumbnail)
        names += [one.name for one in good]
        if good:
            parts.append(model.probabilities(np.stack([one.crop for one in good if one.crop is not None])))
        yield Progress(stage="predicting", done=len(names) + len(failures), total=len(inputs))
    labels = [_label(name, model.classes) for name in names]
    table = predictions.build(
        names, splits=["new"] * len(names), labels=labels, probabilities=np.concatenate(parts), classes=model.classes
    )
    return predictions.with_unreadable(table, failures)


class _Model:
    """A trained run, loaded: crops in, probabilities out."""

    def __init__(self, workspace: Workspace, run: Run, device: str) -> None:
        folder = weights_path(workspace, run).parent
        self.preprocessing = read_preprocessing(folder)
        self.classes = classes_of(folder)
        self._device = devices.pick(device)
        self._numerics = numerics_of(folder, self._device)
        self._chain = load_trained(folder, run.config.backbone, image_size=self.preprocessing.crop)
        self._chain.model.to(self._device)
        self._chain.model.to(memory_format=self._numerics.memory_format)

    @torch.no_grad()
    def probabilities(self, crops: np.ndarray) -> np.ndarray:
        """float32 [N, classes] for uint8 [N, H, W, 3]."""
        raw = torch.from_numpy(crops.transpose(0, 3, 1, 2).copy()).to(self._device)
        images = normalise(raw, *moments(self.preprocessing, self._device)).contiguous(
            memory_format=self._numerics.memory_format
        )
        with autocast(self._device, self._numerics.dtype):
            logits = self._chain(images).float()
        return logits.softmax(1).cpu().numpy()


def _batches(reads: Iterator[_Read]) -> Iterator[list[_Read]]:
    while batch := list(islice(reads, BATCH)):
        yield batch


def _read(file: StagedFile, preprocessing: Preprocessing) -> _Read:
    try:
        image = decode(file.path)
        return _Read(name=file.name, crop=eval_crop(image, preprocessing), thumbnail=thumbnail(image))
    except ImageError as error:
        return _Read(name=file.name, reason=str(error))
    except OSError as error:
        return _Read(name=file.name, reason=f"It cannot be read ({error.strerror}).")


def _label(name: str, classes: Sequence[str]) -> str:
    """The truth, when the image lies in a folder that is called like a class; the nearest one counts."""
    return next((folder for folder in reversed(name.split("/")[:-1]) if folder in classes), "")
