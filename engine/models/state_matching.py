"""State matching: named tensors put into a model whose head may be another; whatever does not fit is said, or refused.

Only the region of the head (`fc`, `classifier`, `heads`) may differ. Not here: where the tensors come from.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from engine.errors import WeightsError
from engine.models.head import AUXILIARIES, find_head
from engine.models.sources.source import source_of
from engine.models.weights_store import Match


def fit_state(state: Mapping[str, Tensor], model: nn.Module, *, backbone: str, name: str) -> Match:
    """Copy `state` into `model`, which is `backbone` with the head that is wanted; `name` is the file's, for messages.

    WeightsError when anything but the head does not fit: then the file belongs to another backbone.
    """
    fitting, match = match_state(state, model, backbone=backbone, name=name)
    own = model.state_dict()
    with torch.no_grad():
        for key, tensor in fitting.items():
            own[key].copy_(tensor)
    return match


def match_state(
    state: Mapping[str, Tensor], model: nn.Module, *, backbone: str, name: str
) -> tuple[dict[str, Tensor], Match]:
    """(the tensors that fit, under the model's names; the report). Reads shapes only, so a weightless model will do."""
    own = {key: tensor.shape for key, tensor in model.state_dict().items()}
    needed = [key for key in own if not key.endswith("num_batches_tracked")]  # older files have no such counters
    head = find_head(model)
    adapted, notes = source_of(backbone).models().adapted(state, model)
    main = {key: t for key, t in adapted.items() if key in own or key.partition(".")[0] not in AUXILIARIES}
    if surplus := len(adapted) - len(main):
        notes += (f"The file's auxiliary heads ({surplus} tensors) are not used: they only serve training.",)
    main = _adopted_head(main, own, head)
    differing = [key for key in (*needed, *main) if key not in main or own.get(key) != main[key].shape]
    if wrong := [key for key in dict.fromkeys(differing) if not key.startswith(head.partition(".")[0] + ".")]:
        raise WeightsError(
            f"{name[:120]} does not fit {backbone}: {_differences(wrong, main, own)}. Choose the backbone that the "
            f"file was made with."
        )
    anew = tuple(dict.fromkeys(_layer(key) for key in differing if key in own))
    # a layer is taken whole or not
    fitting = {key: tensor for key, tensor in main.items() if key in own and _layer(key) not in anew}
    unused = tuple(key for key in main if key not in fitting)
    return fitting, Match(
        matched=len(fitting),
        missing=tuple(key for key in needed if key not in fitting),
        unexpected=unused,
        reinitialised_head=head in anew,
        notes=(*notes, *_head_notes(anew, unused, head)),
    )


def _layer(key: str) -> str:
    return key.rpartition(".")[0]


def _adopted_head(state: dict[str, Tensor], own: Mapping[str, torch.Size], head: str) -> dict[str, Tensor]:
    """With the only layer of a rebuilt head (`fc.1` in an nn.Sequential, `classifier` itself) under the name of `head`,
    if it fits."""
    weight, region = f"{head}.weight", head.partition(".")[0]
    strange = [k for k, t in state.items() if k.startswith(f"{region}.") and t.ndim > 1 and own.get(k) != t.shape]
    if weight in state or len(strange) != 1 or state[strange[0]].shape != own[weight]:
        return state
    layer = _layer(strange[0])
    return {key.replace(layer, head, 1) if _layer(key) == layer else key: tensor for key, tensor in state.items()}


def _differences(wrong: list[str], state: Mapping[str, Tensor], own: Mapping[str, torch.Size]) -> str:
    reshaped = [key for key in wrong if key in state and key in own]
    missing = [key for key in wrong if key not in state]
    surplus = [key for key in wrong if key not in own]
    shown = [f"{key} is {tuple(state[key].shape)} instead of {tuple(own[key])}" for key in reshaped[:1]]
    shown += [f"{len(missing)} of its {len(own)} tensors are missing, such as {missing[0]}"] if missing else []
    shown += [f"{len(surplus)} are unknown to it, such as {surplus[0][:80]}"] if surplus else []
    return "; ".join(shown)


def _head_notes(anew: tuple[str, ...], unused: tuple[str, ...], head: str) -> list[str]:
    notes = []
    if head in anew:
        notes.append(f"The file's head was made for other classes or another design: {head} starts anew.")
    if others := [layer for layer in anew if layer != head]:
        notes.append(f"Not in the file, so they start from random values: {', '.join(others)}.")
    if unused:
        notes.append(f"In the file but not used: {', '.join(key[:80] for key in unused)}.")
    return notes
