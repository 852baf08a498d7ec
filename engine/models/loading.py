"""Loading: from the words of a run configuration to a chain that is ready to train or to predict.

Tensors that were read recently are kept, within a bound, so that comparing strategies reads each file once.
Not here: how files are found, read or matched.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from engine import record_files
from engine.errors import EngineError, WeightsError
from engine.models import registry
from engine.models.chain import Chain, build_chain
from engine.models.head import drop_auxiliaries, find_head, head_of, seed_of, swap_head
from engine.models.outline import Outline
from engine.models.published import Progress, find_published
from engine.models.quoting import listed
from engine.models.reuse import WARM
from engine.models.side_outputs import with_side_outputs
from engine.models.state_matching import fit_state
from engine.models.weights_reader import read_state
from engine.models.weights_store import Match, open_weights, weights_path
from engine.workspace import Workspace

KEPT_BYTES = 2 << 30
_TEST_SIZE = 64
Notes = tuple[str, ...]


def load_backbone(
    workspace: Workspace,
    backbone: str,
    weights: str,
    *,
    classes: Sequence[str],
    seed: int,
    image_size: int = 0,
    head: str = "auto",
) -> tuple[Chain, Notes]:
    """The chain of `backbone` with a head for `classes`, and notes for the person about its weights.

    `weights` and `head` as in RunConfig; a head of 'continue' is kept if it fits, whatever its outputs are called.
    Equal arguments give equal models. Whoever needs the chain no more may tell so to reuse.WARM.
    """
    size = registry.preprocessing_of(backbone, weights, image_size=image_size).crop
    kind = weights.partition(":")[0]
    file = _file(workspace, backbone, weights)  # first: a missing one is known before anything large is built
    key = (backbone, kind, (file.path, file.path.stat().st_mtime_ns) if file else seed, tuple(classes), size, head)
    if (kept := WARM.take(key, seed)) is not None:
        return kept
    model = registry.build(backbone, size, seed_of(f"backbone {backbone}", seed))
    start = _Start(model=model, backbone=backbone, classes=tuple(classes), seed=seed, head=head)
    notes: Notes = ()
    if file is None:
        start.new_head()
    else:
        notes = {"file": _from_file, "run": _from_run}.get(kind, _from_published)(start, file)
    chain = _tested(model, backbone, size)
    chain.random = frozenset(start.random)
    WARM.lend(chain, key, notes, seed=seed)
    return chain, notes


def load_trained(folder: Path, backbone: str, *, image_size: int = 0, reads_stages: bool = False) -> Chain:
    """The chain of a run with the weights of its best epoch, for the classes of classes.json in its `folder`;
    `reads_stages`: with a head that reads every stage (side_outputs)."""
    size = registry.preprocessing_of(backbone, "default", image_size=image_size).crop
    start = _Start(model=registry.build(backbone, size, 0), backbone=backbone, classes=_classes_of(folder), seed=0)
    if reads_stages:
        start.new_head()
        chain = with_side_outputs(_tested(start.model, backbone, size))
        _whole(replace(start, model=chain.model), _best_epoch(folder))
        return chain
    _from_run(start, _best_epoch(folder))
    return _tested(start.model, backbone, size)


def prepare_weights(backbone: str, weights: str, progress: Progress | None = None) -> None:
    """Download what `load_backbone` will need, so that it can be shown; does nothing for weights that are here."""
    if registry.is_published(weights):
        find_published(registry.published(backbone, weights), progress)


def outline_of(backbone: str, classes: int = 2) -> Outline:
    """The blocks of `backbone` as plain data, without memory for its weights."""
    size = registry.describe(backbone).input_size
    model = registry.build_weightless(backbone, size)
    swap_head(model, backbone, classes=classes, seed=0)
    return build_chain(model.to("meta"), backbone, size).outline()


@dataclass(frozen=True, kw_only=True)
class _File:
    path: Path
    name: str
    """What people call it."""
    classes: tuple[str, ...] = ()
    """What its outputs stand for; empty where nobody said."""
    notes: Notes = ()
    """What was said when it was brought."""


@dataclass(frozen=True, kw_only=True)
class _Start:
    """A model on its way to the first step, and what its head is for."""

    model: nn.Module
    backbone: str
    classes: tuple[str, ...]
    seed: int
    head: str = "auto"
    random: set[str] = field(default_factory=set)
    """Tensors that keep their start from the seed: those of a new head, and what the file did not have."""

    def new_head(self, classes: int = 0) -> None:
        path = swap_head(self.model, self.backbone, classes=classes or len(self.classes), seed=self.seed)
        self.random.update(f"{path}.{name}" for name, _ in head_of(self.model).named_parameters())

    def fit(self, state: Mapping[str, Tensor], name: str) -> Match:
        match = fit_state(state, self.model, backbone=self.backbone, name=name)
        self.random.clear()
        self.random.update(match.missing)
        return match


class _States:
    """The tensors of files read recently, the least recently used dropped first; nobody writes into them."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._kept: OrderedDict[tuple[Path, int, int], Mapping[str, Tensor]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, file: _File) -> Mapping[str, Tensor]:
        """As read_state. A file that has changed is another file."""
        status = file.path.stat()
        key = (file.path, status.st_size, status.st_mtime_ns)
        with self._lock:
            state = self._kept.get(key) or read_state(file.path, file.name)
            self._kept[key] = state
            self._kept.move_to_end(key)
            while sum(tensor.nbytes for kept in self._kept.values() for tensor in kept.values()) > self.limit_bytes:
                self._kept.popitem(last=False)
        return state


