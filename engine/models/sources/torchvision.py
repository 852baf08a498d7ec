"""torchvision: every classifier of torchvision.models, as a source of backbones.

Everything is asked of torchvision; there is no list of our own.
"""

import math
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from engine.eager import importing_torchvision

with importing_torchvision():
    import torchvision
    from torchvision.models import VisionTransformer, WeightsEnum
    from torchvision.models.vision_transformer import interpolate_embeddings

from engine.models.catalog import BackboneInfo, Transforms, WeightsInfo, is_on_disk

# GoogLeNet and Inception re-normalise their input when they start from published weights, and everything fine-tuned
# from those expects it. It is an affine map per channel, so it does no harm to other weights: always on.
_ARGUMENTS: dict[str, dict[str, bool]] = {
    "googlenet": {"transform_input": True, "init_weights": True},
    "inception_v3": {"transform_input": True, "init_weights": True},
}
# What torchvision itself renames when it reads older files.
_LEGACY_NAMES = (
    (re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)"), r"\1\2"),
    (re.compile(r"(.*\.mlp)\.linear_1(\..*)"), r"\1.0\2"),
    (re.compile(r"(.*\.mlp)\.linear_2(\..*)"), r"\1.3\2"),
)


def names() -> Sequence[str]:
    return torchvision.models.list_models(module=torchvision.models)


def describe(backbone: str) -> BackboneInfo:
    entries = torchvision.models.get_model_weights(backbone)
    default, *others = map(_weights_info, sorted(entries, key=lambda entry: entry != entries.DEFAULT))
    min_size, size_step = _sizes(backbone, entries.DEFAULT)
    return BackboneInfo(
        name=backbone,
        family=torchvision.models.get_model_builder(backbone).__module__.rpartition(".")[2],
        parameters=default.parameters,
        gflops=default.gflops,
        input_size=default.input_size,
        min_size=min_size,
        size_step=size_step,
        weights=(default, *others),
    )


def transforms(backbone: str, weights: str) -> Transforms:
    wanted = torchvision.models.get_model_weights(backbone)[weights].transforms()
    return Transforms(
        resize=(int(wanted.resize_size[0]),),
        crop=int(wanted.crop_size[0]),
        interpolation=wanted.interpolation.value,
        mean=tuple(wanted.mean),
        std=tuple(wanted.std),
    )


def build(backbone: str, image_size: int) -> nn.Module:
    return torchvision.models.get_model(backbone, weights=None, **_arguments(backbone, image_size))


def constructor_arguments(backbone: str, image_size: int, classes: int) -> Mapping[str, object]:
    """Without auxiliary heads, which a trained model has lost."""
    arguments = {"name": backbone, "weights": None, **_arguments(backbone, image_size), "num_classes": classes}
    return arguments | {"init_weights": False, "aux_logits": False} if "init_weights" in arguments else arguments


def adapted(state: Mapping[str, Tensor], model: nn.Module) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Modern names, and a vision transformer's position codes for the image size of `model`."""
    renamed = {_modern(key): tensor for key, tensor in state.items()}
    positions = renamed.get("encoder.pos_embedding")
    if not isinstance(model, VisionTransformer) or positions is None:
        return renamed, ()
    if positions.shape == model.encoder.pos_embedding.shape:
        return renamed, ()
    try:
        resampled = interpolate_embeddings(model.image_size, model.patch_size, OrderedDict(renamed))
    except (ValueError, RuntimeError):  # not a square of positions; the shapes will be reported
        return renamed, ()
    patches = (model.image_size // model.patch_size) ** 2
    note = (
        f"The position codes were resampled from {positions.shape[1] - 1} to {patches} patches, for another image size."
    )
    return dict(resampled), (note,)


def starts_at_zero(model: nn.Module) -> bool:
    return isinstance(model, VisionTransformer)


def _modern(key: str) -> str:
    for pattern, replacement in _LEGACY_NAMES:
        key = pattern.sub(replacement, key)
    return key


def _arguments(backbone: str, image_size: int) -> dict[str, object]:
    arguments: dict[str, object] = dict(_ARGUMENTS.get(backbone, {}))
    if backbone.startswith("vit_"):
        arguments["image_size"] = image_size
    elif backbone.startswith("maxvit_"):
        arguments["input_size"] = (image_size, image_size)
    return arguments


def _sizes(backbone: str, best: WeightsEnum) -> tuple[int, int]:
    """(smallest side, step) in pixels. Vision transformers take any number of whole patches: codes are resampled."""
    if backbone.startswith("vit_"):
        patch = int(backbone.rpartition("_")[2])
        return 2 * patch, patch
    smallest = int(best.meta["min_size"][0])
    return smallest, smallest if backbone.startswith("maxvit_") else 1


def _weights_info(entry: WeightsEnum) -> WeightsInfo:
    meta = entry.meta
    scores = meta["_metrics"].get("ImageNet-1K", {})
    file_name = entry.url.rpartition("/")[2]
    return WeightsInfo(
        name=entry.name,
        title=str(entry),
        is_default=entry == type(entry).DEFAULT,
        url=entry.url,
        file_name=file_name,
        file_bytes=round(meta["_file_size"] * 2**20),
        acc1=accuracy if math.isfinite(accuracy := scores.get("acc@1", math.nan)) else None,
        gflops=meta["_ops"],
        parameters=meta["num_params"],
        input_size=int(entry.transforms().crop_size[0]),
        license=meta.get("license") or "",
        recipe_url=meta.get("recipe") or "",
        on_disk=is_on_disk(file_name),
    )
