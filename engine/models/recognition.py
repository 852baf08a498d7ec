"""Recognition: of which backbone the tensors of a file are, by their names and shapes.

Backbones are built without memory for their weights, those of a similar size first. Not here: whether they fit one.
"""

import math
from collections import Counter
from collections.abc import Iterator

from engine.models import registry
from engine.models.fitting import State, fits, frame, prefixes, unwrapped
from engine.models.head import drop_auxiliaries

_TRIED = 30
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_DEPTH = 4


def recognised(state: State) -> str:
    """The backbone that all tensors of a set in `state` belong to, heads aside; "" when there is none like that."""
    plain = unwrapped(state)
    for backbone in _nearest(plain):
        model = registry.build_weightless(backbone, registry.describe(backbone).input_size)
        drop_auxiliaries(model)
        shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
        if 2 * max(prefixes(plain, shapes).values()) < len(shapes) / 2:  # norms count batches in a fifth of them
            continue
        best = fits(plain, frame(model, backbone))[0]
        if not best.wrong and not best.foreign:
            return backbone
    return ""


def _nearest(state: State) -> Iterator[str]:
    """Backbones with about as many parameters as a set in the file."""
    sizes: Counter[str] = Counter()
    for key, tensor in state.items():
        if not key.endswith(_STATISTICS):
            for depth in range(_DEPTH):
                sizes[".".join(key.split(".")[:depth])] += tensor.numel()

    def distance(backbone: str) -> float:
        parameters = registry.describe(backbone).parameters
        return min(abs(math.log(max(size, 1) / parameters)) for size in sizes.values())

    yield from sorted(registry.names(), key=distance)[:_TRIED]
