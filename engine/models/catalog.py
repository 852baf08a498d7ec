"""Catalog: what torchvision offers, as plain data in the workspace, so that pages need neither torch nor torchvision.

`registry` fills it. Not here: building a model, or reading a weights file.
"""

import dataclasses
import json
import os
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path

from engine.workspace import Workspace, atomic_write


@dataclass(frozen=True, kw_only=True)
class WeightsInfo:
    """One published set of weights of a backbone, as its metadata describes it."""

    name: str
    """The name of the weights entry: `IMAGENET1K_V2`."""
    is_default: bool
    url: str
    file_name: str
    file_bytes: int
    acc1: float | None
    """Published top-1 accuracy on ImageNet-1K in percent; None where no accuracy was published."""
    acc5: float | None
    gflops: float
    """Billions of multiply-adds for one image of `input_size`."""
    parameters: int
    input_size: int
    """Side in pixels of the square image that these weights were made for."""
    license: str
    """Where the licence of these weights stands; empty when the metadata names none."""
    recipe_url: str
    categories: int
    """Number of classes of the published head; 0 for weights without a usable head."""
    on_disk: bool


@dataclass(frozen=True, kw_only=True)
class BackboneInfo:
    """One classifier of torchvision. Sizes and cost are those of its default weights."""

    name: str
    family: str
    """The torchvision module that defines it: `resnet`, `vision_transformer`."""
    parameters: int
    gflops: float
    input_size: int
    min_size: int
    """The smallest image side that the network accepts, in pixels."""
    size_step: int
    """Image sides must be a multiple of this; 1 where any side from `min_size` will do."""
    weights: tuple[WeightsInfo, ...]
    """Every published set, the default first."""


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """Every backbone of one torchvision version, by name."""

    version: str
    backbones: tuple[BackboneInfo, ...]


def torchvision_version() -> str:
    """The installed torchvision, asked without importing it."""
    return installed_version("torchvision")


def checkpoints_folder() -> Path:
    """Where torchvision keeps downloaded weights; the rule of torch.hub, followed without importing torch."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or os.path.join(cache, "torch")
    return Path(home).expanduser() / "hub" / "checkpoints"


def write_catalog(workspace: Workspace, backbones: tuple[BackboneInfo, ...], version: str) -> None:
    content = {"version": version, "backbones": [dataclasses.asdict(backbone) for backbone in backbones]}
    atomic_write(_path(workspace), json.dumps(content))


def load_catalog(workspace: Workspace) -> Catalog | None:
    """The catalog of the installed torchvision, or None when it has to be written (anew); `on_disk` is looked up
    now."""
    try:
        content = json.loads(_path(workspace).read_text())
        if content["version"] != torchvision_version():
            return None
        folder = checkpoints_folder()
        backbones = tuple(_backbone(raw, folder) for raw in content["backbones"])
    except (OSError, ValueError, KeyError, TypeError):  # missing, or of another release: it is only a cache
        return None
    return Catalog(version=content["version"], backbones=backbones)


def _path(workspace: Workspace) -> Path:
    return workspace.catalog / "catalog.json"


def _backbone(raw: dict, folder: Path) -> BackboneInfo:
    weights = (WeightsInfo(**{**entry, "on_disk": (folder / entry["file_name"]).is_file()}) for entry in raw["weights"])
    return BackboneInfo(**{**raw, "weights": tuple(weights)})
