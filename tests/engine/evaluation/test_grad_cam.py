"""Heat maps: they light up what the answer hangs on, whatever the shape of the model, and they follow what the head has
learnt."""

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import SwinTransformer, VisionTransformer, densenet121, mobilenet_v3_small, resnet18

from engine.errors import BackboneError
from engine.evaluation.grad_cam import TargetLayer, find_target_layer, heat_maps, random_maps
from engine.models.chain import Chain, build_chain

CLASSES = 4


def vit() -> nn.Module:
    shape = {"image_size": 32, "patch_size": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32}
    return VisionTransformer(**shape, num_classes=CLASSES, dropout=0.1)


def swin() -> nn.Module:
    return SwinTransformer([4, 4], 12, [1, 1], [2, 2], [4, 4], num_classes=CLASSES)


MODELS: dict[str, tuple[Callable[[], nn.Module], int, str]] = {
    "resnet18": (lambda: resnet18(num_classes=CLASSES), 64, "layer4.1.relu"),
    "mobilenet_v3_small": (lambda: mobilenet_v3_small(num_classes=CLASSES), 64, "features.12"),
    "densenet121": (lambda: densenet121(num_classes=CLASSES), 64, "relu"),
    "vit": (vit, 32, "encoder.layers.encoder_layer_1.ln_1"),
    "swin": (swin, 64, "permute"),
}


def chain_of(model: nn.Module, side: int, name: str = "toy") -> Chain:
    return build_chain(model, name, side)


def opened(name: str) -> tuple[TargetLayer, Tensor]:
    """A model with a head that says something, and two images for it."""
    build, side, _ = MODELS[name]
    torch.manual_seed(0)
    chain = chain_of(build(), side, name)
    torch.nn.init.normal_(chain.model.get_submodule(chain.head).weight)  # ViT's head starts at zero
    images = torch.randn(2, 3, side, side)
    return find_target_layer(chain, images[:1]), images


@pytest.mark.parametrize("name", MODELS)
def test_a_map_fits_its_image_and_hangs_on_the_class_and_the_head(name: str) -> None:
    layer, images = opened(name)
    before = [parameter.clone() for parameter in layer.chain.model.parameters()]
    assert layer.name == MODELS[name][2]
    maps = np.stack([heat_maps(layer, images, target) for target in range(CLASSES)])
    assert maps.shape == (CLASSES, *images.shape[:1], *images.shape[2:]) and maps.dtype == np.float32
    assert maps.min() >= 0 and maps.max() == 1
    assert set(np.unique(maps.max(axis=(2, 3)))) <= {0, 1}  # scaled to its strongest place, or empty
    assert maps.std(axis=(2, 3)).max() > 0.05
    assert np.abs(maps[0] - maps[1]).max() > 0.1
    chance = np.stack([random_maps(layer, images, target, seed=0) for target in range(CLASSES)])
    assert (chance.max(axis=(2, 3)) == 1).all()  # a random head or its negative always says something
    assert np.abs(maps - chance).max() > 0.1
    after = list(layer.chain.model.parameters())
    assert all(new.grad is None and torch.equal(old, new) for old, new in zip(before, after, strict=True))


def test_random_heads_are_a_function_of_their_seed() -> None:
    layer, images = opened("resnet18")
    one, again, other = (random_maps(layer, images, 0, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_each_image_of_a_batch_has_its_own_map() -> None:
    layer, images = opened("swin")
    together = heat_maps(layer, images, 1)
    for index in range(2):
        assert np.allclose(together[index], heat_maps(layer, images[index : index + 1], 1)[0], atol=1e-5)


class Planted(nn.Module):
    """Class 0 is the mean of the red channel in the lower right quarter, class 1 of the green one in the upper left."""

    def __init__(self, inplace: bool = False, last: bool = False) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 3, 1, bias=False)
        self.act = nn.ReLU(inplace=inplace)
        self.head = nn.Linear(3, CLASSES, bias=False)
        self.last = last
        mask = torch.zeros(1, 3, 16, 16)
        mask[:, 0, 8:, 8:] = mask[:, 1, :8, :8] = 1
        self.register_buffer("mask", mask)
        with torch.no_grad():
            self.features.weight.copy_(torch.eye(3)[..., None, None])
            self.head.weight.copy_(torch.eye(CLASSES, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x) * self.mask
        x = self.act(x).permute(0, 2, 3, 1) if self.last else self.act(x)
        return self.head(x.mean((1, 2) if self.last else (2, 3)))


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
def test_what_decides_lights_up_and_nothing_else(inplace: bool, last: bool) -> None:
    chain = chain_of(Planted(inplace, last), 16)
    images = torch.rand(1, 3, 16, 16) + 0.5
    layer = find_target_layer(chain, images)
    assert layer.layout == ("channels_last" if last else "channels_first")
    red, green = heat_maps(layer, images, 0)[0], heat_maps(layer, images, 1)[0]
    assert red[8:, 8:].min() > 0.3 and red.sum() == red[8:, 8:].sum()
    assert green[:8, :8].min() > 0.3 and green.sum() == green[:8, :8].sum()
    assert not heat_maps(layer, images, 3).any()  # no weight of the head speaks for it


def test_a_bright_spot_is_where_the_map_is_brightest() -> None:
    chain = chain_of(Planted(), 16)
    images = torch.zeros(1, 3, 16, 16)
    images[0, 0, 12, 10] = 3.0
    heat = heat_maps(find_target_layer(chain, images + 0.1), images, 0)[0]
    assert np.unravel_index(heat.argmax(), heat.shape) == (12, 10)


def test_the_map_of_vit_is_made_of_its_patches() -> None:
    """The 17 tokens of 4 x 4 patches and the class token: a token that stands first would shift every row."""
    layer, images = opened("vit")
    assert layer.layout == "class_token"
    strongest = []
    for row, column in ((0, 0), (3, 3)):
        lit = torch.zeros_like(images[:1])
        lit[..., 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 5.0
        quiet, loud = heat_maps(layer, torch.zeros_like(lit), 0)[0], heat_maps(layer, lit, 0)[0]
        strongest.append(np.unravel_index(np.abs(loud - quiet).argmax(), loud.shape))
    (top, left), (bottom, right) = strongest
    assert (top < 16, left < 16, bottom >= 16, right >= 16) == (True,) * 4


def test_what_cannot_be_shown_is_said() -> None:
    layers = {"flatten": nn.Flatten(), "features": nn.Linear(3 * 16 * 16, 8), "act": nn.ReLU(), "head": nn.Linear(8, 4)}
    flat = nn.Sequential(OrderedDict(layers))
    with pytest.raises(BackboneError, match="cannot be shown: before its head nothing tells one place from another"):
        find_target_layer(chain_of(flat, 16), torch.rand(1, 3, 16, 16))
