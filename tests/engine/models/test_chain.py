"""The chain is the model: in evaluation, in training from a cached activation, after a move; for one model of each family.

With THAW_ALL=1 the exactness test runs for every classifier of torchvision.
"""

import dataclasses
import os
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from engine.errors import BackboneError
from engine.models import registry
from engine.models.chain import Chain, build_chain
from engine.models.head import swap_head

FAMILIES = [
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "googlenet",
    "inception_v3",
    "maxvit_t",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "resnet18",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "swin_t",
    "swin_v2_t",
    "vgg11_bn",
    "vit_b_32",
]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Small batches gain nothing from threads, which only wait for each other when the machine is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make(backbone: str, classes: int = 3) -> Chain:
    about = registry.describe(backbone)
    size = max(64, about.min_size) if about.size_step == 1 else about.min_size
    model = registry.build(backbone, size, seed=0)
    swap_head(model, backbone, classes, seed=0)
    return build_chain(model, backbone, classes, size)


def images(chain: Chain, count: int = 2) -> torch.Tensor:
    size = 64 if chain.backbone.startswith("swin") else chain.input_size  # Swin pads, so small images will do
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module", params=FAMILIES)
def chain(request: pytest.FixtureRequest) -> Iterator[Chain]:
    yield make(request.param)


@torch.no_grad()
def test_is_the_model_bit_for_bit_and_writes_into_no_input(chain: Chain) -> None:
    chain.train_blocks(())
    x = images(chain)
    expected = chain.model(x)
    for index in range(len(chain.blocks)):
        kept = x.clone()
        after = chain(x, index, index + 1)
        assert isinstance(after, torch.Tensor) and torch.equal(x, kept), chain.blocks[index].name
        x = after
    assert torch.equal(x, expected)
    assert torch.equal(chain(images(chain)), expected)


def test_every_tensor_belongs_to_one_block_and_the_last_is_the_head(chain: Chain) -> None:
    parameters = [name for block in chain.blocks for name in block.parameters]
    assert sorted(parameters) == sorted(name for name, _ in chain.model.named_parameters())
    buffers = [name for block in chain.blocks for name in block.buffers]
    assert sorted(buffers) == sorted(name for name, _ in chain.model.named_buffers())
    head = chain.model.get_submodule(chain.head)
    assert [name.removeprefix(f"{chain.head}.") for name in chain.blocks[-1].parameters] == [name for name, _ in head.named_parameters()]
    assert head.weight.shape[0] == 3
    for block in chain.blocks:
        matrices = [name for name in block.parameters if name.endswith("weight") and chain.model.get_parameter(name).ndim > 1]
        assert matrices and all(name.startswith(f"{block.name}.") for name in matrices), block.name


