"""Fused blocks compute what the model computes, from its weights as they are now, and leave the model alone."""

import pytest
import torch
from torch import Tensor, nn

from engine.models.chain import Chain
from engine.models.fusion import Fused, fuse
from engine.models.trace import trace
from engine.training.frozen.prefix import through_frozen
from tests.engine.models.checks import chain_of, images

BACKBONES = ("resnet18", "mobilenet_v3_small", "efficientnet_b0", "shufflenet_v2_x0_5", "squeezenet1_1")


def lived_in(model: nn.Module) -> None:
    """Norms as training leaves them: fresh ones change nothing."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                nn.init.uniform_(tensor, 0.7, 1.4)
            for tensor in (module.bias, module.running_mean):
                nn.init.normal_(tensor, std=0.1)


@pytest.fixture(scope="module", params=BACKBONES)
def chain(request: pytest.FixtureRequest) -> Chain:
    made = chain_of(request.param)
    lived_in(made.model)
    return made


def features(chain: Chain, x: Tensor, *, fuses: bool) -> Tensor:
    """What the head is given."""
    chain.fuses = fuses
    with torch.no_grad():
        return through_frozen(chain, x, start=0, stop=len(chain.blocks) - 1)


def near(one: Tensor, other: Tensor) -> bool:
    return one.stride() == other.stride() and (one - other).abs().max() < 1e-5 * other.abs().max()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_it_is_the_model_that_answers(chain: Chain, layout: torch.memory_format) -> None:
    chain.model.to(memory_format=layout)
    x = images(chain).contiguous(memory_format=layout)
    given = x.clone()
    assert near(features(chain, x, fuses=True), features(chain, x, fuses=False))
    assert torch.equal(x, given), "what comes in may be a kept activation"


def test_the_model_keeps_its_tensors_and_what_moves_is_seen(chain: Chain) -> None:
    x, before = images(chain), {name: tensor.clone() for name, tensor in chain.model.state_dict().items()}
    first = features(chain, x, fuses=True)
    after = chain.model.state_dict()
    assert list(before) == list(after) and all(torch.equal(before[name], after[name]) for name in before)
    with torch.no_grad():
        for tensor in (*chain.model.parameters(), *chain.model.buffers()):
            if tensor.is_floating_point():
                tensor.mul_(1.1)
    moved = features(chain, x, fuses=True)
    assert near(moved, features(chain, x, fuses=False)) and not near(moved, first)


@pytest.mark.parametrize(
    ("backbone", "norms", "sums", "activations"),
    [("resnet18", 20, 8, 17), ("mobilenet_v2", 52, 10, 35)],  # all but before sums, and shortcuts; and bottlenecks
)
def test_whatever_can_be_taken_in_is(backbone: str, norms: int, sums: int, activations: int) -> None:
    chain = chain_of(backbone)
    chain.fuses = True
    chain.frozen_blocks(0, len(chain.blocks))
    stretches = [stretch for fused in chain._fused.values() for stretch in fused.stretches]
    assert len(stretches) == sum(stretch.norm is not None for stretch in stretches) == norms
    assert sum(stretch.addition is not None for stretch in stretches) == sums
    assert sum(stretch.activation is not None for stretch in stretches) == activations


class Toy(nn.Module):
    """Two convolutions, and what stands around them in `forms`."""

    def __init__(self, form: str) -> None:
        super().__init__()
        padding = "same" if form == "padding" else 1
        self.one, self.two = (nn.Conv2d(4, 4, 3, padding=padding) for _ in range(2))
        self.norm = nn.BatchNorm2d(4, track_running_stats=form != "no statistics")
        self.relu, self.relu6, self.form = nn.ReLU(inplace=form == "inplace"), nn.ReLU6(), form

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.one(x)
        if self.form in ("no statistics", "padding", "inplace"):
            return self.relu(self.norm(y))
        if self.form == "function":
            return nn.functional.relu(y, inplace=True)
        if self.form == "read twice":
            return self.relu(y) + y
        if self.form == "two ways":
            return self.relu(y + self.two(x))
        if self.form == "doubled":
            return y + y
        if self.form == "number":
            return y + 1
        return self.relu6(self.two(y) + y)


@pytest.mark.parametrize(
    ("form", "lengths"),
    [
        ("no statistics", []),
        ("padding", []),
        ("inplace", [3]),
        ("function", [2]),
        ("read twice", []),
        ("two ways", [3]),
        ("doubled", []),
        ("number", []),
        ("another activation after a sum", [2]),
    ],
)
def test_only_what_nobody_else_reads_is_taken_in(form: str, lengths: list[int]) -> None:
    toy = Toy(form).eval()
    lived_in(toy) if form != "no statistics" else None
    fused: Fused = fuse(toy, trace(toy, training=False), form)
    assert [len(stretch.nodes) for stretch in fused.stretches] == lengths
    x = torch.randn(2, 4, 6, 6)
    with torch.no_grad():
        assert torch.allclose(fused.prepared()(x), toy(x), atol=1e-5)
