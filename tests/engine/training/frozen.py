"""A run on a real little dataset with everything that keeping activations needs, opened and driven in a line."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from engine.data.dataset_records import SPLITS, Dataset, Split
from engine.data.pixel_cache import Augmentation, open_pixels
from engine.data.preprocessing import Preprocessing
from engine.runconfig import RunConfig
from engine.training.audit import digests
from engine.training.batches import PixelSource, Source
from engine.training.frozen import feature_cache
from engine.training.frozen.cuts import Slot, readings
from engine.training.frozen.feature_cache import FeatureCache, Origin
from engine.training.loop import fit, infer
from engine.training.numerics import lay_out, numerics
from engine.training.state import Training
from engine.workspace import Workspace
from tests.engine.training.toy import SIDE, training

PRE = Preprocessing(resize=(SIDE,), crop=SIDE)
CPU = torch.device("cpu")


@dataclass(kw_only=True)
class World:
    """Where runs are opened; everything they hold is closed with `stack`."""

    workspace: Workspace
    dataset: Dataset
    stack: ExitStack
    steps: list[tuple[int, int]] = field(default_factory=list)
    """What filling has said of its progress."""

    def open(self, chosen: RunConfig, *, precision: str = "fp32", preprocessing: Preprocessing = PRE) -> Origin:
        """A fresh model and its images, as `chosen` says."""
        computes = numerics(precision, CPU)
        made = training(chosen)
        known = digests(made.chain.model.state_dict())
        lay_out(made.chain, computes)
        made = Training(made.chain, made.outline, made.plan, config=chosen, dtype=computes.dtype)
        views = Augmentation(views=chosen.views, data_seed=chosen.data_seed, policy=chosen.augment)
        shown = open_pixels(self.workspace, self.dataset, preprocessing, augmentation=views)
        self.stack.callback(shown.close)
        sources: dict[Split, Source] = {}
        for split in SPLITS:
            images = self.dataset.images_of(split)
            sources[split] = PixelSource(
                shown,
                np.array([image.index for image in images]),
                [image.label for image in images],
                preprocessing=preprocessing,
                device=CPU,
                memory_format=computes.memory_format,
            )
        return Origin(
            workspace=self.workspace, pixels=shown, training=made, numerics=computes, digests=known, sources=sources
        )

    def fill(self, origin: Origin, wanted: Mapping[Slot, int] | None = None) -> FeatureCache:
        """The cache of what `wanted`, or else the run itself, will read."""
        filling = feature_cache.ensure(origin, wanted_by(origin) if wanted is None else wanted)
        while True:
            try:
                self.steps.append(next(filling))
            except StopIteration as end:
                self.stack.callback(end.value.close)
                return end.value


def wanted_by(origin: Origin) -> Mapping[Slot, int]:
    made = origin.training
    return readings(made.outline, made.plan, made.config)


def train(origin: Origin, cache: FeatureCache | None = None) -> tuple[dict[str, Tensor], Tensor]:
    """Train to the end: (all tensors, logits of all splits in eval mode)."""

    def source(split: Split) -> Source:
        pixels = origin.sources[split]
        places = np.arange(len(pixels.targets))
        return pixels if cache is None else cache.source(pixels, split, pixels=origin.pixels, places=places)

    for _ in fit(origin.training, source("train"), source("val")):
        pass
    last = origin.training.plan.epochs - 1
    logits = torch.cat([part for split in SPLITS for part in infer(origin.training, source(split), epoch=last)])
    return {name: tensor.clone() for name, tensor in origin.training.chain.model.state_dict().items()}, logits


def same(one: tuple[dict[str, Tensor], Tensor], other: tuple[dict[str, Tensor], Tensor]) -> bool:
    return all(torch.equal(tensor, other[0][name]) for name, tensor in one[0].items()) and torch.equal(one[1], other[1])


def passes(origin: Origin) -> list[int]:
    """The size of every batch that goes through the first layer from now on."""
    seen: list[int] = []
    origin.training.chain.blocks[0].modules[0].register_forward_hook(lambda module, given, made: seen.append(len(made)))
    return seen
