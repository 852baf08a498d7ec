"""Catalog: the backbones of every source as plain data in the workspace, so that pages need no torch.

The sources fill it. Not here: building a model, or reading a weights file.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from engine import record_files
from engine.errors import EngineError
from engine.models.sources.source import SOURCES
from engine.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Transforms:
    """How published weights want their images."""

    resize: tuple[int, ...]
    """The shorter side, or (height, width), in pixels."""
    crop: int
    """Side of the central square."""
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Of the channels, for values from 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class WeightsInfo:
    """One published set of weights of a backbone, as its metadata describes it."""

    name: str
    """The name of the weights entry: `IMAGENET1K_V2`."""
    title: str = ""
    """In full, for sentences: `ResNet18_Weights.IMAGENET1K_V2`; older catalogs lack it."""
    is_default: bool
    url: str
    file_name: str
    file_bytes: int
    acc1: float | None
    """Published top-1 accuracy on ImageNet-1K in percent; None where no accuracy was published."""
    gflops: float
    """Billions of multiply-adds for one image of `input_size`."""
    parameters: int
    input_size: int
    """Side in pixels of the square image that these weights were made for."""
    license: str
    """Where the licence of these weights stands; empty when the metadata names none."""
    recipe_url: str
    on_disk: bool


@dataclass(frozen=True, kw_only=True)
class BackboneInfo:
    """One backbone. Sizes and cost are those of its default weights."""

    name: str
    family: str
    """Whose architecture it is: `resnet`, `vision_transformer`."""
    parameters: int
    gflops: float
    input_size: int
    min_size: int
    """The smallest image side that the network accepts, in pixels."""
    size_step: int
    """Image sides must be a multiple of this; 1 where any side from `min_size` will do."""
    weights: tuple[WeightsInfo, ...]
    """Every published set, the default first."""

    def size_problem(self, image_size: int) -> str:
        """Why it cannot see images of this side, or nothing."""
        if image_size >= self.min_size and image_size % self.size_step == 0:
            return ""
        multiple = f" that is a multiple of {self.size_step}" if self.size_step > 1 else ""
        return (
            f"{self.name} cannot see images of {image_size} pixels. "
            f"Choose a size of at least {self.min_size}{multiple}."
        )

    def entry(self, weights: str) -> WeightsInfo | None:
        """The published set that a value of RunConfig.weights means, if it means one."""
        return next((w for w in self.weights if weights == w.name or (w.is_default and weights == "default")), None)


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """Every backbone, by name."""

    version: str
    """Of all packages that models come from."""
    backbones: tuple[BackboneInfo, ...]


def checkpoints_folder() -> Path:
    """Where downloaded weights lie, whoever downloads them; the rule of torch.hub, followed without importing torch."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or os.path.join(cache, "torch")
    return Path(home).expanduser() / "hub" / "checkpoints"


def is_on_disk(file_name: str) -> bool:
    return (checkpoints_folder() / file_name).is_file()


def write_catalog(workspace: Workspace, backbones: tuple[BackboneInfo, ...]) -> None:
    record_files.write(_path(workspace), Catalog(version=_version(), backbones=backbones))


def load_catalog(workspace: Workspace) -> Catalog | None:
    """The catalog of what is installed, or None when it has to be written (anew); `on_disk` is looked up now."""
    try:
        catalog = record_files.read(_path(workspace), Catalog)
    except (OSError, EngineError):  # missing, damaged, or of another version: it is only a cache
        return None
    if catalog.version != _version():
        return None
    return replace(catalog, backbones=tuple(map(_looked_up, catalog.backbones)))


def _path(workspace: Workspace) -> Path:
    return workspace.catalog / "catalog.json"


def _version() -> str:
    return "-".join(version for source in SOURCES.values() for version in source.versions)


def _looked_up(info: BackboneInfo) -> BackboneInfo:
    weights = (replace(entry, on_disk=is_on_disk(entry.file_name)) for entry in info.weights)
    return replace(info, weights=tuple(weights))
