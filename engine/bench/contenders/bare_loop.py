"""The bare loop: the mathematics of Thaw's runs on images that lie decoded in memory; no files, nothing kept.

It is the limit of what Thaw can reach: one pass of the frozen blocks over every image, then the epochs on what came
out, in the number format and layout that Thaw chooses. Order, rates and optimizer are Thaw's own, so the weights agree.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

import numpy as np
import torch
from torch import Tensor, nn

from engine import devices
from engine.bench.contenders.assignment import Result
from engine.bench.experiment import Experiment
from engine.data.pixel_cache import Augmentation, Pixels
from engine.models.chain import Chain
from engine.runconfig import RunConfig
from engine.training.batches import cut, epoch_order, moments, normalise
from engine.training.freezing import plan_for
from engine.training.loop import enter_phase
from engine.training.numerics import Numerics
from engine.training.plan import prefix_length
from engine.training.schedule import factor
from engine.training.state import Training, autocast, set_rates

_VAL = -1
"""Where other keys have the number of a view."""
_EVALUATION_BATCH = 64

Inputs = dict[tuple[int, int], Tensor]
"""(view, or _VAL; cut) -> inputs of the block behind the cut for every image of the split; behind 0, its pixels: uint8
[N, 3, crop, crop]."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What lies in memory before the clock starts."""

    experiment: Experiment
    numerics: Numerics
    pixels: Inputs
    targets: Tensor
    val_targets: Tensor

    def chain(self, seed: int) -> Chain:
        """A fresh model in the layout that Thaw chooses."""
        chain = self.experiment.chain(seed)
        chain.model.to(memory_format=self.numerics.memory_format)
        return chain

    def normalised(self, pixels: Tensor) -> Tensor:
        images = normalise(pixels, *moments(self.experiment.preprocessing, self.experiment.place))
        return images.contiguous(memory_format=self.numerics.memory_format)


def train_bare(experiment: Experiment, configs: Sequence[RunConfig]) -> Result:
    """All `configs`, which start from the same weights and see the same views, over one pass of what they share."""
    memory = _memory(experiment, configs[0])
    chain = memory.chain(configs[0].seed)
    started = _now(experiment)
    inputs = _through_frozen(memory, chain, configs)
    seconds = _now(experiment) - started
    accuracies: list[float] = []
    for config in configs:
        chain = memory.chain(config.seed)
        started = _now(experiment)
        accuracy, state = _train(memory, chain, inputs=inputs, config=config)
        seconds += _now(experiment) - started
        accuracies.append(accuracy)
    return Result(seconds=seconds, accuracy=fmean(accuracies), state=state)


def _now(experiment: Experiment) -> float:
    devices.synchronise(experiment.place)
    return time.perf_counter()


def _memory(experiment: Experiment, config: RunConfig) -> Memory:
    place, images = experiment.place, experiment.dataset.images_of
    train, val = (np.array([image.index for image in images(split)]) for split in ("train", "val"))
    targets, val_targets = (torch.tensor([image.label for image in images(split)]) for split in ("train", "val"))
    augmentation = Augmentation(views=config.views, data_seed=config.data_seed)
    with Pixels(experiment.dataset, experiment.preprocessing, augmentation) as pixels:
        decoded = {(view, 0): pixels.batch(train, view).to(place) for view in range(max(1, config.views))}
        decoded[_VAL, 0] = pixels.batch(val, None).to(place)
    return Memory(
        experiment=experiment,
        numerics=experiment.numerics(),
        pixels=decoded,
        targets=targets.to(place),
        val_targets=val_targets.to(place),
    )


@torch.no_grad()
def _through_frozen(memory: Memory, chain: Chain, configs: Sequence[RunConfig]) -> Inputs:
    """Every image once through the frozen blocks; what comes out at every cut that is wanted."""
    outline, inputs = chain.outline(), dict(memory.pixels)
    cuts = sorted({prefix_length(outline, plan_for(outline, config).phases[0]) for config in configs} - {0})
    chain.train_blocks(())
    for (view, _), pixels in memory.pixels.items() if cuts else ():
        parts: dict[int, list[Tensor]] = {cut: [] for cut in cuts}
        for batch in pixels.split(memory.experiment.recipe.batch_size):
            x, before = memory.normalised(batch), 0
            with autocast(memory.experiment.place, memory.numerics.dtype):
                for cut in cuts:
                    x = chain(x, before, cut)
                    parts[cut].append(x)
                    before = cut
        inputs |= {(view, cut): torch.cat(outputs) for cut, outputs in parts.items()}
    return inputs


def _train(memory: Memory, chain: Chain, *, inputs: Inputs, config: RunConfig) -> tuple[float, dict[str, Tensor]]:
    """Accuracy and tensors of the best epoch."""
    outline = chain.outline()
    plan = plan_for(outline, config)
    training = Training(chain, outline, plan, config=config, dtype=memory.numerics.dtype)
    behind = prefix_length(outline, plan.phases[0])

    def logits(view: int, rows: Tensor) -> Tensor:
        chosen = inputs[view, behind][rows]
        with training.autocast():
            return chain(chosen if behind else memory.normalised(chosen), behind).float()

    best, state = (-1.0, 0.0), {}
    for epoch in range(config.epochs):
        training.position.epoch = epoch
        _epoch(training, memory.targets, partial(logits, epoch % config.views if config.views else 0))
        chain.train_blocks(())
        score = _score(memory.val_targets, partial(logits, _VAL))
        if score > best:
            best, state = score, {name: tensor.clone() for name, tensor in training.moving().items()}
    return best[0], state


def _epoch(training: Training, targets: Tensor, logits: Callable[[Tensor], Tensor]) -> None:
    enter_phase(training)
    config, epoch = training.config, training.position.epoch
    batches = cut(epoch_order(targets, seed=config.seed, epoch=epoch), config.batch_size)
    for step, rows in enumerate(batches, epoch * len(batches)):
        share = factor(config.schedule, step=step, steps=config.epochs * len(batches), warmup=config.warmup)
        set_rates(training, 0, share)
        batch = torch.from_numpy(rows).to(targets.device)
        training.optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(logits(batch), targets[batch]).backward()
        training.optimizer.step()


@torch.no_grad()
def _score(targets: Tensor, logits: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    """Accuracy, and the loss negated, on the validation images."""
    parts = torch.arange(len(targets), device=targets.device).split(_EVALUATION_BATCH)
    answers = torch.cat([logits(part) for part in parts])
    loss = nn.functional.cross_entropy(answers.double(), targets)
    return (answers.argmax(1) == targets).double().mean().item(), -loss.item()
