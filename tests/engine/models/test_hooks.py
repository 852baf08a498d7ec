"""A model that cannot be traced is cut at the calls of its layers, and trains exactly as it would whole."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.errors import BackboneError
from engine.models.chain import Chain, build_chain
from engine.models.head import find_head, swap_head
from engine.models.hooks import CUT, UNCUT
from engine.runconfig import RunConfig
from engine.training.freezing import plan_for
from engine.training.loop import fit
from engine.training.state import Training
from tests.engine.models.checks import chain_of
from tests.engine.models.wanderers import CLASSES, SIDE, Choosy, Fork, Knot, Shortcut, Tokens, Twice, Wanderer

BLOCKS = {
    Wanderer: ["stem", "layers.0", "layers.1", "layers.2", "classifier.0", "classifier.3"],
    Tokens: ["patches", "blocks.0", "blocks.1", "fc"],
    Shortcut: ["one", "fc"],
    Fork: ["stem", "left", "fc"],
    Knot: ["stem", "fc"],
    Twice: ["stem", "again", "middle", "tied", "fc"],
}
MODELS = list(BLOCKS)


def make(kind: type[nn.Module]) -> Chain:
    torch.manual_seed(5)
    return build_chain(kind(), "mine", CLASSES, SIDE)


def pictures(count: int, *, bright: bool) -> Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(count)) + (0.4 if bright else -0.8)


@pytest.mark.parametrize("kind", MODELS)
def test_blocks_are_its_layers_in_the_order_of_their_calls(kind: type[nn.Module]) -> None:
    chain = make(kind)
    assert [block.name for block in chain.blocks] == BLOCKS[kind]
    assert not chain.cacheable and chain.note == (UNCUT if kind is Knot else CUT)
    parameters = [name for block in chain.blocks for name in block.parameters]
    assert sorted(parameters) == sorted(name for name, _ in chain.model.named_parameters())
    assert chain.outline().size == sum(parameter.numel() for parameter in chain.model.parameters())
    assert [name.rpartition(".")[0] for name in chain.blocks[-1].parameters] == [chain.head, chain.head]
    placed = {part for block in chain.blocks for module in block.modules for part in module.modules()}
    assert [
        name for name, module in chain.model.named_modules() if not list(module.children()) and module not in placed
    ] == []
    chain.self_test(SIDE)


def test_a_dropout_between_blocks_goes_forward() -> None:
    """Else training the head alone would be training without it."""
    assert [type(module).__name__ for module in make(Wanderer).blocks[-1].modules] == ["Dropout", "Linear"]


def test_a_classifier_of_torchvision_is_traced_and_says_nothing() -> None:
    chain = chain_of("resnet18")
    assert chain.cacheable and chain.note == ""


@torch.no_grad()
@pytest.mark.parametrize("bright", [True, False])
@pytest.mark.parametrize("kind", MODELS)
def test_any_stretches_make_up_the_model_whichever_way_it_goes(kind: type[nn.Module], bright: bool) -> None:
    chain = make(kind)
    for parameter in chain.model.parameters():
        parameter.mul_(1.1)  # what happened to equal 1 when it was cut no longer does
    images = pictures(5, bright=bright)
    expected, x = chain.model(images), images
    assert torch.equal(chain(images), expected)
    for index in range(len(chain.blocks)):
        x = chain(x, index, index + 1)
        assert type(x) is Tensor
        assert torch.equal(chain(chain(images, 0, index), index), expected)
    assert torch.equal(x, expected)


@pytest.mark.parametrize("bright", [True, False])
@pytest.mark.parametrize("kind", MODELS)
def test_gradients_and_statistics_are_those_of_the_plain_model_at_every_cut(
    kind: type[nn.Module], bright: bool
) -> None:
    chain, images = make(kind), pictures(6, bright=bright)
    for cut in range(len(chain.blocks)):
        freeze(chain, cut)
        plain = copy.deepcopy(chain.model)
        with torch.no_grad():
            features = chain(images, 0, cut)
        found = step(chain.model, lambda: chain(features, cut))  # noqa: B023
        expected = step(plain, lambda: plain(images))  # noqa: B023
        assert found.keys() == expected.keys()
        assert [name for name, tensor in expected.items() if not torch.equal(tensor, found[name])] == []


def freeze(chain: Chain, cut: int) -> None:
    chain.train_blocks(range(cut, len(chain.blocks)))
    trained = {name for block in chain.blocks[cut:] for name in block.parameters}
    for name, parameter in chain.model.named_parameters():
        parameter.requires_grad_(name in trained)


def step(model: nn.Module, forward) -> dict[str, Tensor]:
    model.zero_grad(set_to_none=True)
    torch.manual_seed(7)
    nn.functional.cross_entropy(forward(), torch.arange(6) % CLASSES).backward()
    gradients = {f"{name}.grad": p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {**gradients, **{name: buffer.clone() for name, buffer in model.named_buffers()}}


def test_a_stretch_runs_its_own_layers_only() -> None:
    chain, called = make(Wanderer), []
    for name, module in chain.model.named_modules():
        if isinstance(module, Choosy):
            module.left.register_forward_hook(lambda *_, name=name: called.append(name))
            module.right.register_forward_hook(lambda *_, name=name: called.append(name))
    features = chain(pictures(2, bright=True), 0, 2)
    assert called == ["layers.0"]
    chain(features, 2)
    assert called == ["layers.0", "layers.1", "layers.2"]


def test_an_activation_is_all_that_goes_on() -> None:
    """Not the tensor object: a copy, or one that wants gradients, will do. One of a shape never seen will not."""
    chain = make(Wanderer)
    images = pictures(4, bright=True)
    features = chain(images, 0, 3).detach().clone().requires_grad_()
    chain(features, 3).sum().backward()
    assert features.grad is not None and features.grad.abs().sum() > 0
    with pytest.raises(BackboneError, match=r"\(7, 4, 8, 8\) is new before layers.2"):
        chain(torch.zeros(7, 4, SIDE, SIDE), 3)


def test_a_way_chosen_outside_is_noticed() -> None:
    chain = make(Twice)
    features = chain(pictures(2, bright=True), 0, 2)
    chain.model.detour = True
    with pytest.raises(BackboneError, match="called other where it called stem before"):
        chain(features, 2)


def test_the_layers_answer_as_before_when_a_pass_is_over() -> None:
    chain, images = make(Wanderer), pictures(2, bright=True)
    chain.model.stem.forward = chain.model.stem.forward  # some libraries wrap a layer so
    own = vars(chain.model.stem)["forward"]
    with pytest.raises(ValueError, match="colour images only"):
        chain(images[:, :1], 0, 2)
    chain(images, 0, 2)
    assert vars(chain.model.stem)["forward"] == own
    assert not [name for name, module in chain.model.named_modules() if name != "stem" and "forward" in vars(module)]


def test_frozen_blocks_stand_still_and_trained_ones_do_not() -> None:
    chain = make(Wanderer)
    before = {name: tensor.clone() for name, tensor in chain.model.state_dict().items()}
    chain.train_blocks({2})
    chain(pictures(4, bright=True))
    moved = {name for name, tensor in chain.model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == set(chain.blocks[2].buffers) and moved
    assert not chain.model.training
    chain.train_blocks(range(len(chain.blocks)))
    assert chain.model.training


class Pictures:
    """Coloured noise of three classes."""

    def __init__(self, count: int) -> None:
        self.targets = torch.arange(count) % CLASSES
        self._images = pictures(count, bright=False)
        for index, target in enumerate(self.targets):
            self._images[index, int(target)] += 2.0

    def start(self, reach: int, epoch: int | None) -> int:
        return 0

    def instant(self, epoch: int | None, start: int) -> bool:
        return True

    def batch(self, rows: np.ndarray, epoch: int | None, start: int = 0) -> Tensor:
        return self._images[torch.from_numpy(rows)]


@pytest.mark.parametrize("strategy", ["linear_probe", "last_block", "gradual_unfreeze", "full_finetune"])
@pytest.mark.parametrize("kind", [Wanderer, Knot])
def test_training_moves_what_trains_and_nothing_else(kind: type[nn.Module], strategy: str) -> None:
    chain = make(kind)
    before = {name: tensor.clone() for name, tensor in chain.model.state_dict().items()}
    config = RunConfig(dataset="dataset-00000000", backbone="mine", strategy=strategy, epochs=4, batch_size=8, lr=0.02)
    outline = chain.outline()
    plan = plan_for(outline, config)
    training = Training(chain, outline, plan, config)
    events = list(fit(training, Pictures(24), Pictures(9)))
    losses = [event.train_loss for event in events if hasattr(event, "train_loss")]
    assert len(losses) == 4 and (strategy != "full_finetune" or losses[-1] < losses[0])
    after = chain.model.state_dict()
    trained = {name for phase in plan.phases for name in phase.parameters}
    still = {name for name, tensor in before.items() if torch.equal(tensor, after[name])}
    frozen = [block for block in chain.blocks if not trained & set(block.parameters)]
    assert {name for block in frozen for name in (*block.parameters, *block.buffers)} <= still
    assert set(chain.blocks[-1].parameters).isdisjoint(still)


def test_the_head_is_found_and_swapped_by_running_the_model() -> None:
    model = Fork()
    with pytest.raises(BackboneError, match="depends on the data"):
        find_head(model)
    model.train()
    assert find_head(model, SIDE) == "fc" and model.training
    assert swap_head(model, "mine", 7, 0, input_size=SIDE) == "fc"
    chain = build_chain(model, "mine", 7, SIDE)
    chain.self_test(SIDE)
    assert chain(pictures(2, bright=True)).shape == (2, 7)


class Headless(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 1e9 else self.conv(x)


@pytest.mark.parametrize(
    ("model", "side", "message"),
    [(Headless(), SIDE, "its forward pass depends on the data"), (Wanderer(), 0, "depends on the data")],
)
def test_a_model_without_a_head_is_one_sentence(model: nn.Module, side: int, message: str) -> None:
    with pytest.raises(BackboneError, match=message):
        build_chain(model, "mine", CLASSES, side)


def test_a_model_that_does_not_run_is_one_sentence() -> None:
    with pytest.raises(
        BackboneError,
        match=r"Tokens does not run on two images of 16 pixels: .* Give it the image size that it expects",
    ):
        build_chain(Tokens(), "mine", CLASSES, 16)
