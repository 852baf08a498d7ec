"""Frozen blocks on the CPU: an image gives the same bits in any company, in any batch, and from any cut on."""

import pytest
import torch
from torch import Tensor

from engine.models.chain import Chain
from engine.training.frozen.prefix import is_channels_last, plain, through_frozen
from engine.training.numerics import lay_out, numerics
from engine.training.state import autocast
from tests.engine.models.checks import chain_of

CPU = torch.device("cpu")
IMAGES = 18
BACKBONES = ("resnet18", "mobilenet_v3_small", "densenet121", "efficientnet_b0", "shufflenet_v2_x0_5")
formats = pytest.mark.parametrize("name", ["fp32", "fp32 fused", "fp32 channels-last fused", "bf16 channels-last"])


@pytest.fixture(scope="module", params=BACKBONES)
def chain(request: pytest.FixtureRequest) -> Chain:
    return chain_of(request.param)


def frozen(
    chain: Chain, x: Tensor, *, start: int = 0, stop: int | None = None, dtype: torch.dtype | None = None
) -> Tensor:
    """Through the blocks from `start` on to the head, or to `stop`."""
    with torch.no_grad(), autocast(CPU, dtype):
        return through_frozen(chain, x, start=start, stop=len(chain.blocks) - 1 if stop is None else stop)


def laid_out(chain: Chain, name: str) -> tuple[torch.dtype | None, torch.memory_format]:
    chosen = numerics(name, CPU)
    lay_out(chain, chosen)
    return chosen.dtype, chosen.memory_format


def pictures(count: int = IMAGES, layout: torch.memory_format = torch.contiguous_format, side: int = 64) -> Tensor:
    images = torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0))
    return images.contiguous(memory_format=layout)


@formats
def test_the_company_an_image_is_in_does_not_matter(chain: Chain, name: str) -> None:
    dtype, layout = laid_out(chain, name)
    images = pictures(layout=layout)
    whole = frozen(chain, images, dtype=dtype)
    assert whole.dtype == (dtype or torch.float32) and torch.isfinite(whole).all()
    # alone, twice in one batch, elsewhere in another part of it
    for rows in ([3], [17, 0, 17], list(range(IMAGES))[::-1]):
        alone = frozen(chain, images[rows].contiguous(memory_format=layout), dtype=dtype)
        assert torch.equal(alone, whole[rows]), rows


@formats
def test_going_on_from_a_cut_is_going_straight(chain: Chain, name: str) -> None:
    """At cuts all over the network, and with other images in other batches behind the cut."""
    dtype, layout = laid_out(chain, name)
    images = pictures(3, layout)
    whole = frozen(chain, images, dtype=dtype)
    for cut in (1, (len(chain.blocks) - 1) // 2):
        middle = frozen(chain, images, stop=cut, dtype=dtype)
        assert torch.equal(frozen(chain, middle, start=cut, dtype=dtype), whole), cut
        others = plain(middle[[2, 0]].clone(memory_format=torch.preserve_format))
        assert torch.equal(frozen(chain, others, start=cut, dtype=dtype), whole[[2, 0]]), cut


@pytest.mark.parametrize("backbone", ["vit_b_16", "swin_t"])
def test_a_transformer_does_not_mind_its_company_either(backbone: str) -> None:
    chain = chain_of(backbone)
    images = pictures(3, side=chain.input_size if backbone == "vit_b_16" else 64)
    whole = frozen(chain, images, stop=3)
    assert torch.equal(frozen(chain, images[[2]], stop=3), whole[[2]])
    assert torch.equal(frozen(chain, frozen(chain, images, stop=2), start=2, stop=3), whole)


@pytest.mark.parametrize("backbone", ["resnet18", "mobilenet_v3_small"])
def test_nor_does_it_matter_on_several_threads(backbone: str) -> None:
    chain, before = chain_of(backbone), torch.get_num_threads()
    chain.fuses = True
    torch.set_num_threads(3)
    try:
        whole = frozen(chain, pictures())
        assert all(torch.equal(frozen(chain, pictures()[rows]), whole[rows]) for rows in ([5], [17, 2, 9]))
    finally:
        torch.set_num_threads(before)


def test_it_is_the_model_that_answers() -> None:
    chain = chain_of("resnet18")
    with torch.no_grad():
        expected = chain(pictures(5), 0, len(chain.blocks) - 1)
    assert torch.allclose(frozen(chain, pictures(5)), expected, atol=1e-4)


def test_nothing_to_go_through_gives_the_inputs_themselves() -> None:
    images, chain = pictures(2, side=32), chain_of("resnet18")
    assert all(frozen(chain, images, start=start, stop=stop) is images for start, stop in ((3, 3), (4, 2)))


def test_both_layouts_are_kept_and_every_other_becomes_plain() -> None:
    x = torch.randn(2, 6, 4, 5)
    last = x.contiguous(memory_format=torch.channels_last)
    assert is_channels_last(last) and not is_channels_last(x) and plain(last) is last
    turned = x.transpose(2, 3)
    assert not is_channels_last(turned) and plain(turned).is_contiguous() and torch.equal(plain(turned), turned)
    # one pixel, or one channel, is the same bytes in both layouts: it must not depend on where it came from
    for shape in ((2, 6, 1, 1), (2, 1, 4, 5)):
        one = torch.randn(*shape).contiguous(memory_format=torch.channels_last)
        assert not is_channels_last(one) and plain(one).stride() == torch.empty(shape).stride()
