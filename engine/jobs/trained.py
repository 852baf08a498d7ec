"""Trained: what jobs need of a run that was trained: weights, classes, data, and the numbers it computed in.

Not here: loading the model (models.loading), asking it (inference, embedding, heat_maps).
"""

from pathlib import Path

import torch

from engine import record_files
from engine.data.dataset import open_dataset
from engine.data.dataset_records import Dataset
from engine.errors import DatasetError, RunError
from engine.runs.recorder import read_fingerprint, read_precision
from engine.store.run import Run
from engine.training.numerics import Numerics, numerics
from engine.workspace import Workspace


def weights_path(workspace: Workspace, run: Run) -> Path:
    """The weights of its best epoch. RunError when there are none yet."""
    path = workspace.run(run.id) / "best.safetensors"
    if not path.is_file():
        raise RunError(f"{run.name} has no trained weights yet: it is {run.status}. Let it finish at least one epoch.")
    return path


def classes_of(folder: Path) -> tuple[str, ...]:
    """The classes of the run in `folder`, in the order of its answers."""
    return record_files.read(folder / "classes.json", tuple[str, ...], error=RunError)


def dataset_of(workspace: Workspace, run: Run) -> Dataset:
    """The dataset of `run`. DatasetError when it is no longer the one that the run was trained on."""
    dataset = open_dataset(workspace, run.config.dataset)
    if read_fingerprint(workspace.run(run.id)) != dataset.fingerprint:
        raise DatasetError(f"The dataset {dataset.name} has changed since this run was trained. Train a new run on it.")
    return dataset


def numerics_of(folder: Path, device: torch.device) -> Numerics:
    """What the run in `folder` was trained in, where `device` can do it."""
    precision = read_precision(folder) or "fp32"
    return numerics("fp32" if device.type == "cpu" and precision.startswith("fp16") else precision, device)
