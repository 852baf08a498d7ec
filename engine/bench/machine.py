"""Machine: what computed: the processor and what it can do, what it was allowed, the software.

A better processor can be measured as a lesser one. Loads without torch. Not here: who measures.
"""

import os
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec

from engine import devices
from engine.errors import EngineError

PROCESSORS: Mapping[str, Mapping[str, str]] = {
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
    },
}
"""Name -> the variables with which the libraries use no more than it has: torch, oneDNN, MKL, and numpy's OpenBLAS."""
_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "asimd", "sve", "bf16")


def act_as(processor: str) -> None:
    """Have this process and all that it starts use no more than `processor` has; "" leaves the machine as it is.

    The libraries read their variables once. EngineError where torch is loaded already, which would halve the measure.
    """
    if not processor:
        return
    if "torch" in sys.modules:
        raise EngineError(f"torch is loaded already, so it cannot act as on {processor}. Start the bench by itself.")
    os.environ.update(PROCESSORS[processor])


def machine_of(device: str) -> str:
    """One line for people: processor, what it has and may use, memory, system, versions."""
    place, cpu = devices.pick(device), devices.available()[-1]
    memory = f"{cpu.memory_bytes / 2**30:.0f} GiB" if cpu.memory_bytes else "unknown memory"
    others = f", {devices.name(place)}" if place.type != "cpu" else ""
    names = ("torch", "torchvision", "fastai", "scikit-learn")
    software = [f"{name} {version(name)}" for name in names if find_spec(name.replace("scikit-learn", "sklearn"))]
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{cpu.name} ({_abilities()}){others}, {memory}, {system}, {', '.join(software)}"


def _abilities() -> str:
    import torch

    flags = devices.processor_flags()
    has = ", ".join(name for name in _FEATURES if name in flags) or "no instruction sets known"
    limits = [f"{name}={os.environ[name]}" for name in PROCESSORS["avx2"] if os.environ.get(name)]
    allowed = f" by {', '.join(limits)}" if limits else ""
    return f"{has}; torch uses {torch.backends.cpu.get_cpu_capability()}{allowed}"
