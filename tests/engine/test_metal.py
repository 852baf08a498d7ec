"""A Mac's GPU, by a stand-in: what torch says of it is made up, and where torch would reach it is written down."""

import pytest
import torch

from engine import devices
from engine.errors import DeviceError
from engine.training.numerics import choose, numerics
from tests.engine.training.toy import chain

MPS, CPU = torch.device("mps"), torch.device("cpu")


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the GPU was asked to do."""
    asked: list[object] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 12 << 30)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 5 << 30)
    monkeypatch.setattr(torch.mps, "manual_seed", lambda number: asked.append(("seed", number)))
    monkeypatch.setattr(torch.mps, "empty_cache", lambda: asked.append("empty"))
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda device: asked.append(("wait", device)))
    return asked


def test_it_comes_before_the_cpu_and_gives_no_reason(mac: list[object]) -> None:
    gpu, cpu = devices.available()
    assert (gpu.device, gpu.name, gpu.memory_bytes) == ("mps", "Apple GPU", 12 << 30)
    assert cpu.device == "cpu" and devices.why_no_gpu() == cpu.why == ""
    assert devices.pick("auto") == devices.pick("mps") == MPS and devices.pick("cpu") == CPU
    with pytest.raises(DeviceError, match="Choose auto or one of: mps, cpu"):
        devices.pick("cuda")


def test_cuda_comes_before_it(mac: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    class Properties:
        name, total_memory = "Fast One", 8 << 30

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: Properties)
    assert [entry.device for entry in devices.available()] == ["cuda:0", "mps", "cpu"]
    assert devices.pick("auto") == torch.device("cuda:0")


def test_it_trains_in_fp32_and_in_the_usual_layout(mac: list[object]) -> None:
    assert choose(chain(), "auto", MPS, side=32) == numerics("fp32", MPS)
    assert devices.precision(MPS, "fp32") == (None, "fp32")
    for wanted in ("bf16", "fp16"):
        with pytest.raises(DeviceError, match="Apple GPUs train in fp32"):
            devices.precision(MPS, wanted)


def test_its_memory_seed_and_clock_are_its_own(mac: list[object]) -> None:
    assert (devices.memory_used(MPS), devices.memory_free(MPS)) == (5 << 30, 7 << 30)
    devices.seed(MPS, 7)
    devices.seed(CPU, 8)
    devices.synchronise(MPS)
    devices.synchronise(CPU)
    devices.release_memory()
    assert mac == [("seed", 7), ("wait", MPS), "empty"]
    assert devices.name(MPS) == "Apple GPU" and devices.threads(MPS) == 0
    assert devices.is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"))


def test_without_one_nothing_asks_for_it() -> None:
    devices.release_memory()
    assert all(entry.device != "mps" for entry in devices.available())
