"""Loading: from the words of a run configuration to a chain that is ready to train or to predict.

Tensors that were read recently are kept, within a bound, so that comparing strategies reads each file once.
Not here: how files are found, read or matched.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from engine.errors import WeightsError
from engine.models import registry
from engine.models.chain import Chain, build_chain
from engine.models.head import drop_auxiliaries, find_head, seed_of, swap_head
from engine.models.outline import Outline
from engine.models.published import Progress, find_published
from engine.models.reuse import Warm
from engine.models.state_matching import fit_state, match_state
from engine.models.weights_reader import read_state
from engine.models.weights_store import Match, open_weights, weights_path
from engine.workspace import Workspace

KEPT_BYTES = 2 << 30
_TEST_SIZE = 64


def load_backbone(
    workspace: Workspace, backbone: str, weights: str, classes: Sequence[str], seed: int, *, image_size: int = 0
) -> tuple[Chain, tuple[str, ...]]:
    """The chain of `backbone` with a head for `classes`, and notes for the person about its weights.

    `weights` as in RunConfig: default, none, the name of an entry, file:ID or run:ID. Equal arguments give equal
    models.
    """
    kind, _, reference = weights.partition(":")
    size = registry.preprocessing_of(backbone, weights, image_size=image_size).crop
    prepare_weights(backbone, weights)  # first, so that a missing file is known before anything large is built
    key = _key(workspace, backbone, weights, classes, seed, size)
    if (kept := _WARM.take(key, seed)) is not None:
        return kept
    start = _Start(
        model=registry.build(backbone, size, seed_of(f"backbone {backbone}", seed)),
        backbone=backbone,
        classes=tuple(classes),
        seed=seed,
    )
    if kind == "none":
        start.new_head()
        notes: tuple[str, ...] = ()
    elif kind == "file":
        notes = _from_file(workspace, reference, start)
    elif kind == "run":
        notes = _from_run(workspace.run(reference), start)
    else:
        notes = _from_published(weights, start)
    chain = _tested(start.model, backbone, len(classes), size)
    chain.random = frozenset(start.random)
    _WARM.lend(chain, key, notes, seed=seed)
    return chain, notes


def release(chain: Chain) -> None:
    """Whoever got `chain` from `load_backbone` needs it no more: the next run with the same weights may have it, set
    back."""
    _WARM.give_back(chain)


def known_digests(chain: Chain) -> Mapping[str, str]:
    """Digests (audit.digests) of tensors of `chain` that need not be taken: it was set back to where they were."""
    return _WARM.digests(chain)


def keep_digests(chain: Chain, digests: Mapping[str, str]) -> None:
    """Spare the next run with `chain`, which has just been loaded, these digests."""
    _WARM.keep_digests(chain, digests)


def load_trained(folder: Path, backbone: str, *, image_size: int = 0) -> Chain:
    """The chain of a run with the weights of its best epoch, for the classes of classes.json in its `folder`."""
    size = registry.preprocessing_of(backbone, "default", image_size=image_size).crop
    classes = _classes_of(folder)
    start = _Start(model=registry.build(backbone, size, 0), backbone=backbone, classes=classes, seed=0)
    start.new_head()
    _restore(folder, start)
    return _tested(start.model, backbone, len(classes), size)


def prepare_weights(backbone: str, weights: str, progress: Progress | None = None) -> None:
    """Download what `load_backbone` will need, so that it can be shown; does nothing for weights that are here."""
    if registry.is_published(weights):
        find_published(registry.published(backbone, weights), progress)


def outline_of(backbone: str, classes: int = 2, *, image_size: int = 0) -> Outline:
    """The blocks of `backbone` as plain data, without memory for its weights."""
    size = registry.preprocessing_of(backbone, "default", image_size=image_size).crop
    model = registry.build_weightless(backbone, size)
    swap_head(model, backbone, classes, 0)
    return build_chain(model, backbone, classes, size).outline()


def match_brought(workspace: Workspace, weights_id: str, backbone: str, classes: int = 0) -> Match:
    """How brought weights fit `backbone` with a head for `classes` (0: for as many as the file has). WeightsError if
    not at all."""
    name = open_weights(workspace, weights_id).name
    state = _STATES.read(weights_path(workspace, weights_id), name)
    model = registry.build_weightless(backbone, registry.describe(backbone).input_size)
    drop_auxiliaries(model)
    in_file = state.get(f"{find_head(model)}.weight")
    swap_head(model, backbone, classes or (len(in_file) if in_file is not None and in_file.ndim else 1000), 0)
    return match_state(state, model, backbone=backbone, name=name)[1]


@dataclass(frozen=True, kw_only=True)
class _Start:
    """A model on its way to the first step, and what its head is for."""

    model: nn.Module
    backbone: str
    classes: tuple[str, ...]
    seed: int
    random: set[str] = field(default_factory=set)
    """Tensors that the file did not have: they keep their random start."""

    def new_head(self, classes: int = 0) -> str:
        return swap_head(self.model, self.backbone, classes or len(self.classes), self.seed)

    def fit(self, state: Mapping[str, Tensor], name: str) -> Match:
        match = fit_state(state, self.model, backbone=self.backbone, name=name)
        self.random.update(match.missing)
        return match


class _States:
    """The tensors of files read recently, the least recently used dropped first; nobody writes into them."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._kept: OrderedDict[tuple[str, int, int], dict[str, Tensor]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, path: Path, name: str = "") -> dict[str, Tensor]:
        """As weights.read_state. A file that has changed is another file."""
        about = path.stat()
        key = (str(path), about.st_size, about.st_mtime_ns)
        with self._lock:
            state = self._kept.get(key) or read_state(path, name)
            self._kept[key] = state
            self._kept.move_to_end(key)
            while sum(map(_bytes_of, self._kept.values())) > self.limit_bytes:
                self._kept.popitem(last=False)
        return state


