"""A device that is not there is said with its reason; what is there computes as asked."""

import ctypes
import mmap
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from engine import devices
from engine.errors import DeviceError
from engine.training.numerics import choose, numerics
from tests.engine.training.toy import chain

CPU = torch.device("cpu")


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    class Properties:
        name, total_memory = "Fast One", 8 << 30

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: Properties)


def test_importing_the_file_does_not_import_torch():
    code = "import sys, engine.devices; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_a_gpu_the_cpu_is_there_and_says_why(no_gpu: None):
    (cpu,) = devices.available()
    assert cpu.device == "cpu" and "cores" in cpu.name
    assert cpu.memory_bytes > 256 << 20
    assert cpu.why.endswith(".")


def raising(message: str) -> Callable[[], None]:
    def init() -> None:
        raise RuntimeError(message)

    return init


OLD_DRIVER = (
    "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by "
    "downloading https://x"
)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ({"driver": False}, "No NVIDIA driver was found"),
        ({"build": None}, "is a CPU-only build"),
        ({"visible": ""}, "CUDA_VISIBLE_DEVICES hides every GPU"),
        (
            {"init": raising(OLD_DRIVER)},
            "The GPU cannot be used: The NVIDIA driver on your system is too old (found version 11040).",
        ),
        ({"init": raising("")}, "The GPU cannot be used: PyTorch gave no reason."),
        ({"init": lambda: None}, "reports no GPU"),
    ],
)
def test_each_cause_has_its_own_sentence(
    no_gpu: None, monkeypatch: pytest.MonkeyPatch, cause: dict[str, object], words: str
):
    case = {"driver": True, "build": "13.2", "visible": "0", "init": raising("unasked"), **cause}
    monkeypatch.setattr(devices, "_driver_found", lambda: case["driver"])
    monkeypatch.setattr(torch.version, "cuda", case["build"])
    monkeypatch.setattr(torch.cuda, "init", case["init"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", str(case["visible"]))
    assert words in devices.why_no_gpu()
    assert "https" not in devices.why_no_gpu()


def test_gpus_come_first_and_give_no_reason(two_gpus: None):
    listed = devices.available()
    assert [(device.device, device.why) for device in listed] == [("cuda:0", ""), ("cuda:1", ""), ("cpu", "")]
    assert (listed[1].name, listed[1].memory_bytes) == ("Fast One", 8 << 30)


@pytest.mark.parametrize(
    ("name", "device"), [("auto", "cuda:0"), ("cuda", "cuda:0"), ("cuda:1", "cuda:1"), ("cpu", "cpu")]
)
def test_pick_with_gpus(two_gpus: None, name: str, device: str):
    assert devices.pick(name) == torch.device(device)


def test_pick_without_gpus(no_gpu: None):
    assert devices.pick("auto") == CPU
    for name in ("cuda:0", "cuda", "tpu", ""):
        with pytest.raises(DeviceError, match=r"Choose auto or one of: cpu\. "):
            devices.pick(name)


def test_precision_on_the_cpu():
    assert devices.precision(CPU, "auto") == (None, "fp32")
    assert devices.precision(CPU, "bf16") == (torch.bfloat16, "bf16")
    with pytest.raises(DeviceError, match="fp16"):
        devices.precision(CPU, "fp16")


def test_precision_on_a_gpu_with_and_without_bf16(monkeypatch: pytest.MonkeyPatch):
    gpu = torch.device("cuda:0")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert devices.precision(gpu, "auto") == (torch.bfloat16, "bf16")
    assert choose(chain(), "auto", gpu, side=32) == numerics("bf16 channels-last", gpu)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Old One")
    assert devices.precision(gpu, "auto") == (None, "fp32")
    assert devices.precision(gpu, "fp16") == (torch.float16, "fp16")
    with pytest.raises(DeviceError, match="Old One does not compute in bf16"):
        devices.precision(gpu, "bf16")


def test_memory_of_the_process_grows_with_what_it_holds():
    size = 64 << 20
    before = devices.memory_used(CPU)
    with mmap.mmap(-1, size) as held:  # fresh pages; the allocator may have freed ones to give out again
        held.write(b"\1" * size)
        assert devices.memory_used(CPU) - before > 48 << 20
    assert 0 < devices.memory_free(CPU) <= devices.available()[-1].memory_bytes


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="only glibc can be asked")
def test_memory_that_was_freed_can_be_given_back():
    """Or the next run would seem to take what the one before took."""
    blocks = [bytes(2048) for _ in range(40_000)]
    last = blocks[-1]  # below it the heap cannot shrink by itself
    del blocks
    held = devices.memory_used(CPU)
    devices.release_memory()
    assert held - devices.memory_used(CPU) > 40 << 20 and last


@pytest.mark.skipif(sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="other allocators")
def test_large_tensors_cost_no_page_faults_once_memory_is_kept() -> None:
    code = """
import resource, torch
from engine import devices
torch.set_num_threads(1)
def faults(passes):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(passes):
        torch.ones(16, 1 << 20).relu().sum()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults(2)
mapped = faults(5)
devices.keep_memory()
faults(5)
kept = min(faults(5) for _ in range(3))  # a system short of memory may take a page away meanwhile
held = devices.memory_used(torch.device("cpu"))
devices.release_memory()
print(mapped, kept, held - devices.memory_used(torch.device("cpu")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    mapped, kept, released = map(int, done.stdout.split())
    assert kept < 50 < mapped, "every pass would map and unmap 128 MB"
    assert released > 100 << 20


def test_a_container_limit_counts_as_the_memory_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    limit, used = tmp_path / "limit", tmp_path / "used"
    limit.write_text("600000000\n")
    used.write_text("599000000\n")
    monkeypatch.setattr(devices, "_CGROUP_LIMIT", (tmp_path / "missing", limit))
    monkeypatch.setattr(devices, "_CGROUP_USED", (used,))
    assert devices.available()[-1].memory_bytes == 600000000
    assert devices.memory_free(CPU) == 1000000
    limit.write_text("max\n")
    assert devices.available()[-1].memory_bytes != 600000000


def test_threads_are_set_and_said(monkeypatch: pytest.MonkeyPatch):
    before = torch.get_num_threads()
    try:
        assert devices.set_threads(1) == torch.get_num_threads() == 1
        monkeypatch.setenv("THAW_THREADS", "2")
        assert devices.set_threads() == torch.get_num_threads() == 2
        monkeypatch.delenv("THAW_THREADS")
        monkeypatch.setattr(devices, "_cores", lambda: {0, 1, 2, 3})
        assert devices.set_threads() == 4
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            True,
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_lack_of_memory_is_recognised(error: BaseException, answer: bool):
    assert devices.is_out_of_memory(error) is answer


def test_lack_of_memory_is_recognised_when_torch_really_runs_out():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert devices.is_out_of_memory(caught.value)


def test_a_device_has_the_name_that_the_list_shows():
    assert devices.name(CPU) == devices.available()[-1].name


def test_a_gpu_is_fast_unless_it_is_to_repeat_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    gpu = torch.device("cuda:0")
    try:
        devices.set_determinism(torch.device("cpu"), reproducible=False)
        assert not torch.backends.cudnn.benchmark
        devices.set_determinism(gpu, reproducible=False)
        assert torch.backends.cudnn.benchmark and not torch.are_deterministic_algorithms_enabled()
        devices.set_determinism(gpu, reproducible=True)
        assert not torch.backends.cudnn.benchmark and torch.are_deterministic_algorithms_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    finally:
        torch.use_deterministic_algorithms(False)
