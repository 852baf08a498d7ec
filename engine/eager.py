"""Eager: torch computes as it is told, and its compiler stays on disk; loading it takes longer than loading torch.

torchvision and every optimizer ask the compiler one question, which has one answer where nothing is compiled. Whoever
does compile finds all of it as ever. Importing this file does not import torch.
"""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_ASKED = "torch._dynamo.utils"


class _StandIn(ModuleType):
    """Knows what torchvision asks; whoever asks for more gets the module itself."""

    def is_compile_supported(self, device_type: str) -> bool:
        from torch._dynamo.utils import is_compile_supported

        return bool(is_compile_supported(device_type))

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(_ASKED) is self:
            del sys.modules[_ASKED]
        return getattr(import_module(_ASKED), name)


@contextmanager
def importing_torchvision() -> Iterator[None]:
    """Inside, a first import of torchvision loads no compiler for its one function that may want it (RoI align)."""
    stand_in = _StandIn(_ASKED)
    sys.modules.setdefault(_ASKED, stand_in)
    try:
        yield
    finally:
        if sys.modules.get(_ASKED) is stand_in:
            del sys.modules[_ASKED]


@cache
def eager(kind: "type[torch.optim.Optimizer]") -> "Callable[..., torch.optim.Optimizer]":
    """`kind` with its methods as they are under what tells the compiler to leave them alone; the same numbers."""
    import torch

    told = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in told}
    return type(kind.__name__, (kind,), methods | {"step": torch.no_grad()(inspect.unwrap(kind.step))})
