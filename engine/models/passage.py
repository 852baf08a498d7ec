"""Passage: a model run in stretches, from one of its cuts to another, by diverting the calls of its own modules.

A stretch ends by an early exit. One that begins at a cut runs the whole forward, but calls before the cut answer with
ghosts, so what needs more than the activation at the cut fails instead of going wrong. Not here: where to cut (hooks).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from torch import Tensor, nn
from torch.utils._pytree import tree_map

from engine.errors import BackboneError
from engine.models.ghost import Ghost, ghosts_of, leaves


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Where a block begins: at the input or after the output of a call, or, last of all, at the input of the head."""

    kind: Literal["before", "after", "head"]
    call: int
    path: str


@dataclass(frozen=True, kw_only=True)
class Trail:
    """What a pass left behind on its way to a cut: shapes, no values."""

    images: Tensor
    answers: tuple[tuple[str, object], ...]


class Passage:
    """Runs any stretch of the blocks of one model, one pass at a time: while it runs, calls of the model are
    diverted."""

    def __init__(self, model: nn.Module, head: str, units: dict[str, nn.Module]) -> None:
        self.model, self.head, self.units = model, head, units
        self.cuts: tuple[Cut, ...] = ()
        self.whole = False
        """No cut was possible: the head's block runs the whole model, and what lies before it hands the images on."""
        self._trails: dict[tuple[object, ...], Trail] = {}

    def __call__(self, x: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """As Chain. BackboneError for an activation of a shape that the blocks before `start` have never given."""
        count = 2 if self.whole else len(self.cuts) + 1
        start, stop, _ = slice(start, stop).indices(count)
        if start >= stop or (self.whole and stop < count):
            return x
        entry = self.cuts[start - 1] if start and not self.whole else None
        exit_at = self.cuts[stop - 1] if stop < count else None
        if entry is None and exit_at is None:
            return one_tensor(self.model(x))
        if entry is not None and entry.kind == "head":
            return one_tensor(self.model.get_submodule(self.head)(x))
        return self._stretch(Pass(entry=entry, exit_at=exit_at, trail=self._trail(entry, x), x=x))

    def _trail(self, entry: Cut | None, x: Tensor) -> Trail:
        if entry is None:
            return Trail(images=x, answers=())
        if (found := self._trails.get(_key(entry, x))) is None:
            raise BackboneError(
                f"An activation of {tuple(x.shape)} is new before {entry.path}: compute the blocks before it first."
            )
        return found

    def _stretch(self, run: "Pass") -> Tensor:
        with self.diverted(run):
            try:
                out = self.model(run.trail.images)
            except _Reached:
                assert run.exit_at is not None and run.reached is not None
                images = run.trail.images if run.entry else ghosts_of(run.trail.images)
                self._trails[_key(run.exit_at, run.reached)] = Trail(images=images, answers=tuple(run.answers))
                return run.reached
        if run.exit_at is not None:
            raise BackboneError(
                f"{type(self.model).__name__} did not call {run.exit_at.path} for these images, so it cannot be cut "
                f"there."
            )
        return one_tensor(out)

    @contextmanager
    def diverted(self, run: "Pass") -> Iterator[None]:
        """Inside, `run` answers the calls of the units. Their own hooks stay in force."""
        kept = {path: vars(module).get("forward") for path, module in self.units.items()}
        for path, module in self.units.items():
            vars(module)["forward"] = partial(run.call, path, module.forward)
        try:
            yield
        finally:
            for path, module in self.units.items():
                if kept[path] is None:
                    del vars(module)["forward"]
                else:
                    vars(module)["forward"] = kept[path]


class _Reached(BaseException):
    """The exit is reached. No Exception, so that no `except` of the model stops it."""


@dataclass(kw_only=True)
class Pass:
    """One run of a model. Counts the outermost calls of its units; their order up to a cut is the same in every run."""

    entry: Cut | None = None
    exit_at: Cut | None = None
    trail: Trail
    x: Tensor
    answers: list[tuple[str, object]] = field(default_factory=list)
    """The path of every call so far and a ghost of its answer."""
    reached: Tensor | None = None
    last: object = None
    inside: bool = False

    def call(self, path: str, forward: Callable[..., object], *args: object, **kwargs: object) -> object:
        """What the unit at `path` answers, called from outside any other unit, else plainly its `forward`."""
        if self.inside:
            return forward(*args, **kwargs)
        number, given = len(self.answers), self.trail.answers
        if number < len(given):
            return self._replay(path)
        if self.entry is not None and self.entry.kind == "before" and number == self.entry.call:
            args, kwargs = tree_map(lambda leaf: self.x if isinstance(leaf, Tensor) else leaf, (args, kwargs))
        if self._exits("before", number, path):
            self._reach((args, kwargs))
        self.inside = True
        try:
            self.last = forward(*args, **kwargs)
        finally:
            self.inside = False
        self.answers.append((path, ghosts_of(self.last)))
        if self._exits("after", number, path):
            self._reach(self.last)
        return self.last

    def _replay(self, path: str) -> object:
        number = len(self.answers)
        expected, answer = self.trail.answers[number]
        if path != expected:
            raise BackboneError(
                f"The model called {path} where it called {expected} before: it cannot be cut behind a random choice."
            )
        self.answers.append((path, answer))
        assert self.entry is not None
        return self.x if self.entry.kind == "after" and number == self.entry.call else answer

    def _exits(self, side: str, number: int, path: str) -> bool:
        if self.exit_at is None:
            return False
        if self.exit_at.kind == "head":
            return side == "before" and path == self.exit_at.path
        return self.exit_at.kind == side and number == self.exit_at.call

    def _reach(self, tree: object) -> None:
        self.reached = one_tensor(tree)
        raise _Reached


def one_tensor(tree: object) -> Tensor:
    """The only tensor with values in the nesting `tree`; BackboneError when there are none or several."""
    found = {id(leaf): leaf for leaf in leaves(tree) if isinstance(leaf, Tensor)}
    if len(found) != 1 or isinstance(only := next(iter(found.values())), Ghost):
        raise BackboneError(f"A model to be cut has to hand on one tensor at a time; this one hands on {len(found)}.")
    return only


def _key(cut: Cut, x: Tensor) -> tuple[object, ...]:
    return cut, tuple(x.shape), x.dtype, x.device
