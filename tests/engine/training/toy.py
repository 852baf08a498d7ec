"""A small real model on random pictures, for everything that trains."""

import numpy as np
import torch

from engine.models.chain import Chain, build_chain
from engine.models.head import swap_head
from engine.models.outline import BlockOutline, Outline, ParameterOutline
from engine.models.registry import build
from engine.runconfig import RunConfig
from engine.training.freezing import plan_for
from engine.training.state import Training

CLASSES, SIDE = 3, 32


class Pictures:
    """A source of seeded noise in which each class has a colour cast, so that there is something to learn."""

    def __init__(self, count: int, *, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.targets = torch.arange(count) % CLASSES
        self._images = torch.randn(count, 3, SIDE, SIDE, generator=generator)
        for index, target in enumerate(self.targets):
            self._images[index, int(target)] += 1.0

    def start(self, reach: int, epoch: int | None) -> int:
        return 0

    def instant(self, epoch: int | None, start: int) -> bool:
        return False

    def batch(self, rows: np.ndarray, epoch: int | None, start: int = 0) -> torch.Tensor:
        # an augmentation that depends on the epoch alone, as views do
        turned = self._images[torch.from_numpy(rows)]
        return turned.flip(3) if epoch is not None and epoch % 2 else turned.clone()


def chain(backbone: str = "resnet18") -> Chain:
    side = SIDE if not backbone.startswith("vit") else 224
    model = build(backbone, side, 0)
    swap_head(model, backbone, classes=CLASSES, seed=0)
    return build_chain(model, backbone, side)


def config(**options: object) -> RunConfig:
    fields: dict[str, object] = {"epochs": 2, "batch_size": 8, "backbone": "resnet18", "strategy": "linear_probe_steps"}
    return RunConfig(dataset="dataset-00000000", **{**fields, **options})


def block(name: str, stage: str, *parameters: tuple[str, int, str]) -> BlockOutline:
    """Of parameters (leaf, size, kind)."""
    outlines = tuple(ParameterOutline(name=f"{name}.{leaf}", size=size, kind=kind) for leaf, size, kind in parameters)
    return BlockOutline(name=name, stage=stage, parameters=outlines)


def outline(*blocks: BlockOutline) -> Outline:
    return Outline(backbone="toy", classes=2, input_size=32, blocks=blocks)


def training(chosen: RunConfig) -> Training:
    made = chain(chosen.backbone)
    return Training(made, made.outline(), plan_for(made.outline(), chosen), config=chosen)
