"""The chain is the model: in evaluation, in training from a cached activation, after a move; for one model of each
family.

With THAW_ALL=1 it is so for every classifier of torchvision.
"""

import dataclasses
import os
from collections.abc import Callable

import pytest
import torch
from torch import nn

from engine.errors import BackboneError
from engine.models import registry
from engine.models.chain import Chain, build_chain
from tests.engine.models import checks
from tests.engine.models.checks import chain_of, images

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


@pytest.fixture(scope="module", params=registry.names() if os.environ.get("THAW_ALL") == "1" else FAMILIES)
def chain(request: pytest.FixtureRequest) -> Chain:
    return chain_of(request.param)


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__)
def test_holds_for_every_family(chain: Chain, check: Callable[[Chain], None]) -> None:
    check(chain)


def test_the_small_ones_are_one_of_each_family() -> None:
    """A family is a module of torchvision; ResNeXt, WideResNet and Swin V2 share one with their elders."""
    small, every = ({registry.describe(name).family for name in names} for names in (FAMILIES, registry.names()))
    assert small == every


@pytest.mark.parametrize(
    ("backbone", "names", "stages"),
    [
        (
            "resnet18",
            ["conv1", "layer1.0", "layer1.1", "layer2.0"],
            ["conv1", "layer1", "layer2", "layer3", "layer4", "head"],
        ),
        (
            "vit_b_32",
            ["conv_proj", "encoder.layers.encoder_layer_0"],
            [
                "conv_proj",
                *(f"encoder.layers.encoder_layer_{n}..encoder_layer_{n + 2}" for n in (0, 3, 6, 9)),
                "head",
            ],
        ),
        (
            "inception_v3",
            ["Conv2d_1a_3x3", "Conv2d_2a_3x3"],
            ["Conv2d_1..Conv2d_2", "Conv2d_3..Conv2d_4", "Mixed_5", "Mixed_6", "Mixed_7", "head"],
        ),
        (
            "efficientnet_b0",
            ["features.0", "features.1.0", "features.2.0"],
            [*(f"features.{n}" for n in ("0..1", "2", "3", "4..5", "6.0..2", "6.3..8")), "head"],
        ),
        (
            "convnext_tiny",
            ["features.0", "features.1.0"],
            [*(f"features.{n}" for n in ("0..1", "2..3", "4..5", "6..7")), "head"],
        ),
        (
            "vgg11_bn",
            ["features.0", "features.4", "features.8"],
            [*(f"features.{n}" for n in ("0", "4", "8..11", "15..18", "22..25")), "classifier", "head"],
        ),
        (
            "densenet121",
            ["features.conv0", "features.denseblock1", "features.transition1"],
            [
                "features.conv0",
                "features.denseblock1",
                *(f"features.transition{n}..denseblock{n + 1}" for n in (1, 2, 3)),
                "head",
            ],
        ),
        (
            "regnet_y_400mf",
            ["stem", "trunk_output.block1.block1-0"],
            [
                "stem",
                *(f"trunk_output.block{n}" for n in (1, 2, 3)),
                *(f"trunk_output.block4.block4-{n}..block4-{n + 2}" for n in (0, 3)),
                "head",
            ],
        ),
        (
            "googlenet",
            ["conv1", "conv2", "conv3", "inception3a"],
            ["conv1", "conv2..conv3", "inception3", "inception4", "inception5", "head"],
        ),
    ],
)
def test_names_are_those_a_reader_of_torchvision_knows(backbone: str, names: list[str], stages: list[str]) -> None:
    size = registry.describe(backbone).input_size
    blocks = build_chain(registry.build_weightless(backbone, size).to("meta"), backbone, size).outline().blocks
    assert [block.name for block in blocks[: len(names)]] == names
    assert list(dict.fromkeys(block.stage for block in blocks)) == stages


def test_frozen_blocks_stand_still_and_trained_ones_do_not() -> None:
    chain = chain_of("resnet18")
    before = {name: tensor.clone() for name, tensor in chain.model.state_dict().items()}
    chain.model.train()
    chain.train_blocks({3, 9})
    chain(images(chain, 4))
    moved = {name for name, tensor in chain.model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == set(chain.blocks[3].buffers) and moved


def test_moving_and_loading_the_model_moves_and_loads_the_blocks() -> None:
    """Swin reads tensors by attribute; a chain that copied them would go on with the old ones."""
    chain = chain_of("swin_v2_t")
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
    chain = build_chain(model, "noisy", 1)
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
    chain = chain_of("squeezenet1_1")
    blocks, block = chain.blocks, chain.blocks[2]
    for wrong, message in (
        (lambda model, x: block.evaluating(model, x) * 1.01, "do not add up to the model"),
        (lambda model, x: block.evaluating(model, x.mul_(1.0)), f"{block.name} of squeezenet1_1 writes into its input"),
    ):
        chain.blocks = (*blocks[:2], dataclasses.replace(block, evaluating=wrong), *blocks[3:])
        with pytest.raises(BackboneError, match=message):
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
    blocks = build_chain(model, "residual", 1).blocks
    assert [block.name for block in blocks] == ["0", "1", "4"]
    assert [type(module).__name__ for module in blocks[-1].modules] == ["Dropout", "Flatten", "Linear"]


class Forked(nn.Module):
    """Which of its layers runs depends on the image."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.fc = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.left(x) if x.sum() > 0 else x)


class Unused(Forked):
    """A layer that trains is in no block."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (nn.Identity, "no head to replace"),
        (Forked, "^Forked cannot be cut into blocks: its forward pass depends on the data .* another backbone"),
        (Unused, "do not fall into separate blocks. Choose another backbone"),
    ],
)
def test_a_model_that_cannot_be_cut_is_one_sentence(kind: type[nn.Module], message: str) -> None:
    with pytest.raises(BackboneError, match=message):
        build_chain(kind(), "mine", 4)
