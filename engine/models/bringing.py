"""Bringing: a weights file of a person's own becomes brought weights of the workspace: read, fitted, then kept once.

A file that does not fit leaves nothing behind. Not here: reading it (weights_reader), what fits (fitting).
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from safetensors.torch import save_file

from engine.errors import WeightsError
from engine.models import registry
from engine.models.fitting import Fit, Frame, State, fits, frame
from engine.models.head import drop_auxiliaries, swap_head
from engine.models.quoting import quoted
from engine.models.state_matching import left_over, matched, whole
from engine.models.weights_reader import Contents, read_contents
from engine.models.weights_store import BroughtWeights, Match, record_weights, weights_path
from engine.workspace import Workspace, atomic_path

_OTHERS = 2
"""How many more sets of weights of one file are kept, where several fit."""


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """What became of a file."""

    weights: str
    """Id of the brought weights."""
    match: Match


def bring(workspace: Workspace, path: Path, original_name: str, *, backbone: str) -> Arrival:
    """Read, fit to `backbone` and store the weights file at `path`. `original_name` is for people only.

    Of several sets that fit, such as weights and their average, each is stored; the best is the one that is returned.
    WeightsError when none does.
    """
    contents = read_contents(path, original_name)
    wanted, found = _fitted(contents.tensors, backbone)
    whole(found, wanted, state=contents.tensors, name=original_name)
    best, *others = _apart(_sound([fit for fit in found if not fit.wrong], wanted, original_name))
    keeping = _Keeping(workspace=workspace, name=original_name, wanted=wanted, contents=contents)
    kept = [keeping.keep(fit, several=True) for fit in others]
    said = _choice(best, kept)
    weights = keeping.keep(best, several=bool(kept), notes=said).id
    match = matched(best, wanted)[1]
    return Arrival(weights=weights, match=replace(match, notes=(*said, *match.notes)))


@dataclass(frozen=True, kw_only=True)
class _Keeping:
    """What all sets of weights of one file have in common."""

    workspace: Workspace
    name: str
    wanted: Frame
    contents: Contents

    def keep(self, fit: Fit, *, several: bool, notes: tuple[str, ...] = ()) -> BroughtWeights:
        """Store one set under the digest of its content, so that it is stored once."""
        leftover = tuple(key for key in fit.tensors if not self._serves(key))
        tensors = {key: t.contiguous().clone() for key, t in fit.given.items() if key not in leftover}
        weights_id = f"weights-{_digest(tensors)}"
        stored = weights_path(self.workspace, weights_id)
        if not stored.is_file():
            with atomic_path(stored) as temporary:  # cloned above, for tensors may be tied
                save_file(tensors, temporary)
        kept = BroughtWeights(
            id=weights_id,
            name=f"{self.name} ({quoted(fit.prefix) or 'without a prefix'})" if several else self.name,
            tensors=len(tensors),
            bytes=stored.stat().st_size,
            created_at=datetime.now(UTC).isoformat(timespec="microseconds"),
            classes=self._classes(fit),
            notes=(*notes, *left_over(fit, (*leftover, *fit.outside))),
        )
        record_weights(self.workspace, kept)
        return kept

    def _serves(self, key: str) -> bool:
        return key in self.wanted.shapes or key.startswith(self.wanted.region)

    def _classes(self, fit: Fit) -> tuple[str, ...]:
        head = fit.tensors.get(f"{self.wanted.head}.weight")
        outputs = len(head) if head is not None and head.ndim else 0
        return next((names for names in self.contents.classes if len(names) == outputs), ())


def _fitted(state: State, backbone: str) -> tuple[Frame, list[Fit]]:
    """For `backbone` with a head for as many classes as the file has outputs."""
    model = registry.build_weightless(backbone, registry.describe(backbone).input_size)
    drop_auxiliaries(model)
    wanted = frame(model, backbone)
    found = fits(state, wanted)
    head = found[0].tensors.get(f"{wanted.head}.weight")
    if head is None or head.ndim < 2 or head.shape == wanted.shapes[f"{wanted.head}.weight"]:
        return wanted, found
    swap_head(model, backbone, classes=len(head), seed=0)
    wanted = frame(model, backbone)
    return wanted, fits(state, wanted)


def _apart(found: list[Fit]) -> list[Fit]:
    """The first and a few others with other values; what is in one of them is not left over from another."""
    distinct = list({_digest(fit.given): fit for fit in reversed(found)}.values())[::-1][: 1 + _OTHERS]
    below = tuple(f"{fit.prefix}." for fit in distinct if fit.prefix)
    return [replace(fit, outside=tuple(name for name in fit.outside if not name.startswith(below))) for fit in distinct]


def _choice(best: Fit, others: list[BroughtWeights]) -> tuple[str, ...]:
    if not others:
        return ()
    listed = ", ".join(f"{other.name} (file:{other.id})" for other in others)
    why = ", which is averaged," if best.averaged else ""
    taken = quoted(best.prefix) or "the one without a prefix"
    return (
        f"The file holds {len(others) + 1} sets of weights that fit: {taken}{why} was taken; {listed} can be chosen "
        f"instead.",
    )


def _sound(found: list[Fit], wanted: Frame, name: str) -> list[Fit]:
    """Those that training can start from; WeightsError when there are none."""
    problems = [_problem(matched(fit, wanted)[0]) for fit in found]
    if all(problems):
        raise WeightsError(f"{quoted(name, 120)} holds {problems[0]}")
    return [fit for fit, problem in zip(found, problems, strict=True) if not problem]


def _problem(state: State) -> str:
    """Training from NaN or infinity would give nothing else, and no variance is negative."""
    broken = [key for key, tensor in state.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        return (
            f"values that are not finite numbers, in {len(broken)} of {len(state)} tensors, such as {broken[0]}. The "
            f"training that made it diverged; bring a checkpoint from before that."
        )
    negative = [key for key, t in state.items() if key.endswith("running_var") and bool((t < 0).any())]
    return f"negative variances, in {negative[0]}: it is damaged. Copy or download it again." if negative else ""


def _digest(state: State) -> str:
    digest = hashlib.sha256()
    for key in sorted(state):
        tensor = state[key].contiguous()
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:20]
