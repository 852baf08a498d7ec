"""Checkpoints: everything that resuming needs, saved so that a crash leaves the old one or the new one.

Only what training may move is stored; frozen tensors come again from the weights the run started from.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import torch
from safetensors.torch import save_file

from engine.errors import TrainingError
from engine.training.averaging import copy_tensors
from engine.training.state import Position, Training
from engine.workspace import atomic_path

FORMAT = 2


def save_checkpoint(training: Training, path: Path, *, base: str) -> None:
    """`base` identifies the tensors that `training` started from."""
    average = training.average
    content = {
        "format": FORMAT,
        "base": base,
        "moving": {name: tensor.detach().cpu().clone() for name, tensor in training.moving().items()},
        "best": training.best,
        "first": training.first,
        "optimizer": training.optimizer.state_dict(),
        "groups": [list(group.parameters) for group in training.groups],
        "scaler": training.scaler.state_dict(),
        "sums": training.sums.cpu(),
        "average": {"tensors": average.tensors, "updates": average.updates} if average else None,
        "position": msgspec.to_builtins(training.position),
    }
    with _saving(path) as temporary:
        torch.save(content, temporary)


def load_checkpoint(training: Training, path: Path, *, base: str) -> None:
    """Put `training` exactly where `save_checkpoint` left it; TrainingError when the file is not of this run."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises ten kinds here, and their texts advise unsafe loading
        raise TrainingError("The checkpoint of this run is damaged. Delete the run and start it again.") from error
    moving = training.moving()
    if content["format"] != FORMAT or content["base"] != base or set(content["moving"]) != set(moving):
        raise TrainingError(
            "The checkpoint belongs to other weights or another plan than this run. Delete the run and start it again."
        )
    if content["groups"] != [list(group.parameters) for group in training.groups]:
        # equal counts in another order would attach momenta to the wrong tensors without a word
        raise TrainingError(
            "The optimizer groups of the checkpoint stand in another order than this version makes. "
            "Start the run again."
        )
    restore_tensors(training, content["moving"])
    training.best = content["best"]
    training.first = content.get("first", {})  # an earlier version had none
    training.optimizer.load_state_dict(content["optimizer"])
    training.scaler.load_state_dict(content["scaler"])
    training.sums.copy_(content["sums"])
    if (average := training.average) and content["average"]:
        average.updates = content["average"]["updates"]
        copy_tensors(content["average"]["tensors"], average.tensors)
    training.position = msgspec.convert(content["position"], Position)


def restore_tensors(training: Training, tensors: Mapping[str, torch.Tensor]) -> None:
    """Copy `tensors` into the model."""
    copy_tensors(tensors, training.chain.model.state_dict())


def save_weights(state: Mapping[str, torch.Tensor], path: Path, *, metadata: Mapping[str, str]) -> None:
    """A whole state dict as safetensors, under the model's own tensor names."""
    with _saving(path) as temporary:
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
        save_file(tensors, temporary, metadata=dict(metadata))


@contextmanager
def _saving(path: Path) -> Iterator[Path]:
    """What to write in place of `path`. A full disk becomes a sentence: what torch raises does not look like one."""
    try:
        with atomic_path(path) as temporary:
            yield temporary
    except Exception as error:
        free = shutil.disk_usage(path.parent).free
        if free >= 512 * 2**20:
            raise
        raise TrainingError(
            f"The disk is full: {free // 2**20} MB are free where {path.name} should go. Free some space and resume "
            "the run."
        ) from error
