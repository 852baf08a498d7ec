"""Audit: which tensors moved, and how far, against what the plan promised.

Not here: keeping frozen things frozen (loop).
"""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import torch

from engine.data.pool import threads

Verdict = Literal["trained", "frozen", "broken", "idle"]
_COLUMNS = ("tensor", "block", "stage", "values", "may_move", "moved", "movement", "verdict")


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """What became of one parameter or buffer."""

    name: str
    block: str
    stage: str
    values: int
    may_move: bool
    moved: bool
    movement: float
    """L2 norm of the change over that at the start, 1 where that was zero; exactly 0 when nothing moved."""

    @property
    def verdict(self) -> Verdict:
        """trained, frozen: as promised; broken: frozen, yet it moved; idle: it could train, yet it stood still."""
        if self.may_move:
            return "trained" if self.moved else "idle"
        return "broken" if self.moved else "frozen"


@dataclass(frozen=True, kw_only=True)
class Before:
    """A model before training: digests of everything, copies of what may move."""

    digests: Mapping[str, str]
    tensors: Mapping[str, torch.Tensor]


def remember(state: Mapping[str, torch.Tensor], may_move: Iterable[str], *, known: Mapping[str, str] = {}) -> Before:
    """The state dict before training; `known` are digests that need not be taken again."""
    allowed = set(may_move)
    copies = {name: tensor.detach().cpu().clone() for name, tensor in state.items() if name in allowed}
    new = digests({name: tensor for name, tensor in state.items() if name not in known})
    return Before(digests={**known, **new}, tensors=copies)


def audit(
    before: Before,
    state: Mapping[str, torch.Tensor],
    places: Mapping[str, tuple[str, str]],
    *,
    may_move: Collection[str],
) -> tuple[Tensor, ...]:
    """Every tensor of `state` against `before`; `places` has (block, stage) by name.

    `may_move` names what had a chance to train by then: what a later phase releases must not have moved yet.
    """
    after, rows = digests(state), []
    for name, tensor in state.items():
        block, stage = places.get(name, ("", ""))
        moved = after[name] != before.digests[name]
        row = Tensor(
            name=name,
            block=block,
            stage=stage,
            values=tensor.numel(),
            may_move=name in may_move,
            moved=moved,
            movement=_movement(before.tensors.get(name), tensor) if moved else 0.0,
        )
        rows.append(row)
    return tuple(rows)


def sentence(rows: Sequence[Tensor]) -> str:
    """The audit in one sentence."""
    count = Counter(row.verdict for row in rows)
    if count["broken"]:
        first = next(row.name for row in rows if row.verdict == "broken")
        return f"{count['broken']} frozen tensors moved, {first} first. This is a defect of Thaw; please report it."
    frozen = "Nothing was frozen"
    if count["frozen"]:
        frozen = f"All {count['frozen']} frozen tensors are byte for byte what they were"
    idle = f", {count['idle']} that could train stood still" if count["idle"] else ""
    return f"{frozen}; {count['trained']} trained tensors moved{idle}."


def to_csv(rows: Sequence[Tensor]) -> str:
    """audit.csv: a row a tensor."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow(
            (row.name, row.block, row.stage, row.values, row.may_move, row.moved, f"{row.movement:.6g}", row.verdict)
        )
    return text.getvalue()


def digests(state: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """Name -> SHA-256 of the tensor's bytes, shape and type."""
    with ThreadPoolExecutor(threads(), thread_name_prefix="digests") as pool:  # hashing lets go of the interpreter
        return dict(zip(state, pool.map(_digest, state.values()), strict=True))


def base_digest(made: Mapping[str, str]) -> str:
    """One digest for those of a whole state dict: identifies what a run started from."""
    return hashlib.sha256("".join(f"{name}:{made[name]};" for name in sorted(made)).encode()).hexdigest()


def _movement(before: torch.Tensor | None, after: torch.Tensor) -> float:
    if before is None:
        return float("inf")  # it was promised frozen, so nothing was kept to measure by
    now = after.detach().cpu()
    if not before.is_floating_point():  # a counter: its difference must not wrap around
        before, now = before.double(), now.double()
    change, start = (torch.linalg.vector_norm(tensor) for tensor in (now - before, before))
    return float(change / start) if start > 0 else 1.0


def _digest(tensor: torch.Tensor) -> str:
    plain = tensor.detach().cpu().contiguous()
    digest = hashlib.sha256(f"{plain.dtype}{tuple(plain.shape)}".encode())
    digest.update(plain.view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
