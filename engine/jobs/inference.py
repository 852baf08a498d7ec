"""Inference: a trained run answers for images it has never seen; unreadable ones become rows with their reason.

Images are decoded in threads and never held all at once. Not here: training, and predictions for the run's own splits.
"""

import shutil
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from engine.data import uploads
from engine.data.dataset import open_dataset
from engine.data.dataset_records import Dataset
from engine.data.decoder import decode, thumbnail
from engine.data.file_names import system_file
from engine.data.pool import ordered
from engine.data.preprocessing import eval_crop
from engine.data.staging.archives import stage
from engine.data.staging.unpacking import Staged, StagedFile
from engine.data.tables.accounts import is_table
from engine.data.tables.listing import ListedImage, read_list
from engine.errors import DatasetError, ImageError
from engine.evaluation import predictions
from engine.evaluation.result_csv import write_result
from engine.events import Progress
from engine.jobs.records import Predictions
from engine.jobs.trained import Trained, load
from engine.store.run_store import RunStore
from engine.work.progress import reported
from engine.workspace import Workspace, new_id

BATCH = 64


@dataclass(frozen=True, kw_only=True)
class _Read:
    """One input: its crop [H, W, 3] uint8 and thumbnail, or the reason why there is none."""

    crop: np.ndarray | None = None
    thumbnail: bytes = b""
    reason: str = ""


def predict_new(
    workspace: Workspace, run_id: str, source: Path | None, *, device: str = "auto", within: Path | None = None
) -> Generator[Progress, None, Predictions]:
    """Classify everything at `source` (image, folder, zip, upload), or what a list of images names, in its order;
    without a source the images without a class that came with the run's dataset.

    Returns the id in the run's `predictions/`, and how many of the images could be answered. Links are followed
    to what lies inside `within`, by default the source itself.
    """
    trained = load(workspace, RunStore(workspace).get(run_id), device=device)
    predictions_id = new_id("predict")
    building = workspace.incoming / predictions_id
    try:
        (building / "thumbs").mkdir(parents=True)
        if source is None:
            staged, listed = _unlabelled(open_dataset(workspace, trained.config.dataset)), list[ListedImage]()
        else:
            staging = partial(stage, source, building / "staging", within=within)
            staged = yield from reported(lambda report: staging(progress=report))
            listed = _listed(staged, source)
        inputs = listed or [
            ListedImage(name=file.name, file=file) for file in staged.files if not system_file(file.name)
        ]
        if not inputs:
            raise DatasetError("There is no file to predict. Choose images, a folder or a zip of images.")
        table, places = yield from _classify(inputs, trained, building / "thumbs")
        table = predictions.with_unreadable(table, [(p.name, p.reason) for p in staged.problems if p.kind == "input"])
        shutil.rmtree(building / "staging", ignore_errors=True)
        predictions.write(building / "predictions.csv", table)
        order = [*(np.argsort(places) if listed else range(len(places))), *range(len(places), len(table))]
        write_result(building / "result.csv", table.iloc[order], run_id)
        kept = trained.folder / "predictions"
        kept.mkdir(exist_ok=True)
        building.rename(kept / predictions_id)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    unanswered = int((table["error"] != "").sum())
    return Predictions(predictions=predictions_id, answered=len(table) - unanswered, unanswered=unanswered)


def _unlabelled(dataset: Dataset) -> Staged:
    """The images without a class that came with `dataset`."""
    files = (StagedFile(path=dataset.image_path(image), name=image.name) for image in dataset.unlabelled)
    return Staged(files=tuple(files), problems=())


def _listed(staged: Staged, source: Path) -> list[ListedImage]:
    """The images that a list names, in its order, where somebody brought one: not as a part of a folder or zip."""
    images = [file for file in staged.files if not is_table(file.name)]
    if source.is_file() and is_table(source.name):
        return list(read_list(next(file for file in staged.files if file.path == source), images))
    if not uploads.is_upload(source):
        return []
    listed: list[ListedImage] = []
    for file in staged.files:
        with suppress(DatasetError):  # one that cannot be read has a row that says so
            lines = read_list(file, images) if is_table(file.name) else ()
            listed += lines if any(line.file for line in lines) else ()
    named = {line.file.name for line in listed if line.file}
    others = [ListedImage(name=file.name, file=file) for file in images if file.name not in named]
    return [*listed, *others] if listed else []


def _classify(
    inputs: Sequence[ListedImage], trained: Trained, thumbs: Path
) -> Generator[Progress, None, tuple[pd.DataFrame, Sequence[int]]]:
    """The predictions table, and the place among the inputs of each row; the i-th readable image is row i and has
    thumbnail i."""
    answered: list[int] = []
    failed: dict[int, str] = {}
    parts = [np.zeros((0, len(trained.classes)))]
    reads = enumerate(ordered(lambda image: _read(image, trained), inputs))
    while batch := list(islice(reads, BATCH)):
        failed |= {place: read.reason for place, read in batch if read.crop is None}
        crops = []
        for place, read in batch:
            if read.crop is not None:
                (thumbs / f"{len(answered)}.jpg").write_bytes(read.thumbnail)
                answered.append(place)
                crops.append(read.crop)
        if crops:
            parts.append(trained.probabilities(trained.images(np.stack(crops))))
        yield Progress(stage="predicting", done=len(answered) + len(failed), total=len(inputs))
    table = predictions.build(
        [inputs[place].name for place in answered],
        splits=["new"] * len(answered),
        labels=[_label(inputs[place], trained.classes) for place in answered],
        probabilities=np.concatenate(parts),
        classes=trained.classes,
    )
    failures = [(inputs[place].name, reason) for place, reason in failed.items()]
    return predictions.with_unreadable(table, failures), [*answered, *failed]


def _read(image: ListedImage, trained: Trained) -> _Read:
    if image.file is None:
        return _Read(reason=image.reason)
    try:
        decoded = decode(image.file.path, rendering=trained.rendering)
        return _Read(crop=eval_crop(decoded, trained.preprocessing), thumbnail=thumbnail(decoded))
    except ImageError as error:
        return _Read(reason=str(error))
    except OSError as error:
        return _Read(reason=f"It cannot be read ({error.strerror}).")


def _label(image: ListedImage, classes: Sequence[str]) -> str:
    """The truth, when the list says a class, or the image lies in a folder that is called like one; the nearest
    counts."""
    folders = image.file.name.split("/")[:-1] if image.file else []
    return next((name for name in (image.label, *reversed(folders)) if name in classes), "")
