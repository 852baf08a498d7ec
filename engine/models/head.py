"""Head: the layer that turns features into class scores; found by walking back from the output, and replaced.

Not here: what precedes it. `seed_of` makes every random start of a model a pure function of what it is for.
"""

import hashlib
import math
from copy import deepcopy
from weakref import WeakKeyDictionary

import torch
from torch import nn

from engine.errors import BackboneError
from engine.models.sources.source import source_of
from engine.models.trace import output_chain, trace

AUXILIARIES = ("aux1", "aux2", "AuxLogits")
_PATHS: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()
"""Of every model that was asked for: tracing takes longest of all there is to do to a new head, and the path stays."""


def find_head(model: nn.Module) -> str:
    """Path of the last Linear or Conv2d before the output: `fc`, `classifier.6`, `heads.head`. BackboneError when there
    is none, or the model cannot be traced."""
    if model in _PATHS:
        return _PATHS[model]
    for node in output_chain(trace(model, training=False)):
        if node.op == "call_module" and isinstance(model.get_submodule(str(node.target)), (nn.Linear, nn.Conv2d)):
            return _PATHS.setdefault(model, str(node.target))
    raise BackboneError(
        f"{type(model).__name__} ends in no linear layer, so it has no head to replace. Choose another backbone."
    )


def head_of(model: nn.Module) -> nn.Linear | nn.Conv2d:
    """The layer at `find_head`."""
    layer = model.get_submodule(find_head(model))
    assert isinstance(layer, (nn.Linear, nn.Conv2d))
    return layer


def swap_head(model: nn.Module, backbone: str, *, classes: int, seed: int) -> str:
    """Give `model` a new head, a pure function of (backbone, classes, seed); returns its path. Auxiliary heads go."""
    drop_auxiliaries(model)
    path = find_head(model)
    head = _like(head_of(model), classes)
    _initialise(head, model, backbone, seed=seed)
    model.set_submodule(path, head)
    if isinstance(getattr(model, "num_classes", None), int):
        setattr(model, "num_classes", classes)  # noqa: B010 - SqueezeNet and ViT keep it as a plain attribute
    return path


def reset_head(model: nn.Module, backbone: str, *, seed: int) -> None:
    """Give the head the values that `swap_head` with this seed would give it."""
    _initialise(head_of(model), model, backbone, seed=seed)


def drop_auxiliaries(model: nn.Module) -> None:
    """Without those of GoogLeNet and Inception, which in training make the output a tuple and the pass impossible to
    cut."""
    for name in AUXILIARIES:
        if isinstance(getattr(model, name, None), nn.Module):
            setattr(model, name, None)
            setattr(model, "aux_logits", False)  # noqa: B010 - asked in forward


def seed_of(purpose: str, seed: int) -> int:
    """A 63-bit seed that is a pure function of `purpose` and `seed`, and unrelated between purposes."""
    return int.from_bytes(hashlib.sha256(f"{purpose} {seed}".encode()).digest()[:8], "little") >> 1


def _like(old: nn.Linear | nn.Conv2d, classes: int) -> nn.Linear | nn.Conv2d:
    """A layer of the same kind for `classes` outputs, its values not yet set, and no random number drawn.

    torch.nn.utils.skip_init would import sympy on its way from the meta device to memory.
    """
    head = deepcopy(old)
    if isinstance(head, nn.Linear):
        head.out_features = classes
    else:
        head.out_channels = classes
    for name, values in list(head.named_parameters()):
        empty = torch.empty((classes, *values.shape[1:]), device=values.device, dtype=values.dtype)
        head.register_parameter(name, nn.Parameter(empty))
    return head


@torch.no_grad()
def _initialise(head: nn.Linear | nn.Conv2d, model: nn.Module, backbone: str, *, seed: int) -> None:
    """As its kind starts: zeros where the source says so, a narrow normal for SqueezeNet's convolution, else
    Linear's uniform. The global random state is neither read nor changed."""
    generator = torch.Generator().manual_seed(seed_of(f"head {backbone} {head.weight.shape[0]}", seed))
    weight = torch.empty(head.weight.shape)
    bias = torch.zeros(head.weight.shape[0])
    if source_of(backbone).models().starts_at_zero(model):
        weight.zero_()
    elif isinstance(head, nn.Conv2d):
        weight.normal_(0.0, 0.01, generator=generator)
    else:
        bound = 1 / math.sqrt(weight.shape[1])
        weight.uniform_(-bound, bound, generator=generator)  # kaiming_uniform_ with a = sqrt(5), as nn.Linear
        bias.uniform_(-bound, bound, generator=generator)
    head.weight.copy_(weight)
    if head.bias is not None:
        head.bias.copy_(bias)
