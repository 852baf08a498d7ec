"""The head that is found is the right one, and the new one is a pure function of what it is for."""

import pytest
import torch
from torch import nn

from engine.models import registry
from engine.models.head import find_head, head_of, seed_of, swap_head

HEADS = {
    "alexnet": "classifier.6",
    "convnext_tiny": "classifier.2",
    "densenet121": "classifier",
    "efficientnet_b0": "classifier.1",
    "googlenet": "fc",
    "inception_v3": "fc",
    "maxvit_t": "classifier.5",
    "mobilenet_v3_small": "classifier.3",
    "resnet18": "fc",
    "squeezenet1_0": "classifier.1",
    "swin_t": "head",
    "vgg11": "classifier.6",
    "vit_b_16": "heads.head",
}


@pytest.mark.parametrize(("backbone", "path"), HEADS.items())
def test_found_from_the_output_not_from_the_name(backbone: str, path: str) -> None:
    model = registry.build_weightless(backbone, registry.describe(backbone).input_size)
    old = model.get_submodule(path)
    assert find_head(model) == path
    assert swap_head(model, backbone, classes=7, seed=0) == path
    new = model.get_submodule(path)
    assert new.weight.shape == (7, *old.weight.shape[1:]) and (new.bias is None) == (old.bias is None)
    assert getattr(model, "num_classes", 7) == 7


def swapped(backbone: str, classes: int, seed: int) -> nn.Linear | nn.Conv2d:
    model = registry.build(backbone, 64, seed=0)
    swap_head(model, backbone, classes=classes, seed=seed)
    return head_of(model)


def test_a_pure_function_of_seed_backbone_and_classes() -> None:
    first = swapped("resnet18", 4, 1)
    torch.manual_seed(99)
    before = torch.get_rng_state()
    assert torch.equal(swapped("resnet18", 4, 1).weight, first.weight)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(swapped("resnet18", 4, 2).weight, first.weight)
    assert not torch.equal(swapped("resnet34", 4, 1).weight, first.weight)
    assert not torch.equal(swapped("resnet18", 5, 1).weight[:4], first.weight)


def test_starts_as_this_kind_of_head_does() -> None:
    linear = swapped("resnet18", 200, 0)
    bound = 512**-0.5
    assert bound * 0.99 < linear.weight.max() <= bound and -bound <= linear.bias.min() < -bound * 0.9
    convolution = swapped("squeezenet1_1", 50, 0)
    assert abs(convolution.weight.std().item() - 0.01) < 5e-4 and not convolution.bias.any()
    assert not swapped("vit_b_32", 3, 0).weight.any()


def test_seeds_of_different_purposes_are_unrelated_and_fit_a_generator() -> None:
    seeds = {seed_of(purpose, seed) for purpose in ("head", "backbone") for seed in range(100)}
    assert len(seeds) == 200 and all(0 <= seed < 2**63 for seed in seeds)
