"""Without the compiler: the same numbers, and the compiler itself for whoever asks for more of it."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engine.eager import eager

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
def test_an_eager_optimizer_takes_the_same_steps(kind: type[torch.optim.Optimizer]) -> None:
    results = []
    for made in (kind, eager(kind)):
        parameter = torch.nn.Parameter(torch.linspace(-1, 1, 7))
        optimizer = made([{"params": [parameter], "weight_decay": 0.1}], lr=0.1, fused=True)  # type: ignore[call-arg]
        for _ in range(3):
            optimizer.zero_grad(set_to_none=True)
            parameter.square().sum().backward()
            optimizer.step()
        again = made([parameter], lr=0.5, fused=True)  # type: ignore[call-arg]
        again.load_state_dict(optimizer.state_dict())
        results.append((parameter.detach(), again.state_dict()))
    assert torch.equal(results[0][0], results[1][0])
    assert str(results[0][1]) == str(results[1][1])


def test_the_compiler_is_there_for_whoever_compiles() -> None:
    code = """
import sys, torch
from engine.eager import importing_torchvision
with importing_torchvision():
    import torchvision
    assert "torch._dynamo" not in sys.modules
from torchvision.ops.roi_align import is_compile_supported
import torch._dynamo.utils as utils
print(utils.counters is not None, is_compile_supported("cpu") == utils.is_compile_supported("cpu"))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_an_import_that_needs_more_of_the_compiler_gets_it() -> None:
    code = """
import sys, torch
from engine.eager import importing_torchvision
with importing_torchvision():
    import torch._dynamo.exc
    import torchvision
print(hasattr(sys.modules["torch._dynamo.utils"], "counters"))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"]
