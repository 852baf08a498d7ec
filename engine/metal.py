"""Metal: the GPU of a Mac with Apple silicon, which torch calls mps. Written after torch's documentation: it has never
met one.

Not here: which device is picked, and what the others do (devices). Importing this file does not import torch.
"""

import sys

from engine.errors import DeviceError
from engine.events import Device

NAME = "Apple GPU"


def gpus() -> list[Device]:
    """The one there is, or none. Its memory is the machine's, as much as Metal advises to take."""
    import torch

    if not torch.backends.mps.is_available():
        return []
    return [Device(device="mps", name=NAME, memory_bytes=torch.mps.recommended_max_memory(), why="")]


def number_format(wanted: str) -> tuple[None, str]:
    """As devices.precision: fp32 only, because what autocast and its loss scale do there was not tried."""
    if wanted not in ("auto", "fp32"):
        raise DeviceError(f"{NAME}s train in fp32. Choose precision auto or fp32.")
    return None, "fp32"


def used_bytes() -> int:
    """Bytes that Metal holds for this process."""
    import torch

    return torch.mps.driver_allocated_memory()


def free_bytes() -> int:
    """Bytes that Metal advises to take still."""
    import torch

    return max(0, torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())


def give_back() -> None:
    """Give back what the allocator keeps for later; nothing without a GPU or before torch is imported."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.backends.mps.is_available():
        torch.mps.empty_cache()
