"""Chain: a classifier as an exact sequence of named blocks that ends in its head.

The blocks run the model's own modules: moving, loading or training `chain.model` moves, loads or trains the blocks.
Not here: where weights come from, which blocks train.
"""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, fx, nn

from engine.errors import BackboneError
from engine.models.fusion import Fused, fuse
from engine.models.head import drop_auxiliaries, find_head, head_of
from engine.models.outline import BlockOutline, Outline, ParameterOutline
from engine.models.stages import counted_positions, stages
from engine.models.trace import (
    NORMS,
    Forward,
    Segment,
    has_parameters,
    in_mode,
    modules_of,
    segments,
    tensors_of,
    trace,
)

_TOLERANCE = 1e-5
_DEFECT = "This is a defect; please report it."


@dataclass(frozen=True, kw_only=True)
class Block:
    """One link of the chain."""

    name: str
    parameters: tuple[str, ...]
    """Names in the model's state dict, in the model's order; every parameter belongs to exactly one block."""
    buffers: tuple[str, ...]
    modules: tuple[nn.Module, ...]
    """The layers it runs, in forward order."""
    evaluating: Forward
    training: Forward
    graph: fx.Graph
    """Of `evaluating`."""


@dataclass(frozen=True, kw_only=True)
class SideOutput:
    """A place whose mean over positions the head reads."""

    module: str
    """Path of the module that ends there; it is called once."""
    positions: tuple[int, ...]
    """Dimensions of what it returns that are places in the image."""
    channels: int


