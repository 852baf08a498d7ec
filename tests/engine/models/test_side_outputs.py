"""A head that reads every stage is given what anybody could read from the model's own modules, under the same names."""

import pytest
import torch
from torch import Tensor

from engine.errors import BackboneError
from engine.models.chain import Chain, build_chain
from engine.models.head import head_of, swap_head
from engine.models.registry import build
from engine.models.side_outputs import positions_of, with_side_outputs

IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def chain(backbone: str) -> Chain:
    model = build(backbone, 64, 0)
    swap_head(model, backbone, classes=3, seed=0)
    return build_chain(model, backbone, 64)


def heard(plain: Chain, wide: Chain) -> Tensor:
    """What `wide` ought to read, from the modules of the model as it was."""
    means: list[Tensor] = []
    hooks = [
        plain.model.get_submodule(side.module).register_forward_hook(
            lambda _, given, out, side=side: means.append(out.mean(side.positions))
        )
        for side in wide.side_outputs
    ]
    hooks.append(head_of(plain.model).register_forward_pre_hook(lambda _, given: means.append(given[0])))
    plain.model.eval()(IMAGES)
    for hook in hooks:
        hook.remove()
    return torch.cat(means, 1)


@torch.no_grad()
@pytest.mark.parametrize(("backbone", "stages"), [("resnet18", 4), ("mobilenet_v3_small", 5)])
def test_the_head_reads_the_mean_of_every_stage_and_the_last_features(backbone: str, stages: int) -> None:
    plain = chain(backbone)
    wide = with_side_outputs(plain)
    head = head_of(wide.model)
    assert len(wide.side_outputs) == stages and not head.weight.any() and wide.head == plain.head
    head.weight.normal_(generator=torch.Generator().manual_seed(2))
    expected = head(heard(plain, wide))
    assert torch.allclose(wide(IMAGES), expected, atol=1e-5) and torch.allclose(wide.model(IMAGES), expected, atol=1e-5)
    width = head_of(plain.model).weight.shape[1] + sum(side.channels for side in wide.side_outputs)
    assert wide(IMAGES, 0, len(wide.blocks) - 1).shape == (2, width)


def test_every_tensor_but_the_heads_is_the_models_own_under_its_name_in_one_block() -> None:
    plain = chain("resnet18")
    wide = with_side_outputs(plain)
    own, other = (made.model.state_dict(keep_vars=True) for made in (plain, wide))
    assert own.keys() == other.keys()
    assert {name for name in own if own[name] is not other[name]} == {"fc.weight", "fc.bias"}
    named = sorted(name for block in wide.blocks for name in (*block.parameters, *block.buffers))
    assert named == sorted(own)
    outline = wide.outline()
    assert [block.name for block in outline.blocks][-1] == "fc" and outline.blocks[-1].size == 3 * (1024 + 1)


def test_positions_are_averaged_whatever_the_layout() -> None:
    shapes = {(1, 8, 4, 4): (2, 3), (1, 4, 4, 8): (1, 2), (1, 17, 8): (1,), (1, 8): ()}
    assert {shape: positions_of(torch.zeros(shape)) for shape in shapes} == shapes


def test_scores_that_are_not_of_one_linear_layer_are_refused() -> None:
    with pytest.raises(BackboneError, match="one linear layer"):
        with_side_outputs(chain("squeezenet1_1"))
