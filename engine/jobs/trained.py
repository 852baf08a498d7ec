"""Trained: what jobs need of a run that was trained: its model, its dataset, and the numbers it computed in.

Not here: asking it (inference, embedding, heat_maps, export).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from engine import devices, record_files
from engine.data.dataset import open_dataset
from engine.data.dataset_records import Dataset, Rendering
from engine.data.preprocessing import Preprocessing
from engine.errors import DatasetError, RunError
from engine.models.chain import Chain
from engine.models.loading import load_trained
from engine.runconfig import RunConfig
from engine.runs.run_files import Origin, read_origin
from engine.store.run_record import Run
from engine.training.batches import moments, normalise
from engine.training.budget import budgeted
from engine.training.numerics import Numerics, lay_out, numerics
from engine.training.solved.solvable import reads_stages
from engine.training.state import autocast
from engine.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A run with the weights of its best epoch, in eval mode on `device`."""

    run: Run
    config: RunConfig
    """Of the run, with the epochs that it began with as a number."""
    folder: Path
    origin: Origin
    classes: tuple[str, ...]
    """In the order of the answers."""
    chain: Chain
    device: torch.device
    numerics: Numerics

    @property
    def preprocessing(self) -> Preprocessing:
        return self.origin.preprocessing

    @property
    def rendering(self) -> Rendering:
        """How its dataset was rendered, and so every image it is asked about."""
        return self.origin.dataset.rendering

    def images(self, crops: np.ndarray) -> torch.Tensor:
        """float32 [N, 3, S, S] on the device, normalised, of crops uint8 [N, S, S, 3]."""
        raw = torch.from_numpy(crops.transpose(0, 3, 1, 2).copy()).to(self.device)
        images = normalise(raw, *moments(self.preprocessing, self.device))
        return images.contiguous(memory_format=self.numerics.memory_format)

    @torch.no_grad()
    def probabilities(self, images: torch.Tensor) -> np.ndarray:
        """float32 [N, classes] of `images` [N, 3, S, S]."""
        with autocast(self.device, self.numerics.dtype):
            logits = self.chain(images).float()
        return logits.softmax(1).cpu().numpy()


def load(workspace: Workspace, run: Run, *, device: str | None = None) -> Trained:
    """The run on `device`, computing in what it was trained in where that can be; without one on the CPU in fp32.
    RunError when it has no weights yet."""
    folder = weights_path(workspace, run).parent
    origin = read_origin(folder)
    place = devices.pick(device or "cpu")
    precision = origin.precision if device else "fp32"
    number_format = numerics("fp32" if place.type == "cpu" and precision.startswith("fp16") else precision, place)
    stages, size = reads_stages(run.config), origin.preprocessing.crop
    chain = load_trained(folder, run.config.backbone, image_size=size, reads_stages=stages)
    chain.model.to(place)
    lay_out(chain, number_format)
    classes = record_files.read(folder / "classes.json", tuple[str, ...], error=RunError)
    return Trained(
        run=run,
        config=budgeted(run.config, workspace, begun=run.started),
        folder=folder,
        origin=origin,
        classes=classes,
        chain=chain,
        device=place,
        numerics=number_format,
    )


def weights_path(workspace: Workspace, run: Run) -> Path:
    """The weights of its best epoch. RunError when there are none yet."""
    path = workspace.run(run.id) / "best.safetensors"
    if not path.is_file():
        raise RunError(f"{run.name} has no trained weights yet: it is {run.status}. Let it finish at least one epoch.")
    return path


def dataset_of(workspace: Workspace, run: Run) -> Dataset:
    """The dataset of `run`. DatasetError when it is no longer the one that the run was trained on."""
    dataset = open_dataset(workspace, run.config.dataset)
    if read_origin(workspace.run(run.id)).dataset.fingerprint != dataset.fingerprint:
        raise DatasetError(f"The dataset {dataset.name} has changed since this run was trained. Train a new run on it.")
    return dataset