class Chain:
    """A classifier and its blocks; starts with every block in eval mode."""

    def __init__(
        self, model: nn.Module, backbone: str, *, blocks: tuple[Block, ...], classes: int, input_size: int
    ) -> None:
        self.model, self.backbone, self.blocks = model, backbone, blocks
        self.classes, self.input_size = classes, input_size
        self.random: frozenset[str] = frozenset()
        """Names of the tensors that came from the seed and not from the file of the weights, a new head's included."""
        self.side_outputs: tuple[SideOutput, ...] = ()
        """What the head reads beside what comes before it (models.side_outputs)."""
        self.fuses = False
        """Whether frozen blocks are fused (models.fusion), which changes their last bits."""
        self._fused: dict[int, Fused] = {}
        self._trains: frozenset[int] = frozenset()
        self._positions: dict[str, int] = {}
        """What tells the stages; of the first pass there is."""
        self._modules = tuple(model.modules())
        self.train_blocks(())

    @property
    def head(self) -> str:
        """Name of the last block, which is also the path of the layer that gives the class scores."""
        return self.blocks[-1].name

    @property
    def new_head(self) -> bool:
        """Whether the head, and nothing else, came from the seed."""
        return {name.rpartition(".")[0] for name in self.random} == {self.head}

    def __call__(self, x: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """Blocks `start` to `stop` (exclusive). Images [N, 3, H, W] in; activations or logits [N, classes] out."""
        for index, block in list(enumerate(self.blocks))[start:stop]:
            x = (block.training if index in self._trains else block.evaluating)(self.model, x)
        return x

    def frozen_blocks(self, start: int, stop: int) -> list[Callable[[Tensor], Tensor]]:
        """Blocks `start` to `stop` in eval mode, each for as long as its weights stay what they are."""
        if not self.fuses:
            return [partial(block.evaluating, self.model) for block in self.blocks[start:stop]]
        for index in range(start, stop):
            if index not in self._fused:
                block = self.blocks[index]
                self._fused[index] = fuse(self.model, block.graph, f"{block.name} of {self.backbone}")
        return [self._fused[index].prepared() for index in range(start, stop)]

    def train_blocks(self, trainable: Collection[int]) -> None:
        """Put the blocks with these indexes in train mode and all others in eval mode: fixed norm statistics, no
        dropout. What belongs to no block, such as the model itself, is in train mode when every block is."""
        self._trains = frozenset(trainable)
        every = len(self._trains) == len(self.blocks)
        training = {module for index in self._trains for top in self.blocks[index].modules for module in top.modules()}
        for module in self._modules:
            if module.training != (trains := every or module in training):
                module.training = trains

    def outline(self) -> Outline:
        """Names, stages and sizes of the blocks as plain data."""
        *body, _ = self.blocks
        described = [tuple(_describe(self.model, name) for name in block.parameters) for block in self.blocks]
        sizes = [sum(parameter.size for parameter in parameters) for parameters in described[:-1]]
        if not self._positions:
            self._count_positions()
        resolutions = [self._positions[block.name] for block in body]
        named = [*stages([block.name for block in body], sizes, resolutions), "head"]
        blocks = tuple(
            BlockOutline(name=block.name, stage=stage, parameters=parameters)
            for block, stage, parameters in zip(self.blocks, named, described, strict=True)
        )
        return Outline(backbone=self.backbone, blocks=blocks, classes=self.classes, input_size=self.input_size)

    def _counting(self) -> AbstractContextManager[dict[str, int]]:
        return counted_positions(self.model, {block.name: block.modules for block in self.blocks[:-1]})

    @torch.no_grad()
    def _count_positions(self) -> None:
        side, parameter = max(self.input_size, 28), next(self.model.parameters())
        with in_mode(self.model, training=False), self._counting() as self._positions:
            self.model(torch.zeros(1, 3, side, side).to(parameter))

    @torch.no_grad()
    def self_test(self, image_size: int) -> None:
        """Compare the chain with the model on two random images, in eval mode. BackboneError if they differ or a block
        writes into its input."""
        images = torch.rand(2, 3, image_size, image_size, generator=torch.Generator().manual_seed(0))
        images = images.to(next(self.model.parameters()))
        self.train_blocks(())
        with self._counting() as self._positions:
            expected, x = self.model(images), images
        for block in self.blocks:
            version, given = x._version, x
            x = block.evaluating(self.model, x)
            if given._version != version:
                raise BackboneError(f"The block {block.name} of {self.backbone} writes into its input. {_DEFECT}")
        close = x.shape == expected.shape and torch.allclose(x, expected, _TOLERANCE, _TOLERANCE, equal_nan=True)
        if x.shape != (2, self.classes) or not close:
            raise BackboneError(f"The blocks of {self.backbone} do not add up to the model. {_DEFECT}")


def build_chain(model: nn.Module, backbone: str, input_size: int) -> Chain:
    """Cut `model`, which has its head already, into blocks. Its parameters are not copied.

    BackboneError when its forward pass cannot be traced, or needs more than one tensor between two blocks.
    """
    drop_auxiliaries(model)
    blocks, classes = _blocks(model, backbone), head_of(model).weight.shape[0]
    return Chain(model, backbone, blocks=blocks, classes=classes, input_size=input_size)


def _blocks(model: nn.Module, backbone: str) -> tuple[Block, ...]:
    """Train and eval are traced apart, because functions that are told `training=` keep what they were told."""
    head = find_head(model)
    evaluating = segments(model, trace(model, training=False), head)
    training = segments(model, trace(model, training=True), head)
    if [s.unit for s in evaluating] != [s.unit for s in training] or evaluating[-1].unit != head:
        raise BackboneError(
            f"{backbone} runs through other blocks in training than in evaluation. Choose another backbone."
        )
    _unshare_input(model, training)
    blocks = tuple(_block(model, e, t) for e, t in zip(evaluating, training, strict=True))
    # every parameter in exactly one block, or freezing would forget one, or contradict itself
    placed = [name for block in blocks for name in block.parameters]
    if sorted(placed) != sorted(name for name, _ in model.named_parameters()):
        raise BackboneError(f"The parameters of {backbone} do not fall into separate blocks. Choose another backbone.")
    return blocks


def _block(model: nn.Module, evaluating: Segment, training: Segment) -> Block:
    used = tensors_of(model, evaluating)
    return Block(
        name=evaluating.unit,
        parameters=tuple(name for name, _ in model.named_parameters() if name in used),
        buffers=tuple(name for name, _ in model.named_buffers() if name in used),
        modules=modules_of(model, training),
        evaluating=evaluating.forward,
        training=training.forward,
        graph=evaluating.graph,
    )


def _unshare_input(model: nn.Module, pieces: tuple[Segment, ...]) -> None:
    """Stop layers at the start of a block from overwriting its input, which may be a cached activation that others
    read: EfficientNet, MobileNetV3 and MNASNet open their heads with Dropout(inplace=True)."""
    for piece in pieces:
        for module in modules_of(model, piece):
            if has_parameters(module):
                break  # what follows works on the fresh output of this layer
            if getattr(module, "inplace", False):
                setattr(module, "inplace", False)  # noqa: B010 - a plain attribute, which nn.Module does not declare


def _describe(model: nn.Module, name: str) -> ParameterOutline:
    owner, _, leaf = name.rpartition(".")
    size = model.get_parameter(name).numel()
    if isinstance(model.get_submodule(owner), NORMS):
        return ParameterOutline(name=name, size=size, kind="norm")
    kind = "bias" if leaf.endswith("bias") else "weight" if leaf.endswith("weight") else "other"
    return ParameterOutline(name=name, size=size, kind=kind)
