"""Recorder: the plain files a run leaves behind, written from its events.

config.json, classes.json, history.csv and TensorBoard event files; all readable without Thaw. Not here: weights and
predictions (the pipeline writes them when they exist) and the log (whoever drives the run writes it).
"""

import csv
import dataclasses
import io
import json
import time
import warnings
from functools import cache
from importlib import metadata
from pathlib import Path

from engine.data.dataset_records import Dataset
from engine.data.preprocessing import Preprocessing
from engine.errors import RunError
from engine.models.sources.source import source_of
from engine.runconfig import RunConfig
from engine.store.database import Json
from engine.workspace import atomic_write

HISTORY = (
    "epoch",
    "phase",
    "train_loss",
    "train_accuracy",
    "val_loss",
    "val_accuracy",
    "seconds",
    "images_per_second",
    "best",
)
TUNING = "tuning.json"
"""Which learning rates were tried, and what came of them."""
WRITE_SECONDS = 0.5
"""Epochs that follow each other faster than this are written together."""


class Recorder:
    """Turns epoch events into history.csv and TensorBoard curves; close it to flush them."""

    def __init__(self, folder: Path, *, history: list[Json]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # tensorboard's own imports
            from torch.utils.tensorboard import SummaryWriter
        self._folder = folder
        self._history = list(history)
        self._written = -WRITE_SECONDS
        # on resuming, points of epochs that were not finished are hidden by purge_step
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=len(history) + 1 if history else None)

    def epoch(self, event: Json) -> None:
        self._history.append(event)
        number = int(str(event["epoch"]))
        for split in ("train", "val"):
            for measure in ("loss", "accuracy"):
                value = event[f"{split}_{measure}"]
                if isinstance(value, float):
                    self._board.add_scalar(f"{measure}/{split}", value, number)
        rates = event["lr"]
        if isinstance(rates, dict):
            for group, rate in rates.items():
                self._board.add_scalar(f"learning rate/{group}", rate, number)
        if time.monotonic() - self._written > WRITE_SECONDS:
            self._write()

    def close(self) -> None:
        self._write()
        self._board.close()

    def _write(self) -> None:
        atomic_write(self._folder / "history.csv", _csv(self._history))
        self._board.flush()
        self._written = time.monotonic()


def write_origin(
    folder: Path, config: RunConfig, dataset: Dataset, preprocessing: Preprocessing, precision: str
) -> None:
    """config.json and classes.json: what decided the run, on which data, prepared how, with which versions."""
    origin = {
        "config": dataclasses.asdict(config),
        "dataset": {
            "id": dataset.id,
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "images": len(dataset.images),
        },
        "precision": precision,
        "preprocessing": dataclasses.asdict(preprocessing),
        "versions": _versions(config.backbone),
    }
    atomic_write(folder / "config.json", json.dumps(origin, indent=2, ensure_ascii=False))
    atomic_write(folder / "classes.json", json.dumps(list(dataset.classes), ensure_ascii=False))


@cache
def _versions(backbone: str) -> dict[str, str]:
    packages = ("torch", *source_of(backbone).packages, "pillow", "numpy")
    return {package: metadata.version(package) for package in packages}


def read_fingerprint(folder: Path) -> str | None:
    """Fingerprint of the dataset a run was started on, or None before its first start."""
    path = folder / "config.json"
    return json.loads(path.read_text())["dataset"]["fingerprint"] if path.is_file() else None


def read_precision(folder: Path) -> str | None:
    """What a run computes in, as it was chosen at its first start; None before that."""
    path = folder / "config.json"
    return json.loads(path.read_text())["precision"] if path.is_file() else None


def read_rate_factor(folder: Path) -> float:
    """What the run's learning rates are multiplied by, once trying several has chosen; 1 before."""
    path = folder / TUNING
    return float(json.loads(path.read_text())["factor"]) if path.is_file() else 1.0


def read_preprocessing(folder: Path) -> Preprocessing:
    """How the images of a run were prepared. RunError when the run has not started."""
    path = folder / "config.json"
    if not path.is_file():
        raise RunError(
            "That run has not started yet, so there is nothing to take from it. Choose one that has finished."
        )
    fields: Json = json.loads(path.read_text())["preprocessing"]
    tuples = {name: tuple(fields[name]) for name in ("resize", "mean", "std")}
    return Preprocessing(**{**fields, **tuples})


def _csv(rows: list[Json]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, HISTORY, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
