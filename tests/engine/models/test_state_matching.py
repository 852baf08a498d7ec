"""Only the head may differ; everything that differs is said, and a file for another backbone is refused."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from engine.errors import WeightsError
from engine.models import recognition, registry
from engine.models.head import swap_head
from engine.models.state_matching import fit_state
from engine.models.weights_store import Match


def model_of(backbone: str, classes: int, seed: int = 0, size: int = 64) -> nn.Module:
    model = registry.build(backbone, size, seed)
    swap_head(model, backbone, classes=classes, seed=seed)
    return model


def brought(backbone: str, classes: int, size: int = 64) -> dict[str, Tensor]:
    """The state of a model that somebody else trained."""
    return {
        name: tensor + 0.25 if tensor.is_floating_point() else tensor
        for name, tensor in model_of(backbone, classes, 5, size).state_dict().items()
    }


def fit(backbone: str, state: dict[str, Tensor], classes: int, size: int = 64) -> tuple[nn.Module, Match]:
    model = model_of(backbone, classes, size=size)
    return model, fit_state(state, model, backbone=backbone, name="mine.pth")


def test_everything_that_matches_is_taken() -> None:
    state = brought("resnet18", 3)
    model, match = fit("resnet18", state, 3)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert match == Match(matched=len(state), missing=(), unexpected=(), reinitialised_head=False, notes=())
    with torch.no_grad():
        model.get_parameter("conv1.weight").zero_()
    assert state["conv1.weight"].any(), "what the caller holds is not aliased"


@pytest.mark.parametrize("backbone", ["resnet18", "squeezenet1_1", "densenet121", "mobilenet_v3_small"])
def test_a_head_for_other_classes_starts_anew_and_is_said(backbone: str) -> None:
    state = brought(backbone, 10)
    model, match = fit(backbone, state, 3)
    fresh = model_of(backbone, 3)
    head = match.missing[0].rpartition(".")[0]
    assert match.reinitialised_head
    assert set(match.missing) == set(match.unexpected) == {f"{head}.weight", f"{head}.bias"}
    assert torch.equal(model.get_parameter(f"{head}.weight"), fresh.get_parameter(f"{head}.weight"))
    assert any(head in note and "starts anew" in note for note in match.notes)
    others = [name for name in state if not name.startswith(f"{head}.")]
    assert all(torch.equal(model.state_dict()[name], state[name]) for name in others)


@pytest.mark.parametrize(
    ("backbone", "old", "new"),
    [
        ("resnet18", "fc", "fc.0"),
        ("resnet18", "fc", "fc.1"),
        ("mobilenet_v3_small", "classifier.3", "classifier.3.1"),
        ("mobilenet_v2", "classifier.1", "classifier"),
        ("densenet121", "classifier", "classifier.0"),
    ],
)
def test_a_head_wrapped_in_a_sequential_is_unwrapped(backbone: str, old: str, new: str) -> None:
    state = brought(backbone, 3)
    renamed = {re.sub(rf"^{old}\.", f"{new}.", name): tensor for name, tensor in state.items()}
    assert renamed.keys() != state.keys()
    model, match = fit(backbone, renamed, 3)
    assert not match.reinitialised_head and not match.unexpected
    assert torch.equal(model.get_parameter(f"{old}.weight"), state[f"{old}.weight"])
    assert torch.equal(model.get_parameter(f"{old}.bias"), state[f"{old}.bias"])


def test_a_head_of_several_layers_starts_anew_and_names_what_is_left_over() -> None:
    state = {name: tensor for name, tensor in brought("resnet18", 3).items() if not name.startswith("fc.")}
    layers = {"fc.0.weight": (64, 512), "fc.0.bias": (64,), "fc.3.weight": (3, 64), "fc.3.bias": (3,)}
    _, match = fit("resnet18", state | {name: torch.ones(shape) for name, shape in layers.items()}, 3)
    assert match.reinitialised_head and match.unexpected == tuple(layers)
    assert "4 tensors of the file are not used" in " ".join(match.notes)


def test_a_rebuilt_classifier_is_taken_layer_by_layer_never_by_halves() -> None:
    """A narrower classifier: classifier.0 has a bias of the right size and a weight of the wrong one."""
    state = brought("mobilenet_v3_small", 3)
    state["classifier.0.weight"] = torch.ones(1024, 100)
    model, match = fit("mobilenet_v3_small", state, 3)
    fresh = model_of("mobilenet_v3_small", 3)
    assert set(match.missing) == {"classifier.0.weight", "classifier.0.bias"} and not match.reinitialised_head
    assert torch.equal(model.get_parameter("classifier.0.bias"), fresh.get_parameter("classifier.0.bias"))
    assert torch.equal(model.get_parameter("classifier.3.weight"), state["classifier.3.weight"])
    assert any("classifier.0" in note and "random" in note for note in match.notes)


@pytest.mark.parametrize(
    ("backbone", "other", "message"),
    [
        ("resnet18", "resnet34", r"mine\.pth does not fit resnet18: it has layers .* such as layer1\.2"),
        ("resnet34", "resnet18", r"does not fit resnet34: \d+ of its \d+ tensors are missing, such as layer1\.2"),
        ("resnet18", "squeezenet1_1", "are missing, such as conv1.weight; .* unknown to it, such as features.0.weight"),
        ("squeezenet1_1", "squeezenet1_0", r"features\.0\.weight is \(96, 3, 7, 7\) instead of \(64, 3, 3, 3\)"),
    ],
)
def test_another_backbone_is_refused_by_its_name_and_nothing_is_copied(backbone: str, other: str, message: str) -> None:
    model = model_of(backbone, 3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = {f"module.{name}": tensor for name, tensor in brought(other, 3).items()}
    with pytest.raises(WeightsError, match=f"{message}.* This is a {other}: choose that backbone"):
        fit_state(state, model, backbone=backbone, name="mine.pth")
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_layers_of_no_backbone_are_said_to_be_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognition, "_TRIED", 2)
    with pytest.raises(WeightsError, match="No backbone of about this size has these layers"):
        fit("resnet18", {"conv.weight": torch.ones(3, 3, 3, 3)}, 3)
    with pytest.raises(WeightsError, match="names are numbers, as nn"):
        fit("resnet18", {"0.weight": torch.ones(3, 3, 3, 3)}, 3)


def test_tensors_that_no_layer_needs_are_left_over_and_few_are_named() -> None:
    surplus = {f"{layer}.total_ops\x1b[2J": torch.ones(1) for layer in ("a", "b", "c", "d", "e")}
    _, match = fit("resnet18", {**brought("resnet18", 3), **surplus}, 3)
    assert not match.missing and match.unexpected == tuple(surplus)
    assert match.notes == ("5 tensors of the file are not used: total_ops_[2J.",)


def test_the_prefix_below_which_most_fits_is_taken() -> None:
    state = brought("resnet18", 3)
    wrapped = {f"net.module.{name}": tensor for name, tensor in state.items()} | {"conv1.weight": torch.ones(2)}
    model, match = fit("resnet18", wrapped, 3)
    assert torch.equal(model.get_parameter("fc.weight"), state["fc.weight"])
    assert (match.matched, match.unexpected) == (len(state), ("conv1.weight",))


def test_averaged_weights_go_before_those_that_they_are_an_average_of() -> None:
    state = brought("resnet18", 3)
    both = {f"model.{name}": tensor for name, tensor in state.items()}
    both |= {f"model_ema.module.{name}": tensor + 1 for name, tensor in state.items()}
    model, _ = fit("resnet18", both, 3)
    assert torch.equal(model.get_parameter("fc.weight"), state["fc.weight"] + 1)


@pytest.mark.parametrize("backbone", ["resnet18", "mobilenet_v3_small"])
@pytest.mark.parametrize("body", ["", "0."])
def test_layers_under_numbers_are_taken_by_their_order(backbone: str, body: str) -> None:
    state, children = brought(backbone, 3), [name for name, _ in model_of(backbone, 3).named_children()]

    def numbered(name: str) -> str:
        first, _, rest = name.partition(".")
        return f"{body}{children.index(first)}.{rest}"

    model, match = fit(backbone, {numbered(name): tensor for name, tensor in state.items()}, 3)
    weights = {name for name in state if "num_batches" not in name}
    assert all(torch.equal(model.state_dict()[name], state[name]) for name in weights)
    assert not match.missing


def test_whole_numbers_are_no_weights() -> None:
    state = {name: tensor.long() for name, tensor in brought("resnet18", 3).items()}
    with pytest.raises(WeightsError, match=r"whole numbers where weights should be, such as conv1\.weight"):
        fit("resnet18", state, 3)


def test_a_file_without_a_head_says_so() -> None:
    state = {name: tensor for name, tensor in brought("resnet18", 3).items() if not name.startswith("fc.")}
    _, match = fit("resnet18", state, 3)
    assert match.notes == ("The file has no head: fc starts anew.",)


def test_old_norms_without_a_batch_counter_are_fine() -> None:
    state = {name: tensor for name, tensor in brought("resnet18", 3).items() if "num_batches" not in name}
    _, match = fit("resnet18", state, 3)
    assert match.matched == len(state) and not match.missing and not match.notes


def transformer(size: int) -> nn.Module:
    return VisionTransformer(
        image_size=size, patch_size=32, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=16, num_classes=3
    )


@pytest.mark.parametrize(
    ("model_of_files", "pattern", "older"),
    [
        (lambda: model_of("densenet121", 3), r"(denselayer.*\.(?:norm|conv))([12])\.", r"\1.\2."),
        (lambda: transformer(64), r"\.mlp\.0\.", ".mlp.linear_1."),
        (lambda: transformer(64), r"\.mlp\.3\.", ".mlp.linear_2."),
    ],
)
def test_names_of_older_files(model_of_files: Callable[[], nn.Module], pattern: str, older: str) -> None:
    state = {name: tensor + 1 for name, tensor in model_of_files().state_dict().items()}
    legacy = {re.sub(pattern, older, name): tensor for name, tensor in state.items()}
    assert legacy.keys() != state.keys()
    model = model_of_files()
    assert not fit_state(legacy, model, backbone="any", name="mine.pth").missing
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


def test_auxiliary_heads_are_left_out_and_said() -> None:
    state = registry.build("googlenet", 64, 0).state_dict()
    assert any(name.startswith("aux1.") for name in state)
    _, match = fit("googlenet", state, 1000)
    assert not match.missing and not match.unexpected and "auxiliary heads" in match.notes[0]


def test_position_codes_follow_the_image_size() -> None:
    state = {name: torch.rand_like(tensor) for name, tensor in transformer(96).state_dict().items()}
    model = transformer(64)
    match = fit_state(state, model, backbone="vit", name="mine.pth")
    assert "resampled from 9 to 4 patches" in match.notes[0] and not match.missing
    codes, given = model.get_parameter("encoder.pos_embedding"), state["encoder.pos_embedding"]
    assert torch.equal(codes[:, 0], given[:, 0])
    assert torch.allclose(codes[:, 1:], given[:, [1, 3, 7, 9]])  # the corners stay the corners
    assert given.shape[1] == 10  # what the caller holds is untouched
