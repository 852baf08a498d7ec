"""Devices: what can train here, how it computes best, how much memory it has, and why there is no GPU.

The only file that says "cuda". Not here: who uses a device (work), what only a Mac has (metal). Loads without torch.
"""

import ctypes
import os
import platform
import re
import resource
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from engine import metal
from engine.errors import DeviceError
from engine.events import Device

if TYPE_CHECKING:
    import torch

_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED", "Cannot allocate memory")
_MEMINFO = Path("/proc/meminfo")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h


def available() -> list[Device]:
    """What can train here, the preferred device first; the CPU is always there and comes last."""
    why = why_no_gpu()
    cpu = Device(device="cpu", name=_cpu_name(), memory_bytes=_cpu_total_bytes(), why=why)
    return [cpu] if why else [*_gpus(), *metal.gpus(), cpu]


def why_no_gpu() -> str:
    """One sentence, or "" when there is a GPU that can be used."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an old driver is a warning here and a sentence below
        if (torch.cuda.is_available() and torch.cuda.device_count() > 0) or metal.gpus():
            return ""
    if not _driver_found():
        return "No NVIDIA driver was found on this machine, so training uses the CPU."
    if torch.version.cuda is None:
        build = f"The installed PyTorch ({torch.__version__}) is a CPU-only build."
        return f"{build} Install a CUDA build of torch to use the GPU."
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "The variable CUDA_VISIBLE_DEVICES hides every GPU. Unset it to use the GPU."
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:  # torch's messages run to paragraphs and end in addresses
        cause = re.split(r"\. |\n", str(error).strip())[0].rstrip(".")
        return f"The GPU cannot be used: {cause or 'PyTorch gave no reason'}."
    return "The NVIDIA driver reports no GPU, so training uses the CPU."


def pick(name: str) -> "torch.device":
    """The device for 'auto', 'cpu', 'mps', 'cuda' or 'cuda:N'; DeviceError names the ones there are."""
    import torch

    devices = available()
    names = [entry.device for entry in devices]
    for known in names:
        if name in ("auto", known, known.partition(":")[0]):
            return torch.device(known)
    choice = f"There is no device {name[:40]!r} here. Choose auto or one of: {', '.join(names)}."
    raise DeviceError(f"{choice} {devices[-1].why}".strip())


def name(device: "torch.device") -> str:
    """What the maker calls it."""
    if device.type == "cuda":
        import torch

        return torch.cuda.get_device_name(device)
    return metal.NAME if device.type == "mps" else _cpu_name()


def precision(device: "torch.device", wanted: str) -> "tuple[torch.dtype | None, str]":
    """The autocast dtype (None computes in float32 throughout) and its name, for 'auto', 'fp32', 'bf16' or 'fp16'."""
    import torch

    if device.type == "mps":
        return metal.number_format(wanted)
    gpu = device.type == "cuda"
    bf16 = not gpu or torch.cuda.is_bf16_supported(including_emulation=False)
    if wanted == "auto":
        wanted = "bf16" if gpu and bf16 else "fp32"
    if wanted == "fp16" and not gpu:
        raise DeviceError("The CPU does not train in fp16. Choose precision auto, fp32 or bf16.")
    if wanted == "bf16" and not bf16:
        raise DeviceError(f"{name(device)} does not compute in bf16. Choose precision auto, fp32 or fp16.")
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[wanted], wanted


def computes_bf16() -> bool:
    """Whether the processor computes in bf16 rather than emulating it, which is many times slower than fp32.

    ONEDNN_MAX_CPU_ISA counts, which makes a lesser processor of it.
    """
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "DEFAULT").upper()
    if not any(word in allowed for word in ("DEFAULT", "ALL", "BF16", "AMX")):
        return False
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(processor_flags())


def processor_flags() -> frozenset[str]:
    """What Linux says the processor can do, such as avx2; nothing elsewhere."""
    lines, names = (line.partition(":") for line in _read_cpuinfo()), ("flags", "Features")  # on x86, on ARM
    return frozenset(flag for name, _, value in lines if name.strip() in names for flag in value.split())


def memory_used(device: "torch.device") -> int:
    """Bytes this process holds: on a GPU what the allocator has reserved, on the CPU resident memory."""
    if device.type == "cuda":
        import torch

        return torch.cuda.memory_reserved(device)
    if device.type == "mps":
        return metal.used_bytes()
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def memory_free(device: "torch.device") -> int:
    """Bytes that can still be had, other processes considered."""
    if device.type == "cuda":
        import torch

        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return metal.free_bytes()
    limit, used = _limit_bytes(), _read_number(*_CGROUP_USED)
    free = _meminfo("MemAvailable") or _cpu_total_bytes()
    return min(free, max(0, limit - used)) if limit and used else free


def keep_memory() -> None:
    """Have this process keep what tensors have freed for the next ones, until `release_memory`.

    glibc maps what is large anew each time, and every page of it costs a fault: 2,500 to 5,000 of them an image, a
    tenth to a fifth of a frozen pass. Other C libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def release_memory() -> None:
    """Give back what allocators keep for later, so that what is measured next is not the past."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    metal.give_back()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:  # glibc
        trim(0)


def seed(device: "torch.device", number: int) -> None:
    """Seed what draws for `device`; torch.manual_seed takes a millisecond for every backend there might be."""
    import torch

    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(number)
    elif device.type == "mps":
        torch.mps.manual_seed(number)


def set_determinism(device: "torch.device", *, reproducible: bool) -> None:
    """Let a GPU take its quickest kernels, or only such as give the same bits every time."""
    if device.type != "cuda":
        return
    import torch

    if reproducible:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what torch's documentation asks for
    torch.backends.cudnn.benchmark = not reproducible
    torch.use_deterministic_algorithms(reproducible, warn_only=True)


def synchronise(device: "torch.device") -> None:
    """Wait until the device has done what it was told."""
    if device.type != "cpu":
        import torch

        torch.accelerator.synchronize(device)


def sent(tensor: "torch.Tensor", device: "torch.device") -> "torch.Tensor":
    """`tensor` of the CPU on `device`; CUDA copies it while other work goes on."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def set_threads(threads: int = 0) -> int:
    """Use this many CPU threads from now on; 0 takes $THAW_THREADS, else as many as there are cores.

    Their number changes the last bits of a result on the CPU, so it is set once and recorded.
    """
    import torch

    wanted = threads or int(os.environ.get("THAW_THREADS") or 0) or len(_cores())
    torch.set_num_threads(wanted)
    return wanted


