import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from pictures import picture
from PIL import Image
from torchvision import models
from torchvision.models import (
    Inception_V3_Weights,
    ResNet18_Weights,
    ResNet50_Weights,
    Swin_T_Weights,
    ViT_B_16_Weights,
    get_model_weights,
    list_models,
)
from torchvision.transforms import functional

from engine.data.decoder import decode
from engine.data.preprocessing import Preprocessing, eval_crop, view, view_key, view_side

PRE = Preprocessing(resize=(256,), crop=224)
SIZES = [(500, 375), (375, 500), (224, 224), (256, 256), (100, 80), (33, 57), (640, 641), (257, 256)]


def matched(image: Image.Image, transforms: Any) -> Preprocessing:
    """The preprocessing of a preset, once its crop is what torchvision's own functions give before it normalises."""
    preprocessing = Preprocessing(
        resize=tuple(transforms.resize_size),
        crop=transforms.crop_size[0],
        interpolation=transforms.interpolation.value,
    )
    resized = functional.resize(image, transforms.resize_size, interpolation=transforms.interpolation)
    expected = functional.pil_to_tensor(functional.center_crop(resized, transforms.crop_size)).permute(1, 2, 0)
    ours = eval_crop(image, preprocessing)
    assert ours.dtype == np.uint8 and np.array_equal(ours, expected), preprocessing
    return preprocessing


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "weights", [ResNet18_Weights, ResNet50_Weights, Inception_V3_Weights, Swin_T_Weights, ViT_B_16_Weights]
)
def test_evaluation_crop_equals_torchvision_bit_for_bit(weights: Any, size: tuple[int, int]) -> None:
    transforms = weights.DEFAULT.transforms()
    image = decode(picture(3, size))
    ours = torch.from_numpy(eval_crop(image, matched(image, transforms))).permute(2, 0, 1)
    mean, std = torch.tensor(transforms.mean), torch.tensor(transforms.std)
    assert torch.equal((ours.float() / 255 - mean[:, None, None]) / std[:, None, None], transforms(image))


def test_every_preprocessing_torchvision_publishes_is_matched() -> None:
    image = decode(picture(5, (333, 271)))
    every = [weights.transforms() for name in list_models(module=models) for weights in get_model_weights(name)]
    presets = {repr(transforms): transforms for transforms in every}
    assert len({matched(image, transforms) for transforms in presets.values()}) > 10


def test_square_resize_ignores_the_shape() -> None:
    image = decode(picture(1, (300, 100)))
    crop = eval_crop(image, Preprocessing(resize=(224, 224), crop=224))
    assert np.array_equal(crop, np.asarray(image.resize((224, 224), Image.Resampling.BILINEAR)))


def test_crop_larger_than_resize_is_padded_as_torchvision_does() -> None:
    image = decode(picture(1, (90, 60)))
    expected = functional.center_crop(functional.resize(image, [50]), [64])
    assert np.array_equal(eval_crop(image, Preprocessing(resize=(50,), crop=64)), np.asarray(expected))


@pytest.mark.parametrize("size", [(1, 4000), (4000, 1), (1, 1), (20_000, 2), (5, 3)])
def test_extreme_shapes_work_in_bounded_memory(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (10, 200, 30))
    for crop in (eval_crop(image, PRE), view(image, PRE, key=view_key("x", 0, 0))):
        assert crop.shape == (224, 224, 3) and (crop == (10, 200, 30)).all()


def cut(image: Image.Image, number: int, content: str = "abc", seed: int = 7) -> bytes:
    return view(image, PRE, key=view_key(content, number, seed)).tobytes()


def test_a_view_depends_on_content_number_and_seed_alone() -> None:
    image = decode(picture(2, (200, 150)))
    expected = [cut(image, number) for number in range(24)]
    assert len({*expected, cut(image, 0, seed=8), cut(image, 0, "abd")}) == 26

    def disturbed(number: int) -> bytes:
        random.seed(number)
        np.random.seed(number)
        torch.manual_seed(number)
        return cut(image, number)

    shuffled = random.Random(1).sample(range(24), 24)
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(disturbed, shuffled)) == [expected[number] for number in shuffled]


def test_global_generators_are_not_touched() -> None:
    def state() -> tuple[object, ...]:
        return random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes()

    before = state()
    cut(decode(picture(2)), 1)
    assert state() == before


def test_views_flip_half_of_the_time_and_crop_between_a_third_and_all() -> None:
    image = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8)[:, None], (256, 1, 3)))
    crops = [view(image, PRE, key=view_key("x", number, 0)).astype(int) for number in range(400)]
    flipped = sum(crop[0, 0, 0] > crop[0, -1, 0] for crop in crops)
    widths = np.array([abs(crop[0, -1, 0] - crop[0, 0, 0]) for crop in crops]) / 255
    assert 150 < flipped < 250
    assert widths.min() > 0.48 and widths.max() <= 1.0 and widths.std() > 0.08
    assert all((crop[0] == crop[-1]).all() for crop in crops)


def test_view_side_leaves_enough_pixels_for_the_smallest_crop() -> None:
    smallest = view_side(PRE) * (0.35 * 3 / 4) ** 0.5
    assert smallest >= PRE.crop