_STATES = _States(KEPT_BYTES)


def _file(workspace: Workspace, backbone: str, weights: str) -> _File | None:
    """The file of `weights`, downloaded where it has to be; None for random ones. WeightsError when it is not there."""
    kind, _, reference = weights.partition(":")
    if kind == "none":
        return None
    if kind == "file":
        return _brought(workspace, reference)
    if kind == "run":
        return _best_epoch(workspace.run(reference))
    entry = registry.published(backbone, weights)
    return _File(path=find_published(entry), name=entry.title)


def _brought(workspace: Workspace, weights_id: str) -> _File:
    kept, path = open_weights(workspace, weights_id), weights_path(workspace, weights_id)
    return _File(path=path, name=kept.name, classes=kept.classes, notes=kept.notes)


def _best_epoch(folder: Path) -> _File:
    """The weights of the run in `folder`."""
    path, name = folder / "best.safetensors", f"The run {folder.name}"
    if not path.is_file():
        raise WeightsError(
            f"{name} has no weights yet: they are written after its first epoch. Choose a run that has finished."
        )
    return _File(path=path, name=name, classes=_classes_of(folder))


def _from_published(start: _Start, file: _File) -> Notes:
    """Layers published as NaN (VGG16's features-only weights) keep their random start."""
    drop_auxiliaries(start.model)
    head = find_head(start.model)
    finite = {name: tensor for name, tensor in _STATES.read(file).items() if bool(torch.isfinite(tensor).all())}
    match = start.fit(finite, file.name)
    start.new_head()
    anew = sorted({name.rpartition(".")[0] for name in match.missing} - {head})
    return (f"{file.name} has no values for {', '.join(anew)}: they start from random values.",) if anew else ()


def _from_file(start: _Start, file: _File) -> Notes:
    start.new_head()
    match = start.fit(_STATES.read(file), file.name)
    notes = (*file.notes, *match.notes)
    if not match.reinitialised_head:
        return (*notes, *_settled_head(start, file))
    if start.head == "keep":
        raise WeightsError(f"{file.name} has no head for {len(start.classes)} classes to keep. Choose head=new.")
    return notes


def _from_run(start: _Start, file: _File) -> Notes:
    """An earlier run, whole; its head when its classes are the same, in whatever order."""
    start.new_head(len(file.classes))
    whole = _whole(start, file)
    if whole and len(file.classes) == len(start.classes):
        return _settled_head(start, file)
    if start.head == "keep":
        raise WeightsError(f"{file.name} has no head for {len(start.classes)} classes to keep. Choose head=new.")
    if not whole:
        start.new_head()
        return ("The head of the earlier run read every stage, so the head starts anew.",)
    start.new_head()
    return (f"{file.name} knew other classes ({listed(file.classes, 10)}), so the head starts anew.",)


def _settled_head(start: _Start, file: _File) -> Notes:
    """Keep a head of the right size where its outputs are known to mean the classes, or somebody says that they do."""
    same = sorted(file.classes) == sorted(start.classes)
    if start.head == "new" or (start.head == "auto" and not same):
        start.new_head()
        knew = f"knew other classes ({listed(file.classes, 10)})" if file.classes else "does not name its classes"
        asked = f"The head of {file.name} starts anew, as head=new asks."
        why = f"{file.name} {knew}, so the head starts anew; head=keep would take its outputs in the order of yours."
        return (asked if start.head == "new" else why,)
    if not same:
        outputs = listed(start.classes, 10)
        return (f"The head of {file.name} is kept: its outputs are taken as {outputs}, in this order.",)
    if file.classes == start.classes:
        return ()
    order = [file.classes.index(name) for name in start.classes]
    with torch.no_grad():
        for parameter in head_of(start.model).parameters():
            parameter.copy_(parameter[order].clone())
    return (f"{file.name} had the same classes in another order; its head was rearranged to match.",)


def _whole(start: _Start, file: _File) -> bool:
    """Whether the head of the file is there too, not of another design. WeightsError when anything else is missing."""
    match = start.fit(read_state(file.path, file.name), file.name)
    head = find_head(start.model)
    if missing := [name for name in match.missing if name.rpartition(".")[0] != head]:
        raise WeightsError(f"{file.name} lacks {missing[0]}. Choose another run.")
    return not match.reinitialised_head


def _classes_of(folder: Path) -> tuple[str, ...]:
    try:
        return record_files.read(folder / "classes.json", tuple[str, ...])
    except (OSError, EngineError) as error:
        raise WeightsError(
            f"The run {folder.name} does not say which classes it knows. Choose a run that has finished."
        ) from error


def _tested(model: nn.Module, backbone: str, image_size: int) -> Chain:
    chain = build_chain(model, backbone, image_size)
    info = registry.describe(backbone)
    chain.self_test(image_size if info.size_step > 1 else max(info.min_size, _TEST_SIZE))
    return chain