def threads(device: "torch.device") -> int:
    """How many CPU threads decide the bits of what `device` computes: 0 on a GPU."""
    import torch

    return torch.get_num_threads() if device.type == "cpu" else 0


def spare_cores() -> int:
    """How many cores computing on the CPU leaves to others."""
    import torch

    return max(0, len(_cores()) - torch.get_num_threads())


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory ran out, on the device or in the machine."""
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError | OSError) and any(words in str(error) for words in _NO_MEMORY)


def _gpus() -> list[Device]:
    import torch

    gpus = enumerate(torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count()))
    return [Device(device=f"cuda:{at}", name=gpu.name, memory_bytes=gpu.total_memory, why="") for at, gpu in gpus]


def _driver_found() -> bool:
    """A driver leaves a trace in /proc, or (in WSL and some containers) only its library."""
    if Path("/proc/driver/nvidia").exists() or Path("/dev/dxg").exists():
        return True
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _cpu_name() -> str:
    model = next((line.partition(":")[2].strip() for line in _read_cpuinfo() if line.startswith("model name")), "")
    return f"{model or platform.processor() or 'CPU'}, {len(_cores())} cores"


def _read_cpuinfo() -> list[str]:
    """What Linux says of the processors; nothing elsewhere."""
    try:
        return Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return []


def _cores() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


_CGROUP_LIMIT = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_CGROUP_USED = (Path("/sys/fs/cgroup/memory.current"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"))


def _cpu_total_bytes() -> int:
    total = _meminfo("MemTotal") or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(total, _limit_bytes() or total)


def _limit_bytes() -> int:
    """What a container may use; 0 without a limit."""
    limit = _read_number(*_CGROUP_LIMIT)
    return limit if limit < 1 << 60 else 0


def _meminfo(name: str) -> int:
    try:
        line = next(line for line in _MEMINFO.read_text().splitlines() if line.startswith(f"{name}:"))
    except (OSError, StopIteration):
        return 0
    return int(line.split()[1]) * 1024


def _read_number(*paths: Path) -> int:
    """The number in the first of the files that holds one; 0 otherwise."""
    for path in paths:
        try:
            return int(path.read_text())
        except (OSError, ValueError):
            continue
    return 0
