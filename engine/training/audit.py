"""Audit: which tensors moved and which did not, byte for byte, against what the plan promised."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The proof of a freeze plan. Names are tensors of the model's state dict."""

    moved: tuple[str, ...]
    unchanged: tuple[str, ...]
    broken: tuple[str, ...]
    """Tensors that were promised frozen and moved; empty unless the engine has a defect."""

    @property
    def frozen_unchanged(self) -> bool:
        return not self.broken


def digests(state: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """Name -> SHA-256 of the tensor's bytes, shape and type."""
    return {name: _digest(tensor) for name, tensor in state.items()}


def base_digest(made: Mapping[str, str]) -> str:
    """One digest for the digests of a whole state dict: identifies what a run started from."""
    return hashlib.sha256("".join(f"{name}:{made[name]};" for name in sorted(made)).encode()).hexdigest()


def compare(before: Mapping[str, str], after: Mapping[str, str], *, may_move: Iterable[str]) -> Audit:
    """Hold two sets of digests against the names that were allowed to move."""
    allowed = set(may_move)
    moved = tuple(name for name in before if before[name] != after[name])
    unchanged = tuple(name for name in before if before[name] == after[name])
    return Audit(moved=moved, unchanged=unchanged, broken=tuple(name for name in moved if name not in allowed))


def _digest(tensor: torch.Tensor) -> str:
    plain = tensor.detach().cpu().contiguous()
    header = f"{plain.dtype}{tuple(plain.shape)}".encode()
    return hashlib.sha256(header + plain.view(-1).view(torch.uint8).numpy().tobytes()).hexdigest()
