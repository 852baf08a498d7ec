"""The bare computation: the mathematics of Thaw's runs on images that lie decoded in memory. No files, no pages,
nothing kept on disk.

It is the limit of what Thaw can reach: one pass of the frozen blocks over every image, then the epochs on what came
out, in the number format and layout that Thaw chooses. Order, rates and optimizer are Thaw's own pure functions, so the
weights agree.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import torch
from torch import Tensor, nn

from engine import devices
from engine.bench.experiment import Experiment, Result
from engine.data.dataset_records import Image, Split
from engine.data.decoder import decode
from engine.data.preprocessing import eval_crop, view, view_key, view_side
from engine.models.chain import Chain
from engine.runconfig import RunConfig
from engine.training.batches import cut, epoch_order, moments, normalise
from engine.training.freezing import plan_for
from engine.training.numerics import Numerics
from engine.training.plan import FreezePlan, groups, prefix_length, trainable_blocks
from engine.training.schedule import factor
from engine.training.state import autocast, make_optimizer

_VAL = -1
"""Where other keys have the number of a view."""
_EVALUATION_BATCH = 64

Kept = dict[tuple[int, int], Tensor]
"""(view, or _VAL; cut) -> inputs of the block behind the cut, for every image of the split."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """What lies in memory before the clock starts."""

    images: dict[int, Tensor]
    """View, or _VAL -> uint8 [N, 3, crop, crop]."""
    targets: dict[Split, Tensor]
    chain: Chain
    numerics: Numerics
    experiment: Experiment
    plans: tuple[FreezePlan, ...]
    views: int


def train_bare(experiment: Experiment, configs: Sequence[RunConfig]) -> Result:
    """All `configs`, which start from the same weights and see the same views, over one pass of what they share."""
    given = _given(experiment, configs)
    devices.synchronise(experiment.place)
    started = time.perf_counter()
    kept = _pass(given)
    devices.synchronise(experiment.place)
    seconds = time.perf_counter() - started
    accuracies: list[float] = []
    state: dict[str, Tensor] = {}
    for config, plan in zip(configs, given.plans, strict=True):
        chain = _laid_out(experiment, config.seed, given.numerics)
        devices.synchronise(experiment.place)
        started = time.perf_counter()
        accuracy, state = _Training(given, chain, plan, config).run(kept)
        devices.synchronise(experiment.place)
        seconds += time.perf_counter() - started
        accuracies.append(accuracy)
    return Result(seconds=seconds, accuracy=fmean(accuracies), state=state)


def _given(experiment: Experiment, configs: Sequence[RunConfig]) -> Given:
    numerics = experiment.numerics(experiment.chain(configs[0].seed))
    chain = _laid_out(experiment, configs[0].seed, numerics)
    outline, views = chain.outline(), configs[0].views
    images = {
        number: _pixels(experiment, "train", number if views else None, configs[0].data_seed)
        for number in range(max(1, views))
    }
    images[_VAL] = _pixels(experiment, "val", None, 0)
    splits: tuple[Split, ...] = ("train", "val")
    targets = {
        split: torch.tensor([image.label for image in experiment.dataset.images_of(split)]).to(experiment.place)
        for split in splits
    }
    plans = tuple(plan_for(outline, config) for config in configs)
    return Given(
        images=images, targets=targets, chain=chain, numerics=numerics, experiment=experiment, plans=plans, views=views
    )


def _laid_out(experiment: Experiment, seed: int, numerics: Numerics) -> Chain:
    chain = experiment.chain(seed)
    chain.model.to(memory_format=numerics.memory_format)
    return chain


def _pixels(experiment: Experiment, split: Split, number: int | None, data_seed: int) -> Tensor:
    """uint8 [N, 3, crop, crop]"""
    crops = [
        _crop(experiment, image, number, data_seed).transpose(2, 0, 1) for image in experiment.dataset.images_of(split)
    ]
    return torch.from_numpy(np.stack(crops)).to(experiment.place)


def _crop(experiment: Experiment, image: Image, number: int | None, data_seed: int) -> np.ndarray:
    content = experiment.dataset.image_path(image).read_bytes()
    if number is None:
        return eval_crop(decode(content), experiment.preprocessing)
    decoded = decode(content, side=view_side(experiment.preprocessing))
    return view(decoded, experiment.preprocessing, key=view_key(image.sha256, number, data_seed))


def _cuts(given: Given) -> list[int]:
    outline = given.chain.outline()
    return sorted({prefix_length(outline, plan.phases[0]) for plan in given.plans})


@torch.no_grad()
def _pass(given: Given) -> Kept:
    """Every image once through the frozen blocks; what comes out at every cut that is wanted. A cut of 0 keeps
    nothing."""
    cuts, size = [cut for cut in _cuts(given) if cut], given.experiment.recipe.batch_size
    parts: dict[tuple[int, int], list[Tensor]] = {(number, cut): [] for number in given.images for cut in cuts}
    given.chain.train_blocks(())
    for number, images in given.images.items() if cuts else ():
        for start in range(0, len(images), size):
            x, before = _normalised(given, images[start : start + size]), 0
            with autocast(given.experiment.place, given.numerics.dtype):
                for cut in cuts:
                    x = given.chain(x, before, cut)
                    parts[number, cut].append(x)
                    before = cut
    return {key: torch.cat(made) for key, made in parts.items()}


def _normalised(given: Given, images: Tensor) -> Tensor:
    made = normalise(images, *moments(given.experiment.preprocessing, given.experiment.place))
    return made.contiguous(memory_format=given.numerics.memory_format)


class _Training:
    """The epochs of one config behind its cut."""

    def __init__(self, given: Given, chain: Chain, plan: FreezePlan, config: RunConfig) -> None:
        self.given, self.chain, self.config, self.phase = given, chain, config, plan.phases[0]
        outline = chain.outline()
        self.cut = prefix_length(outline, self.phase)
        self.trains = {index for index, trains in enumerate(trainable_blocks(outline, self.phase)) if trains}
        self.groups = groups(outline, plan)
        self.parameters = dict(chain.model.named_parameters())
        for name, parameter in self.parameters.items():
            parameter.requires_grad_(name in self.phase.parameters)
        self.optimizer = make_optimizer(self.groups, self.parameters, config)
        blocks = [chain.blocks[index] for index in sorted(self.trains)]
        self.moving = [name for block in blocks for name in (*block.parameters, *block.buffers)]

    def run(self, kept: Kept) -> tuple[float, dict[str, Tensor]]:
        """Accuracy and tensors of the best epoch."""
        best, state = (-1.0, 0.0), {}
        for epoch in range(self.phase.epochs):
            self._epoch(kept, epoch)
            score = self._judge(kept)
            if score > best:
                values = self.chain.model.state_dict()
                best, state = score, {name: values[name].detach().clone() for name in self.moving}
        return best[0], state

    def _epoch(self, kept: Kept, epoch: int) -> None:
        self.chain.train_blocks(self.trains)
        targets, number = self.given.targets["train"], epoch % self.given.views if self.given.views else 0
        batches = cut(epoch_order(targets, seed=self.config.seed, epoch=epoch), self.config.batch_size)
        for step, rows in enumerate(batches):
            done, steps = epoch * len(batches) + step, self.phase.epochs * len(batches)
            share = factor(self.config.schedule, step=done, steps=steps, warmup=self.config.warmup)
            for group, entry in zip(self.groups, self.optimizer.param_groups, strict=True):
                entry["lr"] = group.rates[0] * share
            chosen = torch.from_numpy(rows).to(targets.device)
            self.optimizer.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(self._logits(kept, number, chosen), targets[chosen]).backward()
            self.optimizer.step()

    @torch.no_grad()
    def _judge(self, kept: Kept) -> tuple[float, float]:
        """Accuracy, and the loss negated, on the validation images."""
        self.chain.train_blocks(())
        targets = self.given.targets["val"]
        parts = torch.arange(len(targets), device=targets.device).split(_EVALUATION_BATCH)
        logits = torch.cat([self._logits(kept, _VAL, part) for part in parts])
        loss = nn.functional.cross_entropy(logits.double(), targets)
        return (logits.argmax(1) == targets).double().mean().item(), -loss.item()

    def _logits(self, kept: Kept, number: int, rows: Tensor) -> Tensor:
        inputs = kept[number, self.cut][rows] if self.cut else _normalised(self.given, self.given.images[number][rows])
        with autocast(inputs.device, self.given.numerics.dtype):
            return self.chain(inputs, self.cut).float()
