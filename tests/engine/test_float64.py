"""Float64 where a device has none. A device that refuses it is a stand-in: the CPU for steps, tensors without values
that say they lie on a Mac for what is solved."""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from engine import float64
from engine.float64 import exact
from engine.training.solved import solving
from engine.training.state import Training
from engine.training.step import Batch, optimise
from tests.engine.training.toy import CLASSES, SIDE, config, training


class Refusing(TorchDispatchMode):
    """No float64 comes into being on `device`."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self._device = device

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        made = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves(made) if isinstance(leaf, torch.Tensor)]
        if any(tensor.device.type == self._device and tensor.dtype is torch.float64 for tensor in tensors):
            raise TypeError(f"{func} makes float64")
        return made


def step(made: Training) -> torch.Tensor:
    inputs = torch.rand(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    return optimise(made, Batch(inputs=inputs, targets=torch.tensor([0, 1, 2, 0]), start=0, prefix=0, seed=1))


def stepping() -> Training:
    made = training(config(strategy="full_finetune"))
    made.class_weights = torch.tensor([1.0, 2.0, 3.0])
    made.chain.train_blocks(range(len(made.chain.blocks)))
    return made


def test_a_step_takes_no_float64_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = stepping()
    step(expected)
    with pytest.raises(TypeError, match="float64"), Refusing("cpu"):
        step(expected)
    monkeypatch.setattr(float64, "_WITHOUT", {"cpu"})
    with Refusing("cpu"):
        made = stepping()
        step(made)
    assert expected.sums.dtype is torch.float64 and made.sums.dtype is torch.float32
    assert made.sums.tolist() == pytest.approx(expected.sums.tolist())


class Shown:
    """Four images that lie on the Mac."""

    def __init__(self) -> None:
        self.targets = torch.empty(4, dtype=torch.int64, device="mps")

    def start(self, reach: int, epoch: int | None) -> int:
        return 0

    def instant(self, epoch: int | None, start: int) -> bool:
        return True

    def batch(self, rows: object, epoch: int | None, start: int = 0) -> torch.Tensor:
        return torch.empty(4, 3, SIDE, SIDE, device="mps")


def on_a_mac(made: Training) -> None:
    """Its tensors without values, said to lie there."""
    for module in made.chain.model.modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    there = torch.empty(tensor.shape, dtype=tensor.dtype, device="mps")
                    tensors[name] = nn.Parameter(there) if isinstance(tensor, nn.Parameter) else there
    made.class_weights = torch.empty(CLASSES, device="mps")
    made.sums = torch.empty(4, device="mps")


def test_a_head_is_solved_beside_a_device_without_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode  # here, because it loads for seconds

    made = training(config(strategy="linear_probe"))
    made.device = torch.device("mps")
    monkeypatch.setattr(solving.devices, "memory_free", lambda device: 1 << 40)
    with FakeTensorMode(), Refusing("mps"):
        on_a_mac(made)
        looking = solving._examples(made, Shown())
        with pytest.raises(StopIteration) as end:
            while True:
                next(looking)
        examples = end.value.value
        given = (examples.features, examples.labels, examples.images, examples.weights, examples.class_weights)
        assert {tensor.device.type for tensor in given} == {"cpu"} and examples.features.dtype is torch.float64
        assert exact(made.sums).device.type == solving._sums(made, examples).device.type == "cpu"
