"""Ghost: a tensor with a shape but without values, which stands for what a pass does not compute.

Whatever it touches becomes a ghost, and reading its values is an error: a result that is no ghost owes nothing to one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

T = TypeVar("T")


class Ghost(Tensor):
    """Lives on the meta device, but says it lives where the tensor that it stands for does."""

    place: torch.device

    @classmethod
    def __torch_function__(  # type: ignore[no-untyped-def]
        cls,
        func: Callable,
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ):
        given = dict(kwargs or {})
        place = next(leaf.place for leaf in leaves((args, given)) if isinstance(leaf, Ghost))
        if func == Tensor.device.__get__:
            return (
                place  # what is made on it must not land on the meta device, where nothing would tell it from a ghost
            )
        if _writes_into_real(func, args, given):
            raise RuntimeError(f"{func.__name__} would write a value that is not computed")
        with torch._C.DisableTorchFunctionSubclass():
            out = func(*tree_map(_bare, tuple(args)), **tree_map(_bare, given))
        return tree_map(lambda leaf: _ghost(leaf, place), out)


def ghosts_of(tree: T) -> T:
    """`tree`, any nesting of tuples, lists and dictionaries, with a ghost in place of each tensor."""
    return tree_map(
        lambda leaf: _ghost(torch.empty_like(leaf, device="meta"), leaf.device) if isinstance(leaf, Tensor) else leaf,
        tree,
    )


def leaves(tree: object) -> list[object]:
    """What is in the nesting `tree`, in order."""
    found: list[object] = []
    tree_map(found.append, tree)
    return found


def _ghost(leaf: object, place: torch.device) -> object:
    if not isinstance(leaf, Tensor):
        return leaf
    made = leaf.detach().as_subclass(Ghost)
    made.place = place
    return made


def _bare(leaf: object) -> object:
    """What the real function is given: everything on the meta device."""
    if isinstance(leaf, Ghost):
        return leaf.as_subclass(Tensor)
    if isinstance(leaf, Tensor):
        return leaf.to("meta")
    return torch.device("meta") if isinstance(leaf, torch.device) else leaf


def _writes_into_real(func: Callable, args: Sequence[object], kwargs: Mapping[str, object]) -> bool:
    name = getattr(func, "__name__", "")
    in_place = name == "__setitem__" or name.startswith("__i") or (name.endswith("_") and not name.endswith("__"))
    target = kwargs.get("out", args[0] if in_place and args else None)
    return target is not None and any(
        isinstance(leaf, Tensor) and not isinstance(leaf, Ghost) for leaf in leaves(target)
    )
