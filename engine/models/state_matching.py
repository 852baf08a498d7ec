"""State matching: named tensors put into a model whose head may be another; whatever does not fit is said, or refused.

Only the region of the head (`fc`, `classifier`, `heads`) may differ. Not here: where the tensors come from, where in
a file they are looked for (fitting).
"""

import torch
from torch import Tensor, nn

from engine.errors import WeightsError
from engine.models.fitting import Fit, Frame, State, fits, frame, layer_name
from engine.models.quoting import grouped, quoted
from engine.models.recognition import recognised
from engine.models.weights_store import Match


def fit_state(state: State, model: nn.Module, *, backbone: str, name: str) -> Match:
    """Copy `state` into `model`, which is `backbone` with the head that is wanted; `name` is the file's, for messages.

    WeightsError when a layer outside the head is missing: then the file belongs to another backbone.
    """
    wanted = frame(model, backbone)
    best = whole(fits(state, wanted), wanted, state=state, name=name)
    fitting, match = matched(best, wanted)
    own = model.state_dict()
    with torch.no_grad():
        for key, tensor in fitting.items():
            own[key].copy_(tensor)
    return match


def whole(found: list[Fit], wanted: Frame, *, state: State, name: str) -> Fit:
    """The best fit, which has all layers outside the head; WeightsError names the backbone that has them, if any."""
    best, shown, backbone = found[0], quoted(name, 120), wanted.backbone
    if best.wrong:
        other = recognised(state)
        advice = f"This is a {other}: choose that backbone" if other else _advice(state)
        raise WeightsError(f"{shown} does not fit {backbone}: {_differences(best, wanted)}. {advice}.")
    if best.foreign and (other := recognised(state)):
        raise WeightsError(
            f"{shown} does not fit {backbone}: it has layers that {backbone} has not, such as "
            f"{quoted(best.foreign[0])}. This is a {other}: choose that backbone."
        )
    floating = (key for key, value in wanted.model.state_dict().items() if value.is_floating_point())
    if odd := [key for key in floating if key in best.tensors and not best.tensors[key].is_floating_point()]:
        raise WeightsError(
            f"{shown} holds whole numbers where weights should be, such as {odd[0]}: it is quantised, or no weights."
        )
    return best


def matched(fit: Fit, wanted: Frame) -> tuple[dict[str, Tensor], Match]:
    """(the tensors that fit, under the model's names; the report). Reads shapes only."""
    anew = tuple(dict.fromkeys(layer_name(key) for key in fit.differing))
    strange = (layer_name(k) for k, t in fit.tensors.items() if k in wanted.shapes and t.shape != wanted.shapes[k])
    partly = {*anew, *strange}  # a layer is taken whole or not
    fitting = {key: t for key, t in fit.tensors.items() if key in wanted.shapes and layer_name(key) not in partly}
    unused = (*(key for key in fit.tensors if key not in fitting), *fit.outside)
    return fitting, Match(
        matched=len(fitting),
        missing=tuple(key for key in wanted.needed if key not in fitting),
        unexpected=unused,
        reinitialised_head=wanted.head in anew,
        notes=(*fit.notes, *_head_notes(anew, fit, wanted), *left_over(fit, _not_of(wanted.head, unused))),
    )


def _not_of(layer: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if layer_name(name) != layer)


def left_over(fit: Fit, names: tuple[str, ...]) -> tuple[str, ...]:
    """What to say of the tensors of a file that are not used, if there are any, and of names that did not count."""
    said = ("Its layers have names of their own: their order and shapes decided.",) if fit.by_order else ()
    if not names:
        return said
    count = "1 tensor of the file is" if len(names) == 1 else f"{len(names)} tensors of the file are"
    return (*said, f"{count} not used: {grouped(names)}.")


def _advice(state: State) -> str:
    if all(layer_name(key).rpartition(".")[2].isdigit() for key in state):
        return (
            "Its names are numbers, as nn.Sequential and fastai give them, and in their order they do not fit either; "
            "choose the backbone that the file was made with"
        )
    return "No backbone of about this size has these layers either: bring a file in the names of the backbone's source"


def _differences(fit: Fit, wanted: Frame) -> str:
    reshaped = [key for key in fit.wrong if key in fit.tensors]
    missing = [key for key in fit.wrong if key not in fit.tensors]
    surplus = [key for key in (*fit.tensors, *fit.outside) if key not in wanted.shapes]
    shown = [f"{key} is {tuple(fit.tensors[key].shape)} instead of {tuple(wanted.shapes[key])}" for key in reshaped[:1]]
    shown += (
        [f"{len(missing)} of its {len(wanted.shapes)} tensors are missing, such as {missing[0]}"] if missing else []
    )
    shown += [f"{len(surplus)} are unknown to it, such as {quoted(surplus[0])}"] if surplus else []
    return "; ".join(shown)


def _head_notes(anew: tuple[str, ...], fit: Fit, wanted: Frame) -> list[str]:
    notes, head = [], wanted.head
    if head in anew:
        has_one = any(key.startswith(wanted.region) and t.ndim > 1 for key, t in fit.tensors.items())
        reason = "The file's head was made for other classes or another design" if has_one else "The file has no head"
        notes.append(f"{reason}: {head} starts anew.")
    if others := [layer for layer in anew if layer != head]:
        notes.append(f"Not in the file, so they start from random values: {', '.join(others)}.")
    return notes
