"""Hooks: where a model that cannot be traced is cut into blocks, found by running it on two random images.

A passage (passage.py) then runs the blocks. Nothing between them may be cached: what the model does can depend on the
images of the batch. Not here: traced models (trace).
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.errors import BackboneError
from engine.models.passage import Cut, Pass, Passage, Trail, one_tensor
from engine.models.trace import DROPOUTS, has_matrix, opens

TOLERANCE = 1e-5
_LOG = logging.getLogger("thaw.hooks")
CUT = (
    "This model cannot be traced, so it is cut at the calls of its layers: nothing is cached, frozen blocks run "
    "anew in every step."
)
UNCUT = (
    "This model cannot be traced or cut: all before its head is one block, nothing is cached, frozen layers run "
    "anew in every step."
)

_Probes = list[tuple[Tensor, Tensor]]
"""Images and what the model answers."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One block: the outermost modules that are first called in it."""

    name: str
    modules: tuple[nn.Module, ...]


def cut_by_hooks(model: nn.Module, head: str, side: int) -> tuple[Passage, tuple[Piece, ...]]:
    """The finest blocks that `model` allows on images of `side` pixels, the last of them `head`; puts it in eval mode.

    A cut is kept when the rest of the model, given the activation there and ghosts of all before, gives the model's own
    answer.
    """
    model.eval()
    units = {path: module for path, module in model.named_modules() if path and not _is_open(module, path, head)}
    passage = Passage(model, head, units)
    with torch.no_grad():
        probes = [(images, _run(model, images)) for images in _images(model, side)]
        calls = _calls(passage, probes[0][0])[0]
        blocks = _grouped(passage, calls, probes)
    if _name(passage, blocks[-1]) != head:
        passage.cuts, passage.whole = (), True
        blocks = [[path for path in calls if path != head], [head]]
    return passage, _pieces(passage, blocks)


def called_head(model: nn.Module, side: int) -> str | None:
    """Path of the linear layer or convolution called last that has as many outputs as the model; None when there is
    none."""
    called: list[str] = []
    layers = {path: module for path, module in model.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)}
    handles = [
        layer.register_forward_pre_hook(lambda *_, path=path: called.append(path)) for path, layer in layers.items()
    ]
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            out = _run(model, next(_images(model, side)))
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode
    return next((path for path in reversed(called) if out.ndim == 2 and len(layers[path].weight) == out.shape[1]), None)


def _images(model: nn.Module, side: int) -> Iterator[Tensor]:
    """Two batches unlike each other, so that a model that looks at its images may show that it does."""
    weight, generator = next(model.parameters()), torch.Generator().manual_seed(0)
    yield torch.rand(2, 3, side, side, generator=generator).to(weight.device, weight.dtype)
    yield torch.randn(2, 3, side, side, generator=generator).to(weight.device, weight.dtype)


def _run(model: nn.Module, images: Tensor) -> Tensor:
    try:
        return one_tensor(model(images))
    except Exception as error:
        raise BackboneError(
            f"{type(model).__name__} does not run on two images of {images.shape[-1]} pixels: {error} "
            "Give it the image size that it expects."
        ) from error


def _is_open(module: nn.Module, path: str, head: str) -> bool:
    """Whether the calls inside `module` count, not its own: a container, or something with the head in it."""
    return head.startswith(f"{path}.") or isinstance(module, nn.ModuleList | nn.ModuleDict) or opens(module)


def _calls(passage: Passage, images: Tensor) -> tuple[list[str], bool]:
    """The outermost calls of units in one pass, and whether the model returns the very tensor that the last one
    answered."""
    run = Pass(trail=Trail(images=images, answers=()), x=images)
    with passage.diverted(run):
        out = passage.model(images)
    return [path for path, _ in run.answers], out is run.last


def _grouped(passage: Passage, calls: list[str], probes: _Probes) -> list[list[str]]:
    """`calls` in blocks: one begins at every first call of a unit with weights before which the model can be cut."""
    blocks: list[list[str]] = [[]]
    for number, path in enumerate(calls):
        begins = _weighs(passage, path) and path not in calls[:number] and passage.head not in calls[:number]
        if begins and _name(passage, blocks[-1]):
            first = _before_dropout(passage, calls, number)
            if any(_accepts(passage, cut, probes) for cut in _candidates(passage, calls, first, number)):
                moved = number - first
                blocks.append([blocks[-1].pop() for _ in range(moved)][::-1])
        blocks[-1].append(path)
    return blocks


def _candidates(passage: Passage, calls: list[str], first: int, number: int) -> Iterator[Cut]:
    yield Cut(kind="before", call=first, path=calls[first])
    yield Cut(kind="after", call=first - 1, path=calls[first - 1])
    if calls[number] == passage.head:
        yield Cut(kind="head", call=number, path=passage.head)


def _accepts(passage: Passage, cut: Cut, probes: _Probes) -> bool:
    """Whether `cut` is true to the model; if so it joins the cuts of `passage`."""
    before = passage.cuts
    passage.cuts = (*before, cut)
    place = len(passage.cuts)
    try:
        if all(_same(passage(passage(images, 0, place), place), expected) for images, expected in probes) and (
            cut.kind != "head" or all(_calls(passage, images)[1] for images, _ in probes)
        ):
            return True
    except (
        Exception
    ) as error:  # whatever the model raises on a tensor without values: it needs more than this cut hands on
        _LOG.debug("%s: no cut %s call %d: %s", passage.head, cut.kind, cut.call, error)
    passage.cuts = before
    return False


def _same(found: Tensor, expected: Tensor) -> bool:
    return found.shape == expected.shape and torch.allclose(
        found, expected, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True
    )


def _before_dropout(passage: Passage, calls: list[str], number: int) -> int:
    """`number`, moved back before the first dropout among the layers without parameters that precede it."""
    glue = number
    while glue > 0 and next(passage.units[calls[glue - 1]].parameters(), None) is None:
        glue -= 1
    return next((at for at in range(glue, number) if isinstance(passage.units[calls[at]], DROPOUTS)), number)


def _weighs(passage: Passage, path: str) -> bool:
    return path == passage.head or has_matrix(passage.units[path])


def _name(passage: Passage, block: Sequence[str]) -> str:
    """The first unit with weights in `block`; '' when there is none."""
    return next((path for path in block if _weighs(passage, path)), "")


def _pieces(passage: Passage, blocks: list[list[str]]) -> tuple[Piece, ...]:
    """Every unit in the block that calls it first; those that were not called (another branch) in the first block."""
    placed: set[str] = set()
    pieces = []
    for block in blocks:
        paths = [path for path in dict.fromkeys(block) if path not in placed]
        placed.update(paths)
        pieces.append(
            Piece(name=_name(passage, block) or paths[0], modules=tuple(passage.units[path] for path in paths))
        )
    known = {module for piece in pieces for unit in piece.modules for module in unit.modules()}
    uncalled = tuple(module for module in passage.units.values() if module not in known)
    return (Piece(name=pieces[0].name, modules=(*pieces[0].modules, *uncalled)), *pieces[1:])
