"""Outline: a backbone's blocks, names and sizes as plain data, so that pages and freeze plans need no torch.

The chain makes it (models/chain.py); it is kept as JSON in the workspace.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from engine import record_files
from engine.errors import EngineError
from engine.models.sources.source import source_of
from engine.workspace import Workspace

_EDITION = 2
"""Of what is kept: the first knew stages by the names of modules alone, and is made anew."""


@dataclass(frozen=True, kw_only=True)
class ParameterOutline:
    """One tensor that can train: its own name in the model, number of values, and its role."""

    name: str
    size: int
    kind: str
    """weight (of a layer that multiplies), bias, norm (of a normalisation layer), or other: tokens, position codes."""


@dataclass(frozen=True, kw_only=True)
class BlockOutline:
    """One block of the chain, in forward order."""

    name: str
    """Path of its module: `layer3.1`, `features.5`, `encoder.layers.encoder_layer_7`; the last is the head, `fc`."""
    stage: str
    """Consecutive blocks of one resolution (models/stages.py): `layer3`, `features.4..5`, `head`."""
    parameters: tuple[ParameterOutline, ...]

    @cached_property
    def names(self) -> frozenset[str]:
        """Of its parameters."""
        return frozenset(parameter.name for parameter in self.parameters)

    @property
    def size(self) -> int:
        return sum(parameter.size for parameter in self.parameters)

    @property
    def holds_weights(self) -> bool:
        """Not so where there is only a norm: DenseNet's norm5, ViT's ln."""
        return any(parameter.kind == "weight" for parameter in self.parameters)


@dataclass(frozen=True, kw_only=True)
class Outline:
    """The chain of a backbone with a head for `classes` classes. The last block is always the head."""

    backbone: str
    classes: int
    input_size: int
    blocks: tuple[BlockOutline, ...]

    @property
    def size(self) -> int:
        return sum(block.size for block in self.blocks)


def with_classes(outline: Outline, classes: int) -> Outline:
    """The same backbone with a head for another number of classes."""
    head = outline.blocks[-1]
    classifier = _layer(head.parameters[-1])  # others, such as a norm before it, keep their size
    resized = tuple(
        replace(parameter, size=parameter.size // outline.classes * classes)
        if _layer(parameter) == classifier and parameter.size % outline.classes == 0
        else parameter
        for parameter in head.parameters
    )
    return replace(outline, classes=classes, blocks=(*outline.blocks[:-1], replace(head, parameters=resized)))


def save_outline(workspace: Workspace, outline: Outline) -> None:
    """Keep `outline` under the backbone's name and the version of its source."""
    record_files.write(_path(workspace, outline.backbone), outline)


def load_outline(workspace: Workspace, backbone: str) -> Outline | None:
    """What `save_outline` kept, or None when this backbone has not been opened yet."""
    if not re.fullmatch(r"(\w+/)?\w[\w.]*", backbone):
        return None
    try:
        return record_files.read(_path(workspace, backbone), Outline)
    except (OSError, EngineError):  # missing, damaged, or of another version: it is only a cache
        return None


def _path(workspace: Workspace, backbone: str) -> Path:
    versions = "-".join(source_of(backbone).versions)
    return workspace.catalog / f"{backbone.replace('/', '--')}-{versions}-{_EDITION}.json"


def _layer(parameter: ParameterOutline) -> str:
    return parameter.name.rpartition(".")[0]


def last_blocks(outline: Outline, count: int) -> Sequence[BlockOutline]:
    """The last `count` blocks that hold weights, and what lies between them."""
    weighted = [index for index, block in enumerate(outline.blocks) if block.holds_weights]
    return outline.blocks[weighted[-count] if count < len(weighted) else 0 :]


def blocks_by_stage(outline: Outline) -> list[list[BlockOutline]]:
    """In forward order, the head last; a stage without weights goes with the one before it."""
    weighted = {block.stage for block in outline.blocks if block.holds_weights}
    stages: list[list[BlockOutline]] = []
    for block in outline.blocks:
        if not stages or (stages[-1][-1].stage != block.stage and block.stage in weighted):
            stages.append([])
        stages[-1].append(block)
    return stages
