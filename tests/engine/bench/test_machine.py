"""What computed, and how a processor is measured as a lesser one."""

import subprocess
import sys

import pytest

from engine import devices
from engine.bench.machine import PROCESSORS, act_as, machine_of
from engine.errors import EngineError


def test_the_machine_says_what_it_has_and_what_it_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_read_cpuinfo", lambda: ["model name : Quick", "flags : fpu avx2 avx512f amx_bf16"])
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    said = machine_of("cpu")
    assert said.startswith("Quick, ") and "(avx2, avx512f, amx_bf16; torch uses " in said
    assert "by ONEDNN_MAX_CPU_ISA=AVX2)" in said and "torch 2" in said


def test_a_lesser_processor_is_taken_whole_or_not_at_all() -> None:
    """In this process torch has read its variables, so the others would come too late."""
    with pytest.raises(EngineError, match="torch is loaded already, so it cannot act as on avx2"):
        act_as("avx2")
    act_as("")
    code = (
        "import os; from engine.bench.machine import act_as, PROCESSORS; act_as('avx2'); import torch;"
        "print(torch.backends.cpu.get_cpu_capability(), PROCESSORS['avx2'].items() <= os.environ.items())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    capability, everywhere = done.stdout.split()
    assert everywhere == "True" and capability in ("AVX2", "DEFAULT"), "DEFAULT where there is no AVX2 at all"


def test_a_lesser_processor_is_asked_for_the_formats_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_read_cpuinfo", lambda: ["flags : avx2 avx512_bf16"])
    assert devices.computes_bf16()
    for name, value in PROCESSORS["avx2"].items():
        monkeypatch.setenv(name, value)
    assert not devices.computes_bf16()
