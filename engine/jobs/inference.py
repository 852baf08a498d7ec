"""Inference: a trained run answers for images it has never seen; unreadable ones become rows with their reason.

Images are decoded in threads and never held all at once. Not here: training, and predictions for the run's own splits.
"""

import shutil
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

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
from engine.jobs.trained import Trained, load
from engine.store.run_store import RunStore
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
    """Classify everything at `source` (image, folder, zip, upload); returns its id in the run's `predictions/`."""
    trained = load(workspace, RunStore(workspace).get(run_id), device=device)
    predictions_id = new_id("predict")
    building = workspace.incoming / predictions_id
    try:
        (building / "thumbs").mkdir(parents=True)
        staged = yield from reported(lambda report: stage(source, building / "staging", progress=report))
        inputs = [file for file in staged.files if not system_file(file.name)]
        if not inputs:
            raise DatasetError("There is no file to predict. Choose images, a folder or a zip of images.")
        table = yield from _classify(inputs, trained, building / "thumbs")
        table = predictions.with_unreadable(table, [(p.name, p.reason) for p in staged.problems if p.kind == "input"])
        shutil.rmtree(building / "staging", ignore_errors=True)
        predictions.write(building / "predictions.csv", table)
        write_result(building / "result.csv", table, run_id)
        kept = trained.folder / "predictions"
        kept.mkdir(exist_ok=True)
        building.rename(kept / predictions_id)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return predictions_id


def _classify(inputs: Sequence[StagedFile], trained: Trained, thumbs: Path) -> Generator[Progress, None, pd.DataFrame]:
    """The predictions table; the i-th readable image is row i and has thumbnail i."""
    names: list[str] = []
    failures: list[tuple[str, str]] = []
    parts = [np.zeros((0, len(trained.classes)))]
    reads = ordered(lambda file: _read(file, trained.preprocessing), inputs)
    while batch := list(islice(reads, BATCH)):
        failures += [(read.name, read.reason) for read in batch if read.crop is None]
        crops = []
        for read in batch:
            if read.crop is not None:
                (thumbs / f"{len(names)}.jpg").write_bytes(read.thumbnail)
                names.append(read.name)
                crops.append(read.crop)
        if crops:
            parts.append(trained.probabilities(trained.images(np.stack(crops))))
        yield Progress(stage="predicting", done=len(names) + len(failures), total=len(inputs))
    table = predictions.build(
        names,
        splits=["new"] * len(names),
        labels=[_label(name, trained.classes) for name in names],
        probabilities=np.concatenate(parts),
        classes=trained.classes,
    )
    return predictions.with_unreadable(table, failures)


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
