"""Stages follow what a block leaves behind, not what its modules are called; and a plan never depends on the size of
the images."""

import pytest
import torch

from engine.models.stages import stages
from engine.models.trace import in_mode
from tests.engine.models.checks import chain_of


def lengths(sizes: list[int], resolutions: list[int]) -> list[int]:
    found = stages([f"blocks.{index}" for index in range(len(sizes))], sizes, resolutions)
    return [found.count(stage) for stage in dict.fromkeys(found)]


@pytest.mark.parametrize(
    ("sizes", "resolutions", "expected"),
    [
        ([1, 1, 1, 1, 2, 2], [64, 64, 16, 16, 4, 4], [2, 2, 2]),
        ([1, 1, 1, 1, 2, 2], [149, 147, 73, 71, 35, 35], [2, 2, 2]),  # without padding
        ([1, 1, 1, 1, 1, 1], [64, 64, 16, 16, 4, 0], [2, 2, 2]),  # a dense layer behind the pooling
        ([1, 1, 1, 1, 1, 1], [64, 64, 64, 16, 16, 4], [3, 3]),  # one block is what last_block trains
        ([1, *[10] * 12], [196, *[197] * 12], [1, 3, 3, 3, 3]),  # a vision transformer: quarters of its encoder
        ([1, 1, 1, 4, 4, 4, 4, 4], [64, 64, 16, 4, 4, 4, 4, 4], [2, 1, 1, 2, 2]),  # most of a network is no stage
        ([1, 1, 8, 8], [64, 16, 4, 4], [1, 1, 2]),  # but two blocks are
    ],
)
def test_a_stage_is_of_one_resolution_and_never_most_of_a_network(
    sizes: list[int], resolutions: list[int], expected: list[int]
) -> None:
    assert lengths(sizes, resolutions) == expected


def test_a_stage_is_called_after_the_containers_it_fills_and_the_blocks_of_those_it_shares() -> None:
    names = ["conv1", "layer1.0", "layer1.1", "layer2.0", "layer2.1", "features.1", "features.2.0", "features.2.1"]
    assert list(dict.fromkeys(stages(names, [1] * 8, [64, 16, 16, 4, 4, 4, 1, 1]))) == [
        "conv1",
        "layer1",
        "layer2..features.1",
        "features.2",
    ]
    names = ["a.0", "a.1", "a.2", "a.3"]
    assert list(dict.fromkeys(stages(names, [1] * 4, [16, 16, 4, 4]))) == ["a.0..1", "a.2..3"]


@pytest.mark.parametrize("backbone", ["mobilenet_v3_small", "squeezenet1_1", "swin_t"])
def test_images_of_any_size_see_the_same_stages(backbone: str) -> None:
    chain = chain_of(backbone)
    chain.self_test(64)
    expected = chain.outline()
    chain.self_test(32)
    assert chain.outline() == expected


def test_looking_at_a_chain_changes_nothing() -> None:
    chain = chain_of("resnet18")
    before = {name: tensor.clone() for name, tensor in chain.model.state_dict().items()}
    with in_mode(chain.model, training=True):
        drawn = torch.get_rng_state()
        chain.outline()
        assert all(module.training for module in chain.model.modules())
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(tensor, before[name]) for name, tensor in chain.model.state_dict().items())
    assert not any(module._forward_hooks for module in chain.model.modules())
