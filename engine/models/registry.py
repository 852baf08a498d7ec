"""Registry: every backbone by name, whatever its source: published weights, preprocessing, model with random weights.

Not here: reading weights files, cutting into blocks, what a source says (sources).
"""

from dataclasses import replace

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from engine.errors import BackboneError, WeightsError
from engine.installation import COMMAND
from engine.models.catalog import BackboneInfo, Transforms, WeightsInfo
from engine.models.sources.source import SOURCES, Models, source_of


def names() -> list[str]:
    """Every backbone of every source."""
    return [name for source in SOURCES.values() for name in source.models().names()]


def describe(backbone: str) -> BackboneInfo:
    """What its source says of `backbone`. Builds nothing. BackboneError for an unknown name."""
    return _models(backbone).describe(backbone)


def published(backbone: str, weights: str = "default") -> WeightsInfo:
    """The published weights `weights` of `backbone`; 'default' is the best set. WeightsError names those there are."""
    info = describe(backbone)
    if entry := info.entry(weights):
        return entry
    raise WeightsError(
        f"{backbone} has no weights named {weights!r}. Choose one of {', '.join(w.name for w in info.weights)}."
    )


def is_published(weights: str) -> bool:
    """Whether a value of RunConfig.weights means published ones: 'default', or the name of an entry."""
    return weights != "none" and ":" not in weights


def preprocessing_of(backbone: str, weights: str, *, image_size: int = 0, kind: str = "weights") -> Transforms:
    """What `weights`, as in RunConfig, want their images to be; the default set where they are not published ones.

    Another `image_size` keeps the proportion of resize to crop. `kind` 'half' squeezes the image into the square and
    uses mean 0.5 and deviation 0.5, as many older scripts do.
    """
    entry = published(backbone, weights if is_published(weights) else "default")
    wanted = _models(backbone).transforms(backbone, entry.name)
    size = checked_size(backbone, image_size or wanted.crop)
    if kind == "half":
        return replace(wanted, resize=(size, size), crop=size, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    return replace(wanted, resize=tuple(round(side * size / wanted.crop) for side in wanted.resize), crop=size)


def checked_size(backbone: str, image_size: int) -> int:
    """`image_size` when `backbone` can see images of that side; BackboneError says which sides it can."""
    if problem := describe(backbone).size_problem(image_size):
        raise BackboneError(problem)
    return image_size


def build(backbone: str, image_size: int, seed: int) -> nn.Module:
    """`backbone` with random weights, a pure function of `seed`; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return _models(backbone).build(backbone, checked_size(backbone, image_size))


def build_weightless(backbone: str, image_size: int) -> nn.Module:
    """`backbone` with shapes but without memory for its weights; 600 million parameters take as long as one."""
    with _WithoutMemory():
        return _models(backbone).build(backbone, checked_size(backbone, image_size))


class _WithoutMemory(TorchFunctionMode):
    """Sends `torch.empty`, from which layers make their weights, to the meta device.

    `torch.device("meta")` would send every factory there, and RegNet computes its widths with tensors.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        given = kwargs or {}
        return func(*args, **{**given, "device": "meta"}) if func is torch.empty else func(*args, **given)


def _models(backbone: str) -> Models:
    source = source_of(backbone)
    models = source.models()
    if backbone not in models.names():
        raise BackboneError(
            f"{source.title} has no classifier named {backbone[:60]!r}. `{COMMAND} backbones` lists all of them."
        )
    return models
