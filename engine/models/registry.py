"""Registry: every classifier of torchvision.models by name, its published weights and how it wants its images.

Everything is asked of torchvision; there is no list of our own. Not here: reading weights files, cutting into blocks.
"""

import math

import torch
import torchvision
from torch import nn
from torch.overrides import TorchFunctionMode
from torchvision.models import WeightsEnum

from engine.errors import BackboneError, WeightsError
from engine.models.catalog import BackboneInfo, WeightsInfo, checkpoints_folder

# GoogLeNet and Inception re-normalise their input when they start from published weights, and everything fine-tuned
# from those expects it. It is an affine map per channel, so it does no harm to other weights: always on.
_ARGUMENTS: dict[str, dict[str, bool]] = {
    "googlenet": {"transform_input": True, "init_weights": True},
    "inception_v3": {"transform_input": True, "init_weights": True},
}


def names() -> list[str]:
    """Every classifier of torchvision.models."""
    return torchvision.models.list_models(module=torchvision.models)


def describe(backbone: str) -> BackboneInfo:
    """What the metadata of `backbone` says. Builds nothing."""
    entries = _entries(backbone)
    best = _weights_info(entries[0], is_default=True)
    return BackboneInfo(
        name=backbone,
        family=torchvision.models.get_model_builder(backbone).__module__.rpartition(".")[2],
        parameters=best.parameters,
        gflops=best.gflops,
        input_size=best.input_size,
        min_size=_sizes(backbone)[0],
        size_step=_sizes(backbone)[1],
        weights=(best, *(_weights_info(entry, is_default=False) for entry in entries[1:])),
    )


def describe_all() -> tuple[BackboneInfo, ...]:
    """Every backbone, for the catalog."""
    return tuple(describe(name) for name in names())


def weights_entry(backbone: str, weights: str = "default") -> WeightsEnum:
    """The published weights `weights` of `backbone`; 'default' is the best set. WeightsError names those there are."""
    entries = _entries(backbone)
    if weights == "default":
        return entries[0]
    for entry in entries:
        if entry.name == weights:
            return entry
    raise WeightsError(
        f"{backbone} has no weights named {weights!r}. Choose one of {', '.join(entry.name for entry in entries)}."
    )


def preprocessing_of(entry: WeightsEnum | None, backbone: str, image_size: int = 0, kind: str = "weights") -> dict:
    """The fields of a Preprocessing: resize, crop, interpolation, mean, std, as `entry` (None: the default) wants them.

    `resize` is (shorter side,) or (height, width). Another `image_size` keeps the proportion of resize to crop.
    `kind` 'half' squeezes the image into the square and uses mean 0.5 and deviation 0.5, as many older scripts do.
    """
    transforms = (entry or weights_entry(backbone)).transforms()
    resize, crop = int(transforms.resize_size[0]), int(transforms.crop_size[0])
    size = checked_size(backbone, image_size or crop)
    half = kind == "half"
    return {
        "resize": (size, size) if half else (round(resize * size / crop),),
        "crop": size,
        "interpolation": transforms.interpolation.value,
        "mean": (0.5, 0.5, 0.5) if half else tuple(transforms.mean),
        "std": (0.5, 0.5, 0.5) if half else tuple(transforms.std),
    }


def checked_size(backbone: str, image_size: int) -> int:
    """`image_size` when `backbone` can see images of that side; BackboneError says which sides it can."""
    smallest, step = _sizes(backbone)
    if image_size < smallest or image_size % step:
        multiple = f" that is a multiple of {step}" if step > 1 else ""
        raise BackboneError(
            f"{backbone} cannot see images of {image_size} pixels. Choose a size of at least {smallest}{multiple}."
        )
    return image_size


def build(backbone: str, image_size: int, seed: int) -> nn.Module:
    """`backbone` with random weights, a pure function of `seed`; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return _build(backbone, image_size)


def trained_arguments(backbone: str, image_size: int, classes: int) -> dict[str, object]:
    """What torchvision's own constructor takes so that its model fits the state dict of a trained one: no auxiliary
    heads."""
    arguments = {**_arguments(backbone, image_size), "num_classes": classes}
    return arguments | {"init_weights": False, "aux_logits": False} if "init_weights" in arguments else arguments


def build_weightless(backbone: str, image_size: int) -> nn.Module:
    """`backbone` with shapes but without memory for its weights; 600 million parameters take as long as one."""
    with _WithoutMemory():
        return _build(backbone, image_size)


class _WithoutMemory(TorchFunctionMode):
    """Sends `torch.empty`, from which layers make their weights, to the meta device.

    `torch.device("meta")` would send every factory there, and RegNet computes its widths with tensors.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        given = kwargs or {}
        return func(*args, **{**given, "device": "meta"}) if func is torch.empty else func(*args, **given)


def _build(backbone: str, image_size: int) -> nn.Module:
    return torchvision.models.get_model(backbone, weights=None, **_arguments(backbone, image_size))


def _arguments(backbone: str, image_size: int) -> dict[str, object]:
    size = checked_size(backbone, image_size)
    arguments: dict[str, object] = dict(_ARGUMENTS.get(backbone, {}))
    if backbone.startswith("vit_"):
        arguments["image_size"] = size
    elif backbone.startswith("maxvit_"):
        arguments["input_size"] = (size, size)
    return arguments


def _entries(backbone: str) -> list[WeightsEnum]:
    """Every weights entry of `backbone`, the default first. An unknown name never reaches torchvision's importer."""
    if backbone not in names():
        raise BackboneError(
            f"torchvision has no classifier named {backbone[:60]!r}. `python -m engine backbones` lists all of them."
        )
    entries = torchvision.models.get_model_weights(backbone)
    return [entries.DEFAULT, *(entry for entry in entries if entry != entries.DEFAULT)]


def _sizes(backbone: str) -> tuple[int, int]:
    """(smallest side, step) in pixels. Vision transformers take any number of whole patches, their position codes being
    resampled."""
    meta_size = int(_entries(backbone)[0].meta["min_size"][0])
    if backbone.startswith("vit_"):
        patch = int(backbone.rpartition("_")[2])
        return 2 * patch, patch
    return meta_size, meta_size if backbone.startswith("maxvit_") else 1


def _weights_info(entry: WeightsEnum, *, is_default: bool) -> WeightsInfo:
    meta = entry.meta
    scores = meta["_metrics"].get("ImageNet-1K", {})
    file_name = entry.url.rpartition("/")[2]
    return WeightsInfo(
        name=entry.name,
        is_default=is_default,
        url=entry.url,
        file_name=file_name,
        file_bytes=round(meta["_file_size"] * 2**20),
        acc1=_finite(scores.get("acc@1")),
        acc5=_finite(scores.get("acc@5")),
        gflops=meta["_ops"],
        parameters=meta["num_params"],
        input_size=int(entry.transforms().crop_size[0]),
        license=meta.get("license") or "",
        recipe_url=meta.get("recipe") or "",
        categories=len(meta["categories"] or ()),
        on_disk=(checkpoints_folder() / file_name).is_file(),
    )


def _finite(score: float | None) -> float | None:
    return score if score is not None and math.isfinite(score) else None
