"""Numerics: the number format and memory layout a run computes in; on a CPU chosen by timing the backbone itself.

bf16 doubles the speed of dense networks on processors that have it, slows depthwise ones, and crawls where it is
emulated. The answer is kept for the user, so that runs that are compared compute alike.
"""

import math
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch

from engine import devices
from engine.errors import EngineError
from engine.models.chain import Chain
from engine.record_files import read, write
from engine.workspace import user_cache

_WORTH = {"fp32 channels-last": 1.05, "bf16": 1.2, "bf16 channels-last": 1.2}
"""How much faster than fp32 a format has to be; bf16 is coarser."""
SECONDS = 2.0
"""Timing ends here, with what is known by then."""
_LOSING = 1.5
"""What needs this much longer than the fastest for the first image is not timed again."""
_IMAGES, _REPEATS = 4, 3
Work = Callable[[Chain, torch.Tensor], None]
_CHANNELS_LAST, _FUSED = " channels-last", " fused"


@dataclass(frozen=True, kw_only=True)
class Numerics:
    name: str
    """fp32, bf16 or fp16, then perhaps ` channels-last` and ` fused`: what is recorded."""
    dtype: torch.dtype | None
    """For autocast; None computes in float32 throughout."""
    memory_format: torch.memory_format
    fused: bool = False
    """Whether convolutions of frozen blocks take in what follows them (models.fusion)."""


def numerics(name: str, place: torch.device) -> Numerics:
    """The Numerics that `name` records. DeviceError when the device cannot."""
    dtype, _ = devices.precision(place, name.partition(" ")[0])
    layout = torch.channels_last if _CHANNELS_LAST in name else torch.contiguous_format
    return Numerics(name=name, dtype=dtype, memory_format=layout, fused=name.endswith(_FUSED))


def lay_out(chain: Chain, chosen: Numerics) -> None:
    """Have `chain` compute as `chosen` says, but for the number format, which is autocast's."""
    chain.model.to(memory_format=chosen.memory_format)
    chain.fuses = chosen.fused


def choose(chain: Chain, wanted: str, place: torch.device, *, side: int) -> Numerics:
    """What a run that asks for `wanted` computes in, on images of `side` pixels; `chain` must be on `place`."""
    if place.type != "cpu":  # tensor cores want channels last
        return numerics(devices.precision(place, wanted)[1] + _CHANNELS_LAST * (place.type == "cuda"), place)
    name = _kept(chain, place, side) if wanted == "auto" else devices.precision(place, wanted)[1]
    return numerics(name + _FUSED * (name.startswith("fp32") and fuses_here()), place)


def fuses_here() -> bool:
    """Whether fused convolutions are known to pay: measured in fp32 on x86 only."""
    return torch.backends.mkldnn.is_available() and platform.machine() in ("x86_64", "AMD64")


def candidates() -> tuple[str, ...]:
    """What is worth timing on this processor."""
    formats = ("fp32", "bf16") if devices.computes_bf16() else ("fp32",)
    return tuple(name + layout for name in formats for layout in ("", _CHANNELS_LAST))


def time_formats(chain: Chain, place: torch.device, side: int) -> dict[str, float]:
    """Name -> seconds. The model is left as it was, in eval mode; fp32 is never missing.

    Number formats are timed forward and backward: depthwise networks can gain forward what they lose backward. Layouts
    alone are timed forward, on more than one image: a single one keeps the cores busy in another way.
    """
    chain.train_blocks(())
    deadline = time.perf_counter() + SECONDS
    images = torch.rand(_IMAGES, 3, side, side, generator=torch.Generator().manual_seed(0)).to(place)
    seconds = (_time_steps if devices.computes_bf16() else _time_forward)(chain, images, deadline=deadline)
    chain.model.to(memory_format=torch.contiguous_format)
    return seconds


def fastest(seconds: Mapping[str, float]) -> str:
    """The format to take, of those that were timed; of equal ones the first."""
    return min(seconds, key=lambda name: seconds[name] * _WORTH.get(name, 1.0))


def needs_timing(chain: Chain, wanted: str, place: torch.device, *, side: int) -> bool:
    """Whether `choose` will take up to SECONDS, because nobody has asked that before."""
    return wanted == "auto" and place.type == "cpu" and _key(chain, place, side) not in _known()


def _kept(chain: Chain, place: torch.device, side: int) -> str:
    key, known = _key(chain, place, side), _known()
    if key not in known:
        known[key] = fastest(time_formats(chain, place, side))
        with suppress(OSError):  # a home that cannot be written costs the next run two seconds
            write(_path(), known)
    return known[key]


def _key(chain: Chain, place: torch.device, side: int) -> str:
    machine = f"{devices.name(place)} {platform.machine()}"
    versions = f"{torch.__version__} {torch.get_num_threads()} {' '.join(candidates())} of {_IMAGES}"
    return f"{chain.backbone} {side} {machine} {versions}"


def _known() -> dict[str, str]:
    try:
        return read(_path(), dict[str, str])
    except (OSError, EngineError):  # missing or damaged: it is only a cache
        return {}


def _path() -> Path:
    return user_cache() / "number_formats.json"


def _time_steps(chain: Chain, images: torch.Tensor, *, deadline: float) -> dict[str, float]:
    """The first image drops the losers; what there is no time for is missing."""
    seconds = _race(chain, images[:1], candidates(), deadline=deadline, work=_step)
    fastest = min(seconds.values())
    left = [name for name, spent in seconds.items() if spent <= _LOSING * fastest]
    if left != ["fp32"]:
        again = _race(chain, images, left, deadline=deadline, work=_step)
        if again.keys() == set(left):
            return {name: spent * len(images) for name, spent in seconds.items()} | again
    return seconds


def _time_forward(chain: Chain, images: torch.Tensor, *, deadline: float) -> dict[str, float]:
    """One image says whether there is time for more."""
    seconds = _race(chain, images[:1], candidates(), deadline=math.inf, work=_forward, repeats=1)
    if time.perf_counter() + 2 * len(images) * sum(seconds.values()) > deadline:
        return seconds
    return _race(chain, images, candidates(), deadline=deadline, work=_forward)


def _race(
    chain: Chain, images: torch.Tensor, names: Sequence[str], *, deadline: float, work: Work, repeats: int = _REPEATS
) -> dict[str, float]:
    """Name -> seconds of its fastest pass, in turns as far as there is time; the first has at least one."""
    seconds: dict[str, float] = {}
    for _, name in product(range(1 + repeats), names):
        if seconds and time.perf_counter() > deadline:
            break
        chosen = numerics(name, images.device)
        chain.model.to(memory_format=chosen.memory_format)
        inputs = images.contiguous(memory_format=chosen.memory_format)
        started = time.perf_counter()
        with torch.autocast(inputs.device.type, dtype=chosen.dtype, enabled=chosen.dtype is not None):
            work(chain, inputs)
        seconds[name] = min(time.perf_counter() - started, seconds.get(name, math.inf))
    return seconds


def _step(chain: Chain, inputs: torch.Tensor) -> None:
    parameters = [parameter for parameter in chain.model.parameters() if parameter.requires_grad]
    torch.autograd.grad(chain(inputs).float().sum(), parameters, allow_unused=True)


def _forward(chain: Chain, inputs: torch.Tensor) -> None:
    with torch.no_grad():
        chain(inputs)
