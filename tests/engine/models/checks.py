"""What must hold for the chain of every classifier of torchvision: each check takes a chain and leaves its tensors as
they were.

Bit for bit throughout; on small images, because nothing here depends on their size.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from engine.models import registry
from engine.models.chain import Chain, build_chain
from engine.models.head import swap_head
from engine.models.trace import DROPOUTS
from tests.engine.models.shares import shares

CLASSES = 3


def chain_of(backbone: str) -> Chain:
    """`backbone` with random weights and a head for CLASSES, made for images of 64 pixels or the smallest it can
    see."""
    info = registry.describe(backbone)
    size = max(64, info.min_size) if info.size_step == 1 else info.min_size
    model = registry.build(backbone, size, seed=0)
    swap_head(model, backbone, classes=CLASSES, seed=0)
    return build_chain(model, backbone, size)


def images(chain: Chain, count: int = 2) -> Tensor:
    size = 64 if chain.backbone.startswith("swin") else chain.input_size  # Swin pads, so small images will do
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def the_head_answers_for_as_many_classes(chain: Chain) -> None:
    head = chain.model.get_submodule(chain.head)
    assert head.weight.shape[0] == CLASSES
    assert list(chain.blocks[-1].parameters) == [f"{chain.head}.{name}" for name, _ in head.named_parameters()]
    assert not any("aux" in name.lower() for name, _ in chain.model.named_parameters())


def names_are_those_of_torchvision(chain: Chain) -> None:
    """A block is named after a module of the model, and its matrices are in it."""
    assert len({block.name for block in chain.blocks}) == len(chain.blocks)
    for block in chain.blocks:
        assert isinstance(chain.model.get_submodule(block.name), nn.Module)
        weights = [name for name in block.parameters if name.endswith("weight")]
        matrices = [name for name in weights if chain.model.get_parameter(name).ndim > 1]
        assert matrices and all(name.startswith(f"{block.name}.") for name in matrices), block.name
    assert chain.outline().blocks[-1].stage == "head"


def every_tensor_belongs_to_one_block(chain: Chain) -> None:
    tensors = [name for block in chain.blocks for name in (*block.parameters, *block.buffers)]
    named = (*chain.model.named_parameters(), *chain.model.named_buffers())
    assert sorted(tensors) == sorted(name for name, _ in named)
    outline = chain.outline()
    assert outline.size == sum(parameter.numel() for parameter in chain.model.parameters())
    kinds = {parameter.kind for block in outline.blocks for parameter in block.parameters}
    assert kinds <= {"weight", "bias", "norm", "other"} and "weight" in kinds


@torch.no_grad()
def the_chain_is_the_model_in_evaluation(chain: Chain) -> None:
    """Bit for bit, and no block writes into its input."""
    chain.train_blocks(())
    x = images(chain)
    expected = chain.model(x)
    for index in range(len(chain.blocks)):
        kept = x.clone()
        after = chain(x, index, index + 1)
        assert isinstance(after, Tensor) and torch.equal(x, kept), chain.blocks[index].name
        x = after
    assert torch.equal(x, expected)
    assert torch.equal(chain(images(chain)), expected)


def every_cut_freezes_what_is_before_it(chain: Chain) -> None:
    """At every block: nothing before the cut trains, draws or gathers statistics; everything behind does. What stands
    before a cut is computed once, so a dropout there would be drawn once."""
    for cut in range(len(chain.blocks) + 1):
        freeze(chain, cut)
        for index, block in enumerate(chain.blocks):
            trains = index >= cut
            assert all(chain.model.get_parameter(name).requires_grad == trains for name in block.parameters), block.name
            leaves = [part for module in block.modules for part in module.modules()]
            assert all(leaf.training == trains for leaf in leaves), block.name
    for block in chain.blocks[:-1]:
        assert not isinstance(block.modules[-1], DROPOUTS), block.name


def the_rest_trains_from_a_cached_activation(chain: Chain) -> None:
    """At three cuts: gradients and norm statistics as in the ordinary loop, dropout included; a real step moves the
    rest alone."""
    start = {name: tensor.clone() for name, tensor in chain.model.state_dict().items()}
    x, count = images(chain), len(chain.blocks)
    for cut in sorted({0, count // 2, count - 1}):
        freeze(chain, cut)
        with torch.no_grad():
            cached = chain(x, 0, cut)
        before = cached.clone()
        expected = _gradients(chain, lambda: chain.model(x))
        _restore(chain, start)
        found = _gradients(chain, lambda: chain(cached, cut))  # noqa: B023
        assert torch.equal(cached, before), chain.blocks[cut].name
        trained = {f"{name}.grad" for block in chain.blocks[cut:] for name in block.parameters}
        assert {name for name in found if name.endswith(".grad")} == trained
        assert [name for name, tensor in expected.items() if not torch.equal(tensor, found[name])] == []
        del expected
        _step_moves_only(chain, cut, start)
        _restore(chain, start)
    chain.model.zero_grad(set_to_none=True)


def each_strategy_trains_more_than_the_one_before_it(chain: Chain) -> None:
    """Head, last block, last stage, everything; and a last stage is a part: at most 75 % of the parameters and 60 % of
    a forward pass. Of AlexNet and VGG, whose dense layers hold most parameters, it is those."""
    head, block, stage, everything = shares(chain)
    assert head.parameters < block.parameters < stage.parameters < everything.parameters == 100
    assert round(stage.parameters) <= 75 or chain.backbone.startswith(("alexnet", "vgg")), stage
    assert round(stage.cost) <= 60, stage


CHECKS: tuple[Callable[[Chain], None], ...] = (
    the_head_answers_for_as_many_classes,
    names_are_those_of_torchvision,
    every_tensor_belongs_to_one_block,
    the_chain_is_the_model_in_evaluation,
    every_cut_freezes_what_is_before_it,
    the_rest_trains_from_a_cached_activation,
    each_strategy_trains_more_than_the_one_before_it,
)


def freeze(chain: Chain, cut: int) -> None:
    """Train the blocks from `cut` on, as a run does."""
    chain.train_blocks(range(cut, len(chain.blocks)))
    trained = {name for block in chain.blocks[cut:] for name in block.parameters}
    for name, parameter in chain.model.named_parameters():
        parameter.requires_grad_(name in trained)


def _gradients(chain: Chain, forward: Callable[[], Tensor]) -> dict[str, Tensor]:
    """Every buffer and gradient after one forward and backward pass under a fixed seed."""
    chain.model.zero_grad(set_to_none=True)
    torch.manual_seed(7)
    nn.functional.cross_entropy(forward(), torch.tensor([0, 2])).backward()
    gradients = {f"{name}.grad": p.grad for name, p in chain.model.named_parameters() if p.grad is not None}
    return {**gradients, **{name: buffer.clone() for name, buffer in chain.model.named_buffers()}}


def _step_moves_only(chain: Chain, cut: int, start: dict[str, Tensor]) -> None:
    """A step with the gradients at hand moves the head, and nothing of the blocks before `cut`."""
    torch.optim.SGD(chain.model.parameters(), lr=1.0).step()
    moved = {name for name, tensor in chain.model.state_dict().items() if not torch.equal(tensor, start[name])}
    assert moved <= {name for block in chain.blocks[cut:] for name in (*block.parameters, *block.buffers)}
    assert moved & set(chain.blocks[-1].parameters)


@torch.no_grad()
def _restore(chain: Chain, state: dict[str, Tensor]) -> None:
    """Not by load_state_dict: MNASNet's asks for a version that a plain dictionary lacks."""
    for name, tensor in chain.model.state_dict().items():
        tensor.copy_(state[name])
