"""Fitting: where in a file the tensors of a backbone are: under which prefix, or in which order, and what is left over.

Names and shapes decide; values are never looked at. Not here: what is said of it, copying (state_matching).
"""

import itertools
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from engine.models.head import AUXILIARIES, find_head
from engine.models.sources.source import source_of

State = Mapping[str, Tensor]
Shapes = Mapping[str, torch.Size]
_WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""What DataParallel, torch.compile and FSDP put into names, anywhere in them."""
_AVERAGED = re.compile(r"(^|[._])(ema|swa|averaged?|avg|teacher)([._]|$)")
_DEEPEST = 8
_PREFIXES = 6
"""How many are judged: those under which most tensors fit."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What a model asks of a file."""

    backbone: str
    model: nn.Module
    shapes: Shapes
    head: str

    @property
    def region(self) -> str:
        """What the names of the tensors begin with that may differ: the head and its neighbours."""
        return self.head.partition(".")[0] + "."

    @property
    def needed(self) -> list[str]:
        """Older files have no counters of batches."""
        return [name for name in self.shapes if not _counts(name)]


@dataclass(frozen=True, kw_only=True)
class Fit:
    """One set of tensors of a file, as a model would name them."""

    prefix: str
    """What their names begin with in the file; "" for none, or where their order decided."""
    given: State
    """As the file names them below the prefix."""
    tensors: State
    wrong: tuple[str, ...]
    """Tensors of the model, outside its head, that are not among them in that shape."""
    differing: tuple[str, ...]
    """All tensors of the model that are not."""
    foreign: tuple[str, ...]
    """Weights among them, outside the head, where the model has a block but no such layer: of a larger backbone."""
    outside: tuple[str, ...]
    """Names of the other tensors of the file."""
    notes: tuple[str, ...] = ()
    by_order: bool = False
    """Whether no name fitted, but the order of the tensors did."""

    @property
    def averaged(self) -> bool:
        return _AVERAGED.search(self.prefix) is not None


def frame(model: nn.Module, backbone: str) -> Frame:
    """Of `model`, which is `backbone`; one without memory for its weights will do."""
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    return Frame(backbone=backbone, model=model, shapes=shapes, head=find_head(model))


def fits(state: State, wanted: Frame) -> list[Fit]:
    """Every set of tensors in `state` that might be those of the model, the best first; never empty.

    Averaged weights go before those that they are an average of, where both are whole.
    """
    plain = unwrapped(state)
    found = [_below(plain, prefix, wanted) for prefix in prefixes(plain, wanted.shapes)]
    if all(fit.wrong for fit in found) and (named := _in_order(plain, wanted)):
        tensors, used = {name: plain[theirs] for name, theirs in named.items()}, set(named.values())
        others = tuple(name for name in plain if name not in used and not _counts(name))
        found = [replace(_fit(tensors, wanted, outside=others), by_order=True)]
    return sorted(found, key=lambda fit: (len(fit.wrong), len(fit.differing), not fit.averaged))


def unwrapped(state: State) -> State:
    """`state` without what wrappers put into names; as it is where two tensors would then have one name."""
    plain = {".".join(part for part in key.split(".") if part not in _WRAPPERS): value for key, value in state.items()}
    return plain if len(plain) == len(state) else state


def prefixes(state: State, shapes: Shapes) -> dict[str, int]:
    """Prefix -> how many tensors below it have the name and the shape of one of `shapes`; most first, never empty."""
    counts: Counter[str] = Counter()
    for key, tensor in state.items():
        parts = key.split(".")
        for depth in range(min(len(parts), _DEEPEST)):
            name = ".".join(parts[depth:])
            if not _counts(name) and shapes.get(name) == tensor.shape:
                counts[key.removesuffix(name)] += 1
    most = max(counts.values(), default=0)
    likely = [(prefix, count) for prefix, count in counts.most_common(_PREFIXES) if 2 * count >= most]
    return dict(likely) or {"": 0}


def _counts(name: str) -> bool:
    return name.endswith("num_batches_tracked")


def _below(state: State, prefix: str, wanted: Frame) -> Fit:
    below = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    outside = tuple(name for name in state if not name.startswith(prefix))
    return _fit(below, wanted, prefix=prefix.removesuffix("."), outside=outside)


def _fit(given: State, wanted: Frame, *, prefix: str = "", outside: tuple[str, ...]) -> Fit:
    tensors, notes = source_of(wanted.backbone).models().adapted(given, wanted.model)
    shapes, region = wanted.shapes, wanted.region
    main: State = {key: t for key, t in tensors.items() if key in shapes or key.partition(".")[0] not in AUXILIARIES}
    if surplus := len(tensors) - len(main):
        notes += (f"The file's auxiliary heads ({surplus} tensors) are not used: they only serve training.",)
    main = _adopted_head(main, wanted)
    differing = tuple(key for key in wanted.needed if key not in main or main[key].shape != shapes[key])
    blocks = {key.partition(".")[0] for key in shapes}
    unknown = (key for key, tensor in main.items() if key not in shapes and tensor.ndim > 1)
    return Fit(
        prefix=prefix,
        given=given,
        tensors=main,
        wrong=tuple(key for key in differing if not key.startswith(region)),
        differing=differing,
        foreign=tuple(key for key in unknown if key.partition(".")[0] in blocks and not key.startswith(region)),
        outside=outside,
        notes=notes,
    )


def _adopted_head(state: State, wanted: Frame) -> State:
    """With the only layer of a rebuilt head (`fc.1` in an nn.Sequential, `classifier` itself) under the name of the
    head, if it takes the same features."""
    shapes, weight = wanted.shapes, f"{wanted.head}.weight"
    below = ((key, tensor) for key, tensor in state.items() if key.startswith(wanted.region) and tensor.ndim > 1)
    strange = [key for key, tensor in below if shapes.get(key) != tensor.shape]
    if weight in state or len(strange) != 1 or state[strange[0]].shape[1:] != shapes[weight][1:]:
        return state
    layer = layer_name(strange[0])
    return {key.replace(layer, wanted.head, 1) if layer_name(key) == layer else key: t for key, t in state.items()}


def layer_name(key: str) -> str:
    """The layer that a tensor belongs to."""
    return key.rpartition(".")[0]


def _in_order(state: State, wanted: Frame) -> dict[str, str]:
    """Name in the model -> name in the file, where the file has the body's tensors in their order under other names, as
    nn.Sequential and fastai number them; {} where it has not."""
    own = sorted(wanted.needed, key=lambda name: name.startswith(wanted.region))  # the body first; stable
    theirs = [key for key in state if not _counts(key)]
    body = sum(not name.startswith(wanted.region) for name in own)
    for start in range(len(theirs) - body + 1):
        pairs = list(zip(own, theirs[start : start + len(own)], strict=False))
        alike = itertools.takewhile(lambda pair: _alike(pair, state, wanted), pairs)
        if len(found := dict(alike)) >= body:
            return found
    return {}


def _alike(pair: tuple[str, str], state: State, wanted: Frame) -> bool:
    """A head may be for other classes."""
    ours, theirs = pair
    classes = int(layer_name(ours) == wanted.head)
    same_kind = ours.rpartition(".")[2] == theirs.rpartition(".")[2] and state[theirs].ndim == len(wanted.shapes[ours])
    return same_kind and state[theirs].shape[classes:] == wanted.shapes[ours][classes:]