_STATES = _States(KEPT_BYTES)
_WARM = Warm()


def _key(
    workspace: Workspace, backbone: str, weights: str, classes: Sequence[str], seed: int, size: int
) -> tuple[object, ...]:
    """What decides a loaded model: the file of its weights, or the seed where there is none."""
    kind, _, reference = weights.partition(":")
    source: tuple[object, ...] = (kind, seed)
    if kind != "none":
        file = kind == "file"
        path = (
            weights_path(workspace, reference)
            if file
            else workspace.run(reference) / "best.safetensors"
            if kind == "run"
            else None
        )
        path = path or find_published(registry.published(backbone, weights))
        source = (kind, str(path), path.stat().st_mtime_ns if path.is_file() else 0)
    return (backbone, source, tuple(classes), size)


def _from_published(weights: str, start: _Start) -> tuple[str, ...]:
    """Weights that were published. Layers published as NaN (VGG16's features-only weights) keep their random
    start."""
    entry = registry.published(start.backbone, weights)
    drop_auxiliaries(start.model)
    head = find_head(start.model)
    state = _STATES.read(find_published(entry))
    finite = {name: tensor for name, tensor in state.items() if bool(torch.isfinite(tensor).all())}
    match = start.fit(finite, entry.title)
    start.new_head()
    anew = sorted({name.rpartition(".")[0] for name in match.missing} - {head})
    return (f"{entry.title} has no values for {', '.join(anew)}: they start from random values.",) if anew else ()


def _from_file(workspace: Workspace, weights_id: str, start: _Start) -> tuple[str, ...]:
    name = open_weights(workspace, weights_id).name
    start.new_head()
    match = start.fit(_STATES.read(weights_path(workspace, weights_id), name), name)
    if match.reinitialised_head:
        return match.notes
    return (
        *match.notes,
        f"The head of {name} is kept: its outputs are taken as {', '.join(start.classes)}, in this order.",
    )


def _from_run(folder: Path, start: _Start) -> tuple[str, ...]:
    """An earlier run, its head carried over when its classes are the same, in whatever order."""
    earlier = _classes_of(folder)
    start.new_head(len(earlier))
    _restore(folder, start)
    if earlier == start.classes:
        return ()
    if sorted(earlier) == sorted(start.classes):
        _permute(start.model.get_submodule(find_head(start.model)), [earlier.index(name) for name in start.classes])
        return ("The earlier run had the same classes in another order; its head was rearranged to match.",)
    start.new_head()
    return (f"The earlier run knew other classes ({_listed(earlier)}), so the head starts anew.",)


def _restore(folder: Path, start: _Start) -> None:
    """The best epoch of the run in `folder`, whole."""
    path = folder / "best.safetensors"
    if not path.is_file():
        raise WeightsError(
            f"The run {folder.name} has no weights yet: they are written after its first epoch. Choose a run that "
            f"has finished."
        )
    match = start.fit(read_state(path, f"The run {folder.name}"), f"The run {folder.name}")
    if match.missing:
        raise WeightsError(f"The weights of the run {folder.name} lack {match.missing[0]}. Choose another run.")


def _classes_of(folder: Path) -> tuple[str, ...]:
    try:
        return tuple(json.loads((folder / "classes.json").read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise WeightsError(
            f"The run {folder.name} does not say which classes it knows. Choose a run that has finished."
        ) from error


def _listed(classes: Sequence[str]) -> str:
    return ", ".join([*classes[:10], *(["…"] if len(classes) > 10 else [])])


@torch.no_grad()
def _permute(head: nn.Module, order: list[int]) -> None:
    """Row i of `head` becomes its former row `order[i]`."""
    for parameter in head.parameters():
        parameter.copy_(parameter[order].clone())


def _tested(model: nn.Module, backbone: str, classes: int, image_size: int) -> Chain:
    chain = build_chain(model, backbone, classes, image_size)
    about = registry.describe(backbone)
    chain.self_test(image_size if about.size_step > 1 else max(about.min_size, min(image_size, _TEST_SIZE)))
    return chain


def _bytes_of(state: Mapping[str, Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in state.values())
