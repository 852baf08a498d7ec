"""Run files: the plain files a run leaves behind, written from its events.

All readable without Thaw. Not here: weights and predictions (pipeline), the log (whoever drives the run).
"""

import csv
import io
import math
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from engine import record_files
from engine.data.dataset_records import AS_EVER, Dataset, Rendering
from engine.data.preprocessing import Preprocessing
from engine.errors import RunError
from engine.events import Epoch, Mixture, Penalty
from engine.models.sources.source import source_of
from engine.runconfig import RunConfig
from engine.workspace import atomic_write

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

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
_ORIGIN, _TUNING = "config.json", "tuning.json"
WRITE_SECONDS = 0.5
"""Epochs that follow each other faster than this are written together."""
PENALTIES = ("c", "loss", "error", "accuracy", "chosen")
MIXTURES = ("share", "loss", "accuracy", "chosen")


class Recorder:
    """Turns epochs into history.csv and TensorBoard curves, the penalties of a head that was solved into
    penalties.csv and mixtures of weights into mixtures.csv; close it to flush them."""

    def __init__(self, folder: Path, *, history: Sequence[Epoch]) -> None:
        self._folder = folder
        self._history = list(history)
        self._written = -WRITE_SECONDS

    @cached_property
    def _board(self) -> "SummaryWriter":
        """Begun by the first epoch: no image waits until TensorBoard has been loaded."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # tensorboard's own imports
            from torch.utils.tensorboard import SummaryWriter
        # on resuming, points of epochs that were not finished are hidden by purge_step
        done = len(self._history)
        return SummaryWriter(str(self._folder / "tensorboard"), purge_step=done + 1 if done else None)

    def epoch(self, epoch: Epoch) -> None:
        board = self._board
        self._history.append(epoch)
        points = {
            "loss/train": epoch.train_loss,
            "accuracy/train": epoch.train_accuracy,
            "loss/val": epoch.val_loss,
            "accuracy/val": epoch.val_accuracy,
            **{f"learning rate/{group}": rate for group, rate in epoch.lr.items()},
        }
        for name, value in points.items():
            if value is not None:
                board.add_scalar(name, value, epoch.epoch)
        for number, penalty in enumerate(epoch.penalties):
            board.add_scalar("penalty/log10 C", math.log10(penalty.c), number)
            board.add_scalar("penalty/loss in cross-validation", penalty.loss, number)
            board.add_scalar("penalty/accuracy in cross-validation", penalty.accuracy, number)
        if epoch.penalties:
            atomic_write(self._folder / "penalties.csv", _csv(epoch.penalties, PENALTIES))
        if epoch.mixtures:
            atomic_write(self._folder / "mixtures.csv", _csv(epoch.mixtures, MIXTURES))
        if time.monotonic() - self._written > WRITE_SECONDS:
            self._write()

    def close(self) -> None:
        self._write()
        self._board.close()

    def _write(self) -> None:
        atomic_write(self._folder / "history.csv", _csv(self._history, HISTORY))
        self._board.flush()
        self._written = time.monotonic()


@dataclass(frozen=True, kw_only=True)
class DatasetUsed:
    """The dataset of a run, as it was at its first start."""

    id: str
    name: str
    fingerprint: str
    images: int
    rendering: Rendering = AS_EVER


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What decided a run, on which data, prepared how, with which versions: config.json."""

    config: RunConfig
    dataset: DatasetUsed
    precision: str
    preprocessing: Preprocessing
    versions: Mapping[str, str]
    threads: int = 0
    """Of the CPU, on which the last bits of what it computes depend; 0: an earlier version did not say, or a GPU."""


@dataclass(frozen=True, kw_only=True)
class Try:
    """A learning rate, `factor` times what the strategy says, and what its best epoch came to: None where it broke."""

    factor: float
    lr: float
    val_accuracy: float | None = None
    val_loss: float | None = None
    seconds: float = 0.0
    """An earlier version did not say."""
    cut_short: bool = False
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The factor that was chosen, and all that was tried: tuning.json."""

    factor: float
    tries: tuple[Try, ...]

    @property
    def seconds(self) -> float:
        """What all tries took."""
        return sum(attempt.seconds for attempt in self.tries)


def write_origin(
    folder: Path, config: RunConfig, dataset: Dataset, *, preprocessing: Preprocessing, precision: str, threads: int
) -> None:
    """config.json and classes.json."""
    used = DatasetUsed(
        id=dataset.id,
        name=dataset.name,
        fingerprint=dataset.fingerprint,
        images=len(dataset.images),
        rendering=dataset.rendering,
    )
    origin = Origin(
        config=config,
        dataset=used,
        precision=precision,
        preprocessing=preprocessing,
        versions=_versions(config.backbone),
        threads=threads,
    )
    record_files.write(folder / _ORIGIN, origin)
    record_files.write(folder / "classes.json", dataset.classes)


@cache
def _versions(backbone: str) -> dict[str, str]:
    packages = ("torch", *source_of(backbone).packages, "pillow", "numpy")
    return {package: metadata.version(package) for package in packages}


def has_started(folder: Path) -> bool:
    """Whether the run in `folder` has an origin."""
    return (folder / _ORIGIN).is_file()


def read_origin(folder: Path) -> Origin:
    """Of the run in `folder`. RunError when it has not started yet, or the file is damaged."""
    if not has_started(folder):
        raise RunError("That run has not started yet. Choose one that has finished.")
    return record_files.read(folder / _ORIGIN, Origin, error=RunError)


def write_tuning(folder: Path, tuning: Tuning) -> None:
    record_files.write(folder / _TUNING, tuning)


def read_tuning(folder: Path) -> Tuning | None:
    """What came of trying several learning rates; None where that was not done, or not yet."""
    path = folder / _TUNING
    return record_files.read(path, Tuning, error=RunError) if path.is_file() else None


def _csv(rows: Iterable[Epoch | Penalty | Mixture], columns: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([getattr(row, name) for name in columns] for row in rows)
    return text.getvalue()
