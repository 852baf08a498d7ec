"""Stages: which consecutive blocks of a chain work at one resolution, and what such a stage is called.

Not here: the blocks (chain), what a strategy makes of their stages (training.strategies).
"""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from operator import eq

from torch import Tensor, nn

LARGEST_SHARE = 0.75
"""Of a backbone's parameters in one stage; a larger stage, such as the encoder of a vision transformer, is cut."""


@contextmanager
def counted_positions(model: nn.Module, blocks: Mapping[str, Sequence[nn.Module]]) -> Iterator[dict[str, int]]:
    """At how many positions of an image each block (path -> layers) leaves its features: pixels of its map or tokens,
    0 behind the pooling. A pass of images of at least 28 pixels inside the context fills it: on smaller ones the last
    stages of a network that halves its image five times are of one size."""
    paths = {module: path for path, module in model.named_modules()}
    found: dict[str, int] = {}
    with ExitStack() as hooks:
        for unit, layers in blocks.items():
            own = [layer for layer in layers if f"{paths[layer]}.".startswith(f"{unit}.")]  # without a pooling after it
            handle = own[-1].register_forward_hook(_counter(found, unit, _channels(own)))
            hooks.callback(handle.remove)
        yield found


def stages(names: Sequence[str], sizes: Sequence[int], resolutions: Sequence[int]) -> list[str]:
    """The stage of every block before the head, from its path, its number of parameters and its positions.

    A stage ends where the positions halve, as in the tables of the papers; what stands behind the pooling belongs to
    the last one, which has at least two blocks. A stage of more than LARGEST_SHARE of all parameters is cut from its
    end into halves, or quarters of the backbone where those are smaller, of at least two blocks.
    """
    runs = _runs(resolutions)
    if len(runs) > 1 and len(runs[-1]) == 1:
        runs[-2:] = [[*runs[-2], *runs[-1]]]
    pieces: list[list[int]] = []
    for run in runs:
        large = sum(sizes[index] for index in run) > LARGEST_SHARE * sum(sizes)
        length = max(2, min(len(names) // 4, -(-len(run) // 2))) if large else len(run)
        starts = range(len(run) % length, len(run), length)
        pieces += [run[first:last] for first, last in itertools.pairwise([0, *starts, len(run)]) if first < last]
    containers = _containers(names)
    return [_called(piece, names, containers) for piece in pieces for _ in piece]


def _runs(resolutions: Sequence[int]) -> list[list[int]]:
    """Indexes of consecutive blocks of one resolution: an unpadded convolution costs a few positions, a stage half."""
    runs: list[list[int]] = []
    for index, resolution in enumerate(resolutions):
        if not runs or 0 < 2 * resolution <= resolutions[runs[-1][0]]:
            runs.append([])
        runs[-1].append(index)
    return runs


def _called(piece: Sequence[int], names: Sequence[str], containers: Sequence[str]) -> str:
    """`layer4` for all of a container, `features.4..5` from one to another; where a container goes on in another stage
    its block stands for it."""

    def place(index: int) -> str:
        whole = all(other in piece for other, name in enumerate(containers) if name == containers[index])
        return containers[index] if whole else names[index]

    first, last = place(piece[0]), place(piece[-1])
    shared = sum(itertools.takewhile(bool, map(eq, first.split("."), last.split("."))))  # leading parts of the paths
    return first if first == last else f"{first}..{'.'.join(last.split('.')[shared:])}"


def _containers(names: Sequence[str]) -> list[str]:
    """The module that holds each block, unless that module holds whole containers itself."""
    parents = [name.rpartition(".")[0] for name in names]
    nested = {parent.rpartition(".")[0] for parent in parents} - {""}
    return [
        _numbered(name) if not parent or parent in nested else parent
        for name, parent in zip(names, parents, strict=True)
    ]


def _numbered(name: str) -> str:
    """`inception4` for `inception4a`, `Mixed_5` for `Mixed_5b`, as the papers speak of these stages."""
    match = re.fullmatch(r"(.*\d)[a-z](_.*)?", name)
    return match[1] if match else name


def _channels(layers: Sequence[nn.Module]) -> int:
    """Of the last matrix in these layers: whatever the layout, a position has so many features."""
    weights = (weight for top in layers for layer in top.modules() for weight in layer.parameters(recurse=False))
    return [len(weight) for weight in weights if weight.ndim > 1][-1]


def _counter(found: dict[str, int], unit: str, channels: int) -> Callable[[nn.Module, object, Tensor], None]:
    def count(module: nn.Module, inputs: object, features: Tensor) -> None:
        found[unit] = features[0].numel() // channels if features.ndim > 2 else 0

    return count
