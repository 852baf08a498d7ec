import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from pictures import picture
from PIL import Image
from torchvision.models import (
    Inception_V3_Weights,
    ResNet18_Weights,
    ResNet50_Weights,
    Swin_T_Weights,
    ViT_B_16_Weights,
    get_model_weights,
)
from torchvision.models import list_models as names
from torchvision.transforms import functional

from engine.data.decoder import decode
from engine.data.preprocessing import Preprocessing, eval_crop, view, view_key, view_side

PRE = Preprocessing(resize=(256,), crop=224)
SIZES = [(500, 375), (375, 500), (224, 224), (256, 256), (100, 80), (33, 57), (640, 641), (257, 256)]


def preprocessing_of(transforms: object) -> Preprocessing:
    return Preprocessing(
        resize=tuple(transforms.resize_size),  # type: ignore[attr-defined]
        crop=transforms.crop_size[0],  # type: ignore[attr-defined]
        interpolation=transforms.interpolation.value,  # type: ignore[attr-defined]
    )


def torchvision_crop(image: Image.Image, transforms: object) -> np.ndarray:
    """What the preset does before it normalises, by torchvision's own functions."""
    resized = functional.resize(image, transforms.resize_size, interpolation=transforms.interpolation)  # type: ignore[attr-defined]
    return functional.pil_to_tensor(functional.center_crop(resized, transforms.crop_size)).numpy().transpose(1, 2, 0)  # type: ignore[attr-defined]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "weights",
    [
        ResNet18_Weights.DEFAULT,
        ResNet50_Weights.DEFAULT,
        Inception_V3_Weights.DEFAULT,
        Swin_T_Weights.DEFAULT,
        ViT_B_16_Weights.DEFAULT,
    ],
)
def test_evaluation_crop_equals_torchvision_bit_for_bit(weights: object, size: tuple[int, int]) -> None:
    transforms = weights.transforms()  # type: ignore[attr-defined]
    image = decode(picture(3, size))
    ours = eval_crop(image, preprocessing_of(transforms))
    assert ours.dtype == np.uint8
    assert np.array_equal(ours, torchvision_crop(image, transforms))
    mean, std = torch.tensor(transforms.mean), torch.tensor(transforms.std)
    normalised = (torch.from_numpy(ours).permute(2, 0, 1).float() / 255 - mean[:, None, None]) / std[:, None, None]
    assert torch.equal(normalised, transforms(image))


def test_every_preprocessing_torchvision_publishes_is_matched() -> None:
    image = decode(picture(5, (333, 271)))
    presets = {}
    for name in names(module=__import__("torchvision").models):
        for weights in get_model_weights(name):
            transforms = weights.transforms()
            presets[preprocessing_of(transforms)] = transforms
    assert len(presets) > 10
    for preprocessing, transforms in presets.items():
        assert np.array_equal(eval_crop(image, preprocessing), torchvision_crop(image, transforms)), preprocessing


def test_square_resize_ignores_the_shape() -> None:
    crop = eval_crop(decode(picture(1, (300, 100))), Preprocessing(resize=(224, 224), crop=224))
    assert np.array_equal(
        crop, np.asarray(decode(picture(1, (300, 100))).resize((224, 224), Image.Resampling.BILINEAR))
    )


def test_crop_larger_than_resize_is_padded_as_torchvision_does() -> None:
    image = decode(picture(1, (90, 60)))
    expected = functional.center_crop(functional.resize(image, [50]), [64])
    assert np.array_equal(eval_crop(image, Preprocessing(resize=(50,), crop=64)), np.asarray(expected))


@pytest.mark.parametrize("size", [(1, 4000), (4000, 1), (1, 1), (20_000, 2), (5, 3)])
def test_extreme_shapes_work_in_bounded_memory(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (10, 200, 30))
    for crop in (eval_crop(image, PRE), view(image, PRE, key=view_key("x", 0, 0))):
        assert crop.shape == (224, 224, 3) and (crop == (10, 200, 30)).all()


def test_a_view_depends_on_content_number_and_seed_alone() -> None:
    image = decode(picture(2, (200, 150)))
    numbers = list(range(24))
    expected = [view(image, PRE, key=view_key("abc", number, 7)).tobytes() for number in numbers]
    assert len(set(expected)) == len(expected)

    def disturbed(number: int) -> bytes:
        random.seed(number)
        np.random.seed(number)
        torch.manual_seed(number)
        return view(image, PRE, key=view_key("abc", number, 7)).tobytes()

    with ThreadPoolExecutor(6) as pool:
        shuffled = random.Random(1).sample(numbers, len(numbers))
        found = dict(zip(shuffled, pool.map(disturbed, shuffled), strict=True))
    assert [found[number] for number in numbers] == expected
    assert view(image, PRE, key=view_key("abc", 0, 8)).tobytes() != expected[0]
    assert view(image, PRE, key=view_key("abd", 0, 7)).tobytes() != expected[0]


def test_global_generators_are_not_touched() -> None:
    before = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes()  # type: ignore[union-attr, index]
    view(decode(picture(2)), PRE, key=view_key("abc", 1, 1))
    assert (random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes()) == before  # type: ignore[union-attr, index]


def test_views_flip_half_of_the_time_and_crop_between_a_third_and_all() -> None:
    across = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None], (256, 256, 3))
    image = Image.fromarray(np.ascontiguousarray(across))
    crops = [view(image, PRE, key=view_key("x", number, 0)).astype(int) for number in range(400)]
    flipped = sum(crop[0, 0, 0] > crop[0, -1, 0] for crop in crops)
    widths = np.array([abs(crop[0, -1, 0] - crop[0, 0, 0]) for crop in crops]) / 255
    assert 150 < flipped < 250
    assert widths.min() > 0.48 and widths.max() <= 1.0 and widths.std() > 0.08
    assert all((crop[0] == crop[-1]).all() for crop in crops)


def test_view_side_leaves_enough_pixels_for_the_smallest_crop() -> None:
    smallest = view_side(PRE) * (0.35 * 3 / 4) ** 0.5
    assert smallest >= PRE.crop
