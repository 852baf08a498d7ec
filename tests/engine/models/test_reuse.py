"""The model that is kept between runs: set back to the last bit, handed to one user, and never taken for another."""

import gc

import pytest
import torch

from engine.models import reuse
from engine.models.chain import Chain, build_chain
from engine.models.head import swap_head
from engine.models.registry import build
from engine.models.reuse import Warm

KEY = ("key",)


def loaded(seed: int = 0) -> Chain:
    model = build("mobilenet_v3_small", 64, 7)
    swap_head(model, "mobilenet_v3_small", classes=3, seed=seed)
    chain = build_chain(model, "mobilenet_v3_small", 64)
    chain.random = frozenset({f"{chain.head}.weight", f"{chain.head}.bias"})
    return chain


def trained(chain: Chain) -> None:
    chain.train_blocks(range(len(chain.blocks)))
    chain(torch.rand(4, 3, 64, 64)).sum().backward()
    with torch.no_grad():
        for parameter in chain.model.parameters():
            parameter.add_(1.0)
    next(chain.model.parameters()).requires_grad_(False)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_kept_model_is_what_loading_it_with_this_seed_would_give(seed: int) -> None:
    warm, chain = Warm(), loaded()
    warm.lend(chain, KEY, ("a note",), seed=0)
    trained(chain)
    warm.give_back(chain)
    taken = warm.take(KEY, seed)
    assert taken is not None and taken[0] is chain and taken[1] == ("a note",)
    fresh = loaded(seed).model.state_dict()
    assert all(torch.equal(tensor, fresh[name]) for name, tensor in chain.model.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in chain.model.parameters())
    assert not any(module.training for module in chain.model.modules())


def test_one_user_at_a_time_and_only_the_same_model() -> None:
    warm, chain = Warm(), loaded()
    warm.lend(chain, KEY, (), seed=0)
    assert warm.take(KEY, 0) is None, "it has not been given back"
    warm.give_back(chain)
    assert warm.take(("other",), 0) is None
    assert warm.take(KEY, 0) is not None
    assert warm.take(KEY, 0) is None, "it is in use again"


@pytest.mark.parametrize("random", [(), ("classifier.0.weight", "classifier.3.weight")])
def test_a_head_from_a_file_or_a_random_layer_below_it_belongs_to_one_seed(random: tuple[str, ...]) -> None:
    warm, chain = Warm(), loaded()
    chain.random = frozenset(random)
    warm.lend(chain, KEY, (), seed=0)
    warm.give_back(chain)
    assert warm.take(KEY, 1) is None
    assert warm.take(KEY, 0) is not None


def test_large_models_and_forgotten_ones_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    warm, chain = Warm(), loaded()
    warm.lend(chain, KEY, (), seed=0)
    del chain
    gc.collect()
    assert warm.take(KEY, 0) is None
    monkeypatch.setattr(reuse, "LIMIT_BYTES", 1000)
    large = loaded()
    warm.lend(large, KEY, (), seed=0)
    warm.give_back(large)
    assert warm.take(KEY, 0) is None