def test_suffix_trains_from_a_cached_activation_as_in_the_ordinary_loop(chain: Chain) -> None:
    """Gradients and norm statistics bit for bit, dropout included; and the cached activation is not overwritten."""
    start = {name: tensor.clone() for name, tensor in chain.model.state_dict().items()}
    x = images(chain)
    for cut in (len(chain.blocks) // 2, len(chain.blocks) - 1):
        chain.train_blocks(range(cut, len(chain.blocks)))
        trained = {name for block in chain.blocks[cut:] for name in block.parameters}
        for name, parameter in chain.model.named_parameters():
            parameter.requires_grad_(name in trained)
        with torch.no_grad():
            cached = chain(x, 0, cut)
        before = cached.clone()
        expected = step(chain, lambda: chain.model(x))
        restore(chain, start)
        found = step(chain, lambda: chain(cached, cut))  # noqa: B023
        assert torch.equal(cached, before)
        assert {name for name, tensor in found.items() if name.endswith(".grad")} == {f"{name}.grad" for name in trained}
        assert [name for name, tensor in expected.items() if not torch.equal(tensor, found[name])] == []
        frozen = [name for block in chain.blocks[:cut] for name in (*block.parameters, *block.buffers)]
        assert all(torch.equal(chain.model.state_dict()[name], start[name]) for name in frozen)
        restore(chain, start)


def step(chain: Chain, forward) -> dict[str, torch.Tensor]:
    """Every buffer and gradient after one forward and backward pass under a fixed seed."""
    chain.model.zero_grad(set_to_none=True)
    torch.manual_seed(7)
    nn.functional.cross_entropy(forward(), torch.tensor([0, 2])).backward()
    gradients = {f"{name}.grad": p.grad for name, p in chain.model.named_parameters() if p.grad is not None}
    return {**gradients, **{name: buffer.clone() for name, buffer in chain.model.named_buffers()}}


def restore(chain: Chain, state: dict[str, torch.Tensor]) -> None:
    own = chain.model.state_dict()
    with torch.no_grad():
        for name, tensor in state.items():
            own[name].copy_(tensor)


def test_no_block_ends_in_dropout(chain: Chain) -> None:
    """What stands before a cut is computed once; a dropout there would be drawn once."""
    for block in chain.blocks[:-1]:
        assert not isinstance(block.modules[-1], nn.modules.dropout._DropoutNd), block.name


def test_outline_has_the_sizes_of_the_model(chain: Chain) -> None:
    outline = chain.outline()
    assert outline.size == sum(parameter.numel() for parameter in chain.model.parameters())
    assert outline.blocks[-1].stage == "head"
    kinds = {parameter.kind for block in outline.blocks for parameter in block.parameters}
    assert kinds <= {"weight", "bias", "norm", "other"} and "weight" in kinds


@pytest.mark.parametrize(
    ("backbone", "names", "stages"),
    [
        ("resnet18", ["conv1", "layer1.0", "layer1.1", "layer2.0"], ["conv1", "layer1", "layer2", "layer3", "layer4", "head"]),
        ("vit_b_32", ["conv_proj", "encoder.layers.encoder_layer_0"], ["conv_proj", "encoder.layers", "head"]),
        (
            "inception_v3",
            ["Conv2d_1a_3x3", "Conv2d_2a_3x3"],
            [*(f"Conv2d_{n}" for n in (1, 2, 3, 4)), "Mixed_5", "Mixed_6", "Mixed_7", "head"],
        ),
        ("efficientnet_b0", ["features.0", "features.1.0", "features.2.0"], [*(f"features.{n}" for n in range(9)), "head"]),
        ("convnext_tiny", ["features.0", "features.1.0"], [*(f"features.{n}" for n in range(8)), "head"]),
        ("vgg11_bn", ["features.0", "features.4", "features.8"], ["features", "classifier", "head"]),
        ("densenet121", ["features.conv0", "features.denseblock1", "features.transition1"], ["features", "head"]),
        ("regnet_y_400mf", ["stem", "trunk_output.block1.block1-0"], ["stem", *(f"trunk_output.block{n}" for n in (1, 2, 3, 4)), "head"]),
        (
            "googlenet",
            ["conv1", "conv2", "conv3", "inception3a"],
            ["conv1", "conv2", "conv3", "inception3", "inception4", "inception5", "head"],
        ),
    ],
)
def test_names_are_those_a_reader_of_torchvision_knows(backbone: str, names: list[str], stages: list[str]) -> None:
    size = registry.describe(backbone).input_size
    blocks = build_chain(registry.build_weightless(backbone, size), backbone, 1000, size).blocks
    assert [block.name for block in blocks[: len(names)]] == names
    assert list(dict.fromkeys(block.stage for block in blocks)) == stages


def test_frozen_blocks_stand_still_and_trained_ones_do_not() -> None:
    chain = make("resnet18")
    before = {name: tensor.clone() for name, tensor in chain.model.state_dict().items()}
    chain.model.train()
    chain.train_blocks({3, 9})
    chain(images(chain, 4))
    moved = {name for name, tensor in chain.model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == set(chain.blocks[3].buffers) and moved


def test_moving_and_loading_the_model_moves_and_loads_the_blocks() -> None:
    """Swin reads tensors by attribute; a chain that copied them would go on with the old ones."""
    chain = make("swin_v2_t")
    chain.model.double()
    x = images(chain).double()
    assert chain(x).dtype == torch.float64
    with torch.no_grad():
        for parameter in chain.model.parameters():
            parameter.mul_(1.5)
    assert torch.equal(chain(x), chain.model(x))


def test_train_mode_has_a_trace_of_its_own() -> None:
    """A function that is told `training=` at trace time would keep its dropout for ever."""
    model = nn.Sequential(nn.Linear(4, 4), Noisy(), nn.Linear(4, 2))
    chain = build_chain(model, "noisy", 2, 1)
    x = torch.ones(64, 4)
    assert torch.equal(chain(x), chain(x))
    chain.train_blocks({1})
    assert not torch.equal(chain(x), chain(x))


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(x @ self.weight, 0.5, training=self.training)


def test_self_test_notices_a_block_that_is_wrong_or_writes_into_its_input() -> None:
    chain = make("squeezenet1_1")
    right = chain.blocks
    block = right[2]
    chain.blocks = (*right[:2], dataclasses.replace(block, evaluating=lambda model, x: block.evaluating(model, x) * 1.01), *right[3:])
    with pytest.raises(BackboneError, match="do not add up to the model"):
        chain.self_test(64)
    chain.blocks = (*right[:2], dataclasses.replace(block, evaluating=lambda model, x: block.evaluating(model, x.mul_(1.0))), *right[3:])
    with pytest.raises(BackboneError, match=f"{block.name} of squeezenet1_1 writes into its input"):
        chain.self_test(64)


class Residual(nn.Module):
    """Its dropout is inside the unit: the skip connection passes it by, so there is no cut before it."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.dropout = nn.Linear(4, 4), nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.dropout(self.linear(x))


def test_a_dropout_inside_a_unit_stays_in_it_and_one_between_units_goes_forward() -> None:
    model = nn.Sequential(Residual(), Residual(), nn.Dropout(), nn.Flatten(), nn.Linear(4, 2))
    blocks = build_chain(model, "residual", 2, 1).blocks
    assert [block.name for block in blocks] == ["0", "1", "4"]
    assert [type(module).__name__ for module in blocks[-1].modules] == ["Dropout", "Flatten", "Linear"]


class DataDependent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x) if x.sum() > 0 else x


class Tangled(nn.Module):
    """Its second layer trains but is never used."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.unused = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (DataDependent(), "its forward pass depends on the data"),
        (Tangled(), "do not fall into separate blocks"),
        (nn.Identity(), "no head to replace"),
    ],
)
def test_a_model_that_cannot_be_cut_is_one_sentence(model: nn.Module, message: str) -> None:
    with pytest.raises(BackboneError, match=message):
        build_chain(model, "mine", 2, 3)


@pytest.mark.skipif(os.environ.get("THAW_ALL") != "1", reason="all classifiers take minutes; set THAW_ALL=1")
@pytest.mark.parametrize("backbone", registry.names())
def test_every_classifier_of_torchvision(backbone: str) -> None:
    chain = make(backbone)
    test_is_the_model_bit_for_bit_and_writes_into_no_input(chain)
    test_every_tensor_belongs_to_one_block_and_the_last_is_the_head(chain)
    test_suffix_trains_from_a_cached_activation_as_in_the_ordinary_loop(chain)
