"""The registry says what torchvision says, and builds reproducibly without disturbing anyone's random numbers."""

import json

import pytest
import torch
import torchvision

from engine.errors import BackboneError, WeightsError
from engine.models import registry
from engine.models.head import swap_head
from engine.models.sources.source import source_of


def test_offers_every_classifier_of_torchvision() -> None:
    infos = [registry.describe(name) for name in registry.names()]
    assert [info.name for info in infos] == torchvision.models.list_models(module=torchvision.models)
    assert len(infos) >= 80
    for info in infos:
        assert [entry.is_default for entry in info.weights] == [True] + [False] * (len(info.weights) - 1)
        assert info.parameters > 1e6 and info.gflops > 0 and info.weights[0].file_bytes > 1e6


def test_metadata_in_the_units_it_promises() -> None:
    best = registry.describe("resnet18").weights[0]
    assert best.name == "IMAGENET1K_V1" and best.acc1 == 69.758
    assert best.file_name == "resnet18-f37072fd.pth"
    assert abs(best.file_bytes - 46_830_571) < 2000  # the true size of that file
    swag = registry.published("vit_b_16", "IMAGENET1K_SWAG_E2E_V1")
    assert "SWAG" in swag.license and swag.input_size == 384


def test_an_accuracy_that_was_never_published_is_none() -> None:
    assert registry.published("vgg16", "IMAGENET1K_FEATURES").acc1 is None


@pytest.mark.parametrize("name", ["resnet1000", "../etc/passwd", "fcn_resnet50", "quantized_resnet18"])
def test_an_unknown_backbone_is_one_sentence(name: str) -> None:
    with pytest.raises(BackboneError, match="no classifier named"):
        registry.describe(name)


def test_an_unknown_weights_entry_names_those_there_are() -> None:
    with pytest.raises(WeightsError, match="IMAGENET1K_V2, IMAGENET1K_V1"):
        registry.published("resnet50", "IMAGENET22K")


@pytest.mark.parametrize("backbone", ["resnet50", "vgg16", "vit_b_16", "efficientnet_v2_l", "inception_v3"])
def test_preprocessing_is_that_of_the_weights(backbone: str) -> None:
    for about in registry.describe(backbone).weights:
        transforms = torchvision.models.get_model_weights(backbone)[about.name].transforms()
        wanted = registry.preprocessing_of(backbone, about.name)
        assert wanted.resize == tuple(transforms.resize_size) and wanted.crop == transforms.crop_size[0]
        assert wanted.mean == tuple(transforms.mean) and wanted.std == tuple(transforms.std)
        assert wanted.interpolation == transforms.interpolation.value


def test_another_image_size_keeps_the_proportions() -> None:
    wanted = registry.preprocessing_of("resnet50", "run:run-0123456789", image_size=112)
    assert (wanted.resize, wanted.crop) == ((116,), 112)  # 232 and 224, halved
    half = registry.preprocessing_of("resnet50", "default", image_size=112, kind="half")
    assert (half.resize, half.crop, half.mean, half.std) == ((112, 112), 112, (0.5,) * 3, (0.5,) * 3)


@pytest.mark.parametrize(
    ("backbone", "size"), [("inception_v3", 64), ("vit_b_16", 100), ("maxvit_t", 256), ("densenet121", 16)]
)
def test_a_size_the_network_cannot_see_is_refused(backbone: str, size: int) -> None:
    with pytest.raises(BackboneError, match=f"cannot see images of {size} pixels. Choose a size of at least"):
        registry.preprocessing_of(backbone, "none", image_size=size)


def test_random_weights_are_a_function_of_the_seed_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = registry.build("mobilenet_v3_small", 224, seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again = registry.build("mobilenet_v3_small", 224, seed=3).state_dict()
    other = registry.build("mobilenet_v3_small", 224, seed=4).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["features.0.0.weight"], other["features.0.0.weight"])


@pytest.mark.parametrize("backbone", ["resnet18", "regnet_y_128gf", "vit_h_14", "swin_v2_t"])
def test_weightless_models_have_the_shapes_and_no_memory(backbone: str) -> None:
    info = registry.describe(backbone)
    model = registry.build_weightless(backbone, info.input_size)
    size = sum(p.numel() for p in model.parameters())
    assert size == info.parameters or backbone == "vit_h_14"  # its positions grow with the image
    assert sum(p.numel() for p in model.parameters() if not p.is_meta) < 1e5


def test_published_input_normalisation_is_always_on() -> None:
    assert registry.build_weightless("googlenet", 224).transform_input is True
    assert registry.build_weightless("inception_v3", 299).transform_input is True


@pytest.mark.parametrize(
    ("backbone", "size"),
    [("resnet18", 64), ("googlenet", 64), ("inception_v3", 96), ("vit_b_32", 96), ("maxvit_t", 448)],
)
def test_torchvisions_constructor_makes_what_a_trained_state_fits(backbone: str, size: int) -> None:
    trained = registry.build_weightless(backbone, size)
    swap_head(trained, backbone, classes=5, seed=0)
    arguments = source_of(backbone).models().constructor_arguments(backbone, size, 5)
    fresh = torchvision.models.get_model(**json.loads(json.dumps(arguments)))  # they travel as JSON
    fresh.to("meta").load_state_dict(trained.to("meta").state_dict())
