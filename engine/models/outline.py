"""Outline: a backbone's blocks, names and sizes as plain data, so that pages and freeze plans need no torch.

The chain makes it (models/chain.py); it is kept as JSON in the workspace.
"""

import dataclasses
import json
from dataclasses import dataclass
from functools import cached_property

from engine.workspace import Workspace, atomic_write


@dataclass(frozen=True, kw_only=True)
class ParameterOutline:
    """One tensor that can train: torchvision's own name, number of values, and its role."""

    name: str
    size: int
    kind: str
    """"weight" (of a layer that multiplies), "bias", "norm" (of a normalisation layer), or "other": tokens, position
    codes, scales."""


@dataclass(frozen=True, kw_only=True)
class BlockOutline:
    """One block of the chain, in forward order."""

    name: str
    """A name that a reader of torchvision knows: `layer3.1`, `features.5`, `encoder.layers.encoder_layer_7`; the last
    is the head, `fc`."""
    stage: str
    """Blocks that are drawn together: `layer3`, `features.5`, `encoder.layers`, `head`."""
    parameters: tuple[ParameterOutline, ...]

    @cached_property
    def names(self) -> frozenset[str]:
        """Of its parameters."""
        return frozenset(parameter.name for parameter in self.parameters)

    @property
    def size(self) -> int:
        return sum(parameter.size for parameter in self.parameters)


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
    resized = tuple(
        dataclasses.replace(parameter, size=parameter.size // outline.classes * classes)
        if _per_class(head, parameter, outline)
        else parameter
        for parameter in head.parameters
    )
    blocks = (*outline.blocks[:-1], dataclasses.replace(head, parameters=resized))
    return dataclasses.replace(outline, classes=classes, blocks=blocks)


def save_outline(workspace: Workspace, outline: Outline, version: str) -> None:
    """Keep `outline` under the backbone's name and the torchvision `version` that made it."""
    atomic_write(workspace.catalog / f"{outline.backbone}-{version}.json", json.dumps(dataclasses.asdict(outline)))


def load_outline(workspace: Workspace, backbone: str, version: str) -> Outline | None:
    """What `save_outline` kept, or None when this backbone has not been opened yet."""
    path = workspace.catalog / f"{backbone}-{version}.json"
    if not backbone.isidentifier() or not path.is_file():
        return None
    raw = json.loads(path.read_text())
    blocks = tuple(
        BlockOutline(name=b["name"], stage=b["stage"], parameters=tuple(ParameterOutline(**p) for p in b["parameters"]))
        for b in raw.pop("blocks")
    )
    return Outline(blocks=blocks, **raw)


def _per_class(head: BlockOutline, parameter: ParameterOutline, outline: Outline) -> bool:
    """The classifier's own tensors are the last ones of the head block; others (a pre-classifier norm) keep their
    size."""
    layer = head.parameters[-1].name.rpartition(".")[0]
    return parameter.name.rpartition(".")[0] == layer and parameter.size % outline.classes == 0
