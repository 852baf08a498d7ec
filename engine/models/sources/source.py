"""Source: where backbones come from: what is said without loading it, and the Protocol of the module of its models.

A backbone belongs to the source whose prefix its name begins with (`prefix/name`), without one to torchvision.
Loads without torch. Not here: what all sources have in common (registry), how files are fetched (published).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.models.catalog import BackboneInfo, Transforms


class Models(Protocol):
    """The models of one source; a module of these functions will do. `backbone` is always the whole name."""

    def names(self) -> Sequence[str]:
        """Every backbone."""

    def describe(self, backbone: str) -> BackboneInfo:
        """What is published about it, the files, licences and addresses of its weights included. Builds nothing."""

    def transforms(self, backbone: str, weights: str) -> Transforms:
        """How the published `weights` (the name of an entry) want their images."""

    def build(self, backbone: str, image_size: int) -> nn.Module:
        """With random weights, from the global generator, in `torch.empty` memory."""

    def constructor_arguments(self, backbone: str, image_size: int, classes: int) -> Mapping[str, object]:
        """What the source's `constructor` takes, as JSON can hold it, for a model that fits a trained state dict."""

    def adapted(self, state: Mapping[str, Tensor], model: nn.Module) -> tuple[dict[str, Tensor], tuple[str, ...]]:
        """`state` from an older file or for another image size as `model` would name and shape it; notes for people."""

    def starts_at_zero(self, model: nn.Module) -> bool:
        """Whether a new head of `model` starts from zeros, not from random values."""


@cache
def installed_version(package: str) -> str:
    from importlib.metadata import version  # here, because it loads a parser of mail that pages do not need

    return version(package)


@dataclass(frozen=True, kw_only=True)
class Source:
    """One source, without its models."""

    title: str
    packages: tuple[str, ...]
    """Whose versions decide what its models compute; `constructor` needs them."""
    constructor: str
    """The public function that makes its models, `module:function`."""
    licence: str
    """Of the code."""
    terms: str
    """A sentence about weights whose metadata names no licence."""
    containers: frozenset[str] = frozenset()
    """Classes, `module.name`, whose forward runs their children in order and little else: a cut is natural there."""
    leaf_modules: tuple[str, ...] = ()
    """Modules whose classes are never looked into: their `training` is read when they run."""
    no_decay: tuple[str, ...] = ()
    """Parts of names of matrices that weight decay leaves alone."""
    other_heads: tuple[str, ...] = ()
    """Names begin like this where the class scores are not those of one linear layer, so that they are not solved."""
    no_batch_norm: tuple[str, ...] = ()
    """Patterns of names of backbones that normalise otherwise, or not at all."""
    models: Callable[[], Models]
    """Imports the models, and with them torch."""

    @property
    def versions(self) -> tuple[str, ...]:
        return tuple(map(installed_version, self.packages))


def source_of(backbone: str) -> Source:
    """The source that the name of `backbone` means; the one without a prefix for every other name."""
    return SOURCES.get(backbone.partition("/")[0] if "/" in backbone else "", SOURCES[""])


def _torchvision() -> Models:
    from engine.models.sources import torchvision

    return torchvision


SOURCES: Mapping[str, Source] = {
    "": Source(
        title="torchvision",
        packages=("torchvision",),
        constructor="torchvision.models:get_model",
        licence="BSD-3-Clause",
        terms="Their metadata names no licence; torchvision says that pretrained weights may have licences or terms of "
        "their own, derived from the data they were trained on (here ImageNet), and that it is up to you to find out "
        "whether you may use them.",
        containers=frozenset(
            {"torchvision.models.vision_transformer.Encoder", "torchvision.models.maxvit.MaxVitBlock"}
        ),
        leaf_modules=("torchvision.ops.",),
        no_decay=("logit_scale", "relative_position_bias_table", "class_token", "pos_embedding", "layer_scale"),
        other_heads=("squeezenet",),
        no_batch_norm=("alexnet", "convnext_*", "squeezenet*", "swin_*", "vgg??", "vit_*"),
        models=_torchvision,
    ),
}
"""By prefix. A new source is an entry here and a module beside this one."""
