"""Numerics: the number format and memory layout a run computes in; on a CPU chosen by measuring the backbone itself.

bf16 with channels last doubles the speed of dense networks on CPUs that have it and slows depthwise ones, so it is
timed and never assumed; the answer is kept by backbone, image size and machine, so that runs that are compared compute
alike.
"""

import json
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from engine import devices
from engine.models.chain import Chain
from engine.workspace import Workspace, atomic_write

WORTH = 1.2
"""bf16 is coarser than fp32: it has to be faster by this factor."""
_IMAGES, _REPEATS = 4, 3
_CHANNELS_LAST = " channels-last"


@dataclass(frozen=True, kw_only=True)
class Numerics:
    """How a run computes."""

    name: str
    """fp32, bf16, fp16, or one of these with ` channels-last`: what is recorded."""
    dtype: torch.dtype | None
    """For autocast; None computes in float32 throughout."""
    memory_format: torch.memory_format


def numerics(name: str, place: torch.device) -> Numerics:
    """The Numerics that `name` records. DeviceError when the device cannot."""
    dtype, _ = devices.precision(place, name.removesuffix(_CHANNELS_LAST))
    last = name.endswith(_CHANNELS_LAST)
    return Numerics(name=name, dtype=dtype, memory_format=torch.channels_last if last else torch.contiguous_format)


def choose(chain: Chain, wanted: str, place: torch.device, *, side: int, workspace: Workspace) -> Numerics:
    """What a run that asks for `wanted` computes in, on images of `side` pixels; `chain` must be on `place`."""
    if wanted == "auto" and place.type == "cpu":
        return numerics(_measured(chain, place, side, workspace), place)
    _, name = devices.precision(place, wanted)
    last = devices.memory_format(place) is torch.channels_last
    return numerics(name + _CHANNELS_LAST * last, place)


def _measured(chain: Chain, place: torch.device, side: int, workspace: Workspace) -> str:
    path = workspace.catalog / "numerics.json"
    key = (
        f"{chain.backbone} {side} {devices.name(place)} {platform.machine()} {torch.__version__} "
        f"{torch.get_num_threads()}"
    )
    known = _read(path)
    if key not in known:
        seconds = time_formats(chain, place, side)
        fastest = min(seconds, key=lambda name: seconds[name])
        known = {**_read(path), key: fastest if seconds["fp32"] > WORTH * seconds[fastest] else "fp32"}
        atomic_write(path, json.dumps(known, indent=1))
    return known[key]


def time_formats(chain: Chain, place: torch.device, side: int) -> dict[str, float]:
    """Name -> seconds for one forward and backward pass, the best of three. The model is left as it was, in eval mode.

    Both directions are timed, because depthwise networks can gain forward what they lose backward.
    """
    chain.train_blocks(())
    images = torch.rand(_IMAGES, 3, side, side, generator=torch.Generator().manual_seed(0)).to(place)
    seconds: dict[str, float] = {}
    for name in ("fp32", "bf16", f"bf16{_CHANNELS_LAST}"):
        chosen = numerics(name, place)
        chain.model.to(memory_format=chosen.memory_format)
        inputs = images.contiguous(memory_format=chosen.memory_format)
        seconds[name] = min(_seconds(chain, inputs, chosen) for _ in range(1 + _REPEATS))
    chain.model.to(memory_format=torch.contiguous_format)
    return seconds


def _seconds(chain: Chain, inputs: torch.Tensor, chosen: Numerics) -> float:
    parameters = [parameter for parameter in chain.model.parameters() if parameter.requires_grad]
    started = time.perf_counter()
    with torch.autocast(inputs.device.type, dtype=chosen.dtype, enabled=chosen.dtype is not None):
        logits = chain(inputs)
    torch.autograd.grad(logits.float().sum(), parameters, allow_unused=True)
    return time.perf_counter() - started


def _read(path: Path) -> Mapping[str, str]:
    try:
        known: dict[str, str] = json.loads(path.read_text())
    except (OSError, ValueError):  # missing or damaged: it is only a cache
        return {}
    return known
