"""One optimisation step: forward, backward, update; in parts when memory is short.

Not here: which batch, which learning rate, when a phase begins (loop).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from engine import devices
from engine.errors import TrainingError
from engine.training.freezing import lone_image
from engine.training.frozen.prefix import through_frozen
from engine.training.state import Training


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Inputs of block `start` [N, ...] and class numbers [N], on the device; `seed` decides dropout and mixing."""

    inputs: torch.Tensor
    targets: torch.Tensor
    start: int
    prefix: int
    """Blocks before this one are frozen: they run without gradients."""
    seed: int


def step_seed(seed: int, epoch: int, step: int) -> int:
    """The seed of dropout and mixing in one step: a pure function of where training stands, so that a run resumes."""
    return int(np.random.SeedSequence([seed, epoch, step]).generate_state(1)[0])


def optimise(training: Training, batch: Batch) -> torch.Tensor:
    """Update the trainable parameters once. Returns the mean loss of the batch, still on the device.

    When memory runs out the batch is cut into more parts whose gradients add up to the same step, and `training.notes`
    says so; TrainingError when single images do not fit.
    """
    while True:
        try:
            return _attempt(training, batch)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise TrainingError(_lone_image(training)) from error
        except (RuntimeError, MemoryError) as error:
            if not devices.is_out_of_memory(error):
                raise
            reason = str(error)
        # outside the except clause: the exception holds the activations that have to go
        training.optimizer.zero_grad(set_to_none=True)
        devices.release_memory()
        _back_off(training, len(batch.targets), reason)


def _back_off(training: Training, images: int, reason: str) -> None:
    if training.position.parts >= images:
        raise TrainingError(
            f"A single image does not fit into memory ({reason.splitlines()[0][:120]}). "
            "Choose a smaller image size or backbone."
        )
    parts = training.position.parts = min(2 * training.position.parts, images)
    training.notes.append(
        f"Memory ran out, so every batch is computed in {parts} parts from now on. Batch size and learning rate stay "
        "what they were; BatchNorm in the training blocks sees the parts."
    )


def _lone_image(training: Training) -> str:
    if training.position.parts == 1:
        return lone_image(training.chain.input_size)
    return (
        "There is memory for one image at a time only, and one cannot be normalised. Choose a smaller image size or "
        "backbone, or batch_norm=running."
    )


def _attempt(training: Training, batch: Batch) -> torch.Tensor:
    devices.seed(training.device, batch.seed)
    inputs, targets = batch.inputs, batch.targets
    if training.mixer is not None:
        inputs, targets = training.mixer(inputs, targets)
    weight = _weight(training, targets)
    training.optimizer.zero_grad(set_to_none=True)
    sums = training.sums.new_zeros(2)
    for part, goal in zip(_parts(training, inputs), _parts(training, targets), strict=True):
        logits = _forward(training, part, batch)
        total = nn.functional.cross_entropy(
            logits,
            goal,
            weight=training.class_weights,
            label_smoothing=training.config.label_smoothing,
            reduction="sum",
        )
        right = (logits.detach().argmax(1) == (goal if goal.ndim == 1 else goal.argmax(1))).sum()
        training.scaler.scale(total / weight).backward()
        sums += torch.stack([total.detach(), right]).to(sums.dtype)
    training.scaler.step(training.optimizer)
    training.scaler.update()
    # filled there: no copy to wait for
    seen = sums.new_full((), len(batch.targets))
    training.sums += torch.stack([sums[0], weight.to(sums.dtype), sums[1], seen])
    return sums[0] / weight


def _forward(training: Training, inputs: torch.Tensor, batch: Batch) -> torch.Tensor:
    """float32 logits [n, classes]; gradients flow from the end of the frozen prefix on."""
    with torch.no_grad(), training.autocast():
        features = through_frozen(training.chain, inputs, start=batch.start, stop=batch.prefix)
    with training.autocast():
        return training.chain(features, max(batch.start, batch.prefix)).float()


def _weight(training: Training, targets: torch.Tensor) -> torch.Tensor:
    """What the summed loss of the batch is divided by: the images, or the sum of their class weights."""
    if (weights := training.class_weights) is None:
        return torch.full((), float(len(targets)), device=targets.device)
    return weights[targets].sum() if targets.ndim == 1 else (targets @ weights).sum()


def _parts(training: Training, tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return tensor.tensor_split(min(training.position.parts, len(tensor)))
