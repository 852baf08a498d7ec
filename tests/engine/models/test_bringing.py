"""What people bring is kept once, under its own name, and only if it fits; every tool's way of saving it is read."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from engine.errors import EngineError, WeightsError
from engine.models import registry, weights_store
from engine.models.bringing import bring
from engine.workspace import Workspace
from tests.checkpoints import VARIANTS, Subject, outcome, subject

BACKBONE = "shufflenet_v2_x0_5"


@pytest.fixture(scope="module")
def model() -> nn.Module:
    """Without memory for its weights, built and traced once."""
    return registry.build_weightless(BACKBONE, 224)


@pytest.fixture
def of(model: nn.Module, traced: Subject, monkeypatch: pytest.MonkeyPatch) -> Subject:
    monkeypatch.setattr(registry, "build_weightless", lambda backbone, size: model)
    return traced


@pytest.fixture(scope="module")
def traced(state: dict[str, Tensor]) -> Subject:
    return subject(BACKBONE, state)


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    model = registry.build(BACKBONE, 64, 3)
    return {name: t + 0.25 if t.is_floating_point() else t for name, t in model.state_dict().items()}


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    return tmp_path / "upload.bin"


@pytest.mark.parametrize("name", VARIANTS)
def test_every_tools_way_of_saving_is_read(workspace: Workspace, of: Subject, name: str) -> None:
    came = outcome(workspace, of, VARIANTS[name])
    assert not came.wrong, came


def test_a_file_is_kept_once_under_its_last_name(workspace: Workspace, upload: Path, state: dict[str, Tensor]) -> None:
    names = ["first.pth", "second.pth", "../가중치 <b>.pth"]
    for name in names:
        torch.save({"net": state, "called": name}, upload)
        arrival = bring(workspace, upload, name, backbone=BACKBONE)
    (listed,) = weights_store.list_weights(workspace)
    path = weights_store.weights_path(workspace, arrival.weights)
    assert (listed.id, listed.name, listed.tensors) == (arrival.weights, names[-1], len(state))
    assert path.parent == workspace.weights and listed.bytes == path.stat().st_size
    assert len(list(workspace.weights.iterdir())) == 2
    assert torch.equal(load_file(path)["fc.weight"], state["fc.weight"])


def test_two_sets_that_fit_are_both_kept_and_one_is_said_to_be_taken(
    workspace: Workspace, upload: Path, state: dict[str, Tensor]
) -> None:
    averaged = {f"module.{name}": tensor * 2 for name, tensor in state.items()}
    names = [f"class {number}" for number in range(1000)]
    torch.save({"model": state, "model_ema": averaged, "classes": names}, upload)
    arrival = bring(workspace, upload, "mine.pth", backbone=BACKBONE)
    kept = {entry.id: entry for entry in weights_store.list_weights(workspace)}
    (other,) = kept.keys() - {arrival.weights}
    assert kept[arrival.weights].name == "mine.pth (model_ema)" and kept[other].name == "mine.pth (model)"
    assert kept[other].classes == tuple(names)
    (said,) = arrival.match.notes  # nothing of the other is left over
    assert "model_ema, which is averaged, was taken" in said and other in said
    tensors = load_file(weights_store.weights_path(workspace, other))
    assert torch.equal(tensors["fc.weight"], state["fc.weight"])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_are_refused(
    workspace: Workspace, upload: Path, state: dict[str, Tensor], value: float
) -> None:
    torch.save({**state, "fc.bias": torch.full((1000,), value)}, upload)
    with pytest.raises(WeightsError, match=r"mine\.pth holds .* not finite .*, in 1 of \d+ tensors, such as fc\.bias"):
        bring(workspace, upload, "mine.pth", backbone=BACKBONE)
    torch.save({**state, "conv1.1.running_var": -state["conv1.1.running_var"]}, upload)
    with pytest.raises(WeightsError, match="negative variances"):
        bring(workspace, upload, "mine.pth", backbone=BACKBONE)
    assert list(workspace.weights.iterdir()) == []


def test_what_does_not_fit_is_not_kept(workspace: Workspace, upload: Path, state: dict[str, Tensor]) -> None:
    torch.save(state, upload)
    with pytest.raises(WeightsError, match=f"does not fit resnet18.*This is a {BACKBONE}"):
        bring(workspace, upload, "mine.pth", backbone="resnet18")
    assert list(workspace.weights.iterdir()) == []


def test_unknown_weights_name_those_there_are(workspace: Workspace, upload: Path, state: dict[str, Tensor]) -> None:
    torch.save(state, upload)
    with pytest.raises(WeightsError, match=bring(workspace, upload, "mine.pth", backbone=BACKBONE).weights):
        weights_store.open_weights(workspace, "weights-00000000ff")
    with pytest.raises(EngineError, match="is not an id"):
        weights_store.open_weights(workspace, "../../etc/passwd")
