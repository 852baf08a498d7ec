"""From the words of a run configuration to a chain: default, none, an entry, a brought file, an earlier run."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision.models import get_model_weights

from engine.errors import BackboneError, WeightsError
from engine.models import loading, published, registry
from engine.models.catalog import checkpoints_folder
from engine.models.chain import Chain
from engine.models.loading import load_backbone, load_trained, match_brought, outline_of, prepare_weights
from engine.models.weights_reader import bring
from engine.workspace import Workspace

CLASSES = ("ant", "벌", "cat")
RUN = "run-0123456789"


@pytest.fixture(autouse=True)
def no_network(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for backbone in ("squeezenet1_1", "googlenet", "mobilenet_v3_small"):
        for entry in get_model_weights(backbone):
            monkeypatch.setattr(entry.value, "url", f"http://127.0.0.1:9/{entry.url.rpartition('/')[2]}")
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(loading, "_STATES", loading._States(loading.KEPT_BYTES))


def publish(monkeypatch: pytest.MonkeyPatch, backbone: str, state: dict[str, Tensor]) -> Path:
    """Lay `state` where torchvision would have downloaded the default weights of `backbone`, under an honest name."""
    checkpoints_folder().mkdir(parents=True, exist_ok=True)
    draft = checkpoints_folder() / "draft"
    torch.save(state, draft)
    name = f"{backbone}-{hashlib.sha256(draft.read_bytes()).hexdigest()[:8]}.pth"
    monkeypatch.setattr(get_model_weights(backbone).DEFAULT.value, "url", f"http://127.0.0.1:9/{name}")
    return draft.rename(checkpoints_folder() / name)


def load(
    workspace: Workspace, weights: str, classes: tuple[str, ...] = CLASSES, seed: int = 0
) -> tuple[Chain, tuple[str, ...]]:
    return load_backbone(workspace, "squeezenet1_1", weights, classes, seed, image_size=64)


def state_of(chain: Chain) -> dict[str, Tensor]:
    return chain.model.state_dict()


def equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> set[str]:
    return {name for name in first if torch.equal(first[name], second[name])}


def finished_run(workspace: Workspace, classes: tuple[str, ...], seed: int = 4) -> dict[str, Tensor]:
    state = {name: tensor + 0.01 for name, tensor in state_of(load(workspace, "none", classes, seed)[0]).items()}
    workspace.run(RUN).mkdir()
    (workspace.run(RUN) / "classes.json").write_text(json.dumps(classes))
    save_file(state, workspace.run(RUN) / "best.safetensors")
    return state


def test_none_is_random_and_a_function_of_the_seed(workspace: Workspace) -> None:
    first, notes = load(workspace, "none")
    assert first.classes == 3 and first.input_size == 64 and notes == ()
    assert equal(state_of(first), state_of(load(workspace, "none")[0])) == set(state_of(first))
    other = load(workspace, "none", seed=1)[0]
    assert not {name for name in equal(state_of(first), state_of(other)) if name.endswith("weight")}


def test_without_network_and_file_it_is_one_sentence_before_anything_is_built(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "build", lambda *_: pytest.fail("built a model that it cannot fill"))
    with pytest.raises(WeightsError, match="Three ways on") as caught:
        load(workspace, "default")
    assert "\n" not in str(caught.value)


def test_published_weights_from_disk_with_a_new_head(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    state = registry.build("squeezenet1_1", 64, 9).state_dict()
    publish(monkeypatch, "squeezenet1_1", state)
    for weights in ("default", "IMAGENET1K_V1"):
        chain, notes = load(workspace, weights)
        assert notes == ()
        backbone = {name: tensor for name, tensor in state.items() if not name.startswith("classifier")}
        assert equal(backbone, state_of(chain)) == set(backbone)
        assert state_of(chain)["classifier.1.weight"].shape[0] == 3
    random = load(workspace, "none")[0]
    assert torch.equal(
        state_of(random)["classifier.1.weight"], state_of(chain)["classifier.1.weight"]
    )  # one head for one seed


def test_published_weights_with_auxiliary_heads(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    state = registry.build("googlenet", 64, 9).state_dict()
    publish(monkeypatch, "googlenet", state)
    chain, notes = load_backbone(workspace, "googlenet", "default", CLASSES, 0, image_size=64)
    assert notes == () and torch.equal(
        state_of(chain)["inception3a.branch1.conv.weight"], state["inception3a.branch1.conv.weight"]
    )
    assert chain.model.train()(torch.rand(2, 3, 64, 64)).shape == (2, 3)


def test_layers_published_without_values_start_from_random_ones(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As VGG16_Weights.IMAGENET1K_FEATURES, which is NaN in its classifier."""
    state = registry.build("mobilenet_v3_small", 64, 9).state_dict()
    publish(
        monkeypatch,
        "mobilenet_v3_small",
        {name: t * float("nan") if name.startswith("classifier") else t for name, t in state.items()},
    )
    chain, notes = load_backbone(workspace, "mobilenet_v3_small", "default", CLASSES, 0, image_size=64)
    assert len(notes) == 1 and "classifier.0:" in notes[0] and "classifier.3" not in notes[0]
    assert all(bool(torch.isfinite(tensor).all()) for tensor in state_of(chain).values())
    assert torch.equal(state_of(chain)["features.0.0.weight"], state["features.0.0.weight"])


def test_brought_weights_keep_a_head_that_fits(workspace: Workspace, tmp_path: Path) -> None:
    state = state_of(load(workspace, "none", seed=7)[0])
    torch.save(state, tmp_path / "u")
    weights_id = bring(workspace, tmp_path / "u", "mine.pth")
    chain, notes = load(workspace, f"file:{weights_id}")
    assert equal(state, state_of(chain)) == set(state)
    assert notes == ("The head of mine.pth is kept: its outputs are taken as ant, 벌, cat, in this order.",)
    chain, notes = load(workspace, f"file:{weights_id}", ("a", "b"))
    assert equal(state, state_of(chain)) == {name for name in state if not name.startswith("classifier")}
    assert "starts anew" in notes[0]


def test_how_a_brought_file_fits_can_be_asked_without_loading_a_model(workspace: Workspace, tmp_path: Path) -> None:
    torch.save(state_of(load(workspace, "none")[0]), tmp_path / "u")
    weights_id = bring(workspace, tmp_path / "u", "mine.pth")
    assert match_brought(workspace, weights_id, "squeezenet1_1").notes == ()
    assert match_brought(workspace, weights_id, "squeezenet1_1", classes=8).reinitialised_head
    with pytest.raises(WeightsError, match=r"mine\.pth does not fit resnet18"):
        match_brought(workspace, weights_id, "resnet18")


def test_an_earlier_run_goes_on_where_it_ended(workspace: Workspace) -> None:
    state = finished_run(workspace, CLASSES)
    chain, notes = load(workspace, f"run:{RUN}")
    assert equal(state, state_of(chain)) == set(state) and notes == ()
    trained = load_trained(workspace.run(RUN), "squeezenet1_1", image_size=64)
    assert equal(state, state_of(trained)) == set(state) and trained.classes == 3


def test_an_earlier_run_with_its_classes_in_another_order(workspace: Workspace) -> None:
    state = finished_run(workspace, ("cat", "ant", "벌"))
    chain, notes = load(workspace, f"run:{RUN}")
    for part in ("weight", "bias"):
        assert torch.equal(state_of(chain)[f"classifier.1.{part}"], state[f"classifier.1.{part}"][[1, 2, 0]])
    assert len(notes) == 1 and "another order" in notes[0]


def test_an_earlier_run_with_other_classes(workspace: Workspace) -> None:
    state = finished_run(workspace, ("cat", "dog"))
    chain, notes = load(workspace, f"run:{RUN}")
    assert equal(state, state_of(chain)) == {name for name in state if not name.startswith("classifier")}
    assert torch.equal(
        state_of(chain)["classifier.1.weight"], state_of(load(workspace, "none")[0])["classifier.1.weight"]
    )
    assert len(notes) == 1 and "cat, dog" in notes[0] and "starts anew" in notes[0]


def test_an_earlier_run_of_another_backbone_or_without_weights(workspace: Workspace) -> None:
    with pytest.raises(WeightsError, match=f"run {RUN} does not say which classes"):
        load(workspace, f"run:{RUN}")
    finished_run(workspace, CLASSES)
    with pytest.raises(WeightsError, match=f"The run {RUN} does not fit resnet18"):
        load_backbone(workspace, "resnet18", f"run:{RUN}", CLASSES, 0, image_size=64)
    (workspace.run(RUN) / "best.safetensors").unlink()
    with pytest.raises(WeightsError, match="no weights yet"):
        load(workspace, f"run:{RUN}")


def test_names_that_do_not_exist(workspace: Workspace) -> None:
    with pytest.raises(WeightsError, match="no weights named 'IMAGENET1K_V9'"):
        load(workspace, "IMAGENET1K_V9")
    with pytest.raises(WeightsError, match="no brought weights"):
        load(workspace, "file:weights-0123456789")
    with pytest.raises(BackboneError, match="cannot see images of 8 pixels"):
        load_backbone(workspace, "squeezenet1_1", "none", CLASSES, 0, image_size=8)


def test_a_file_is_read_once_for_several_runs_and_again_when_it_changed(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []
    read = loading.read_state
    monkeypatch.setattr(loading, "read_state", lambda path, name="": reads.append(path) or read(path, name))
    path = tmp_path / "a"
    torch.save({"w": torch.ones(4)}, path)
    states = loading._States(limit_bytes=100)
    assert states.read(path) is states.read(path) and len(reads) == 1
    torch.save({"w": torch.ones(9)}, path)
    assert states.read(path)["w"].shape == (9,) and len(reads) == 2
    torch.save({"w": torch.ones(20)}, tmp_path / "b")  # 80 bytes: only one of the two can be kept
    states.read(tmp_path / "b")
    states.read(path)
    assert len(reads) == 4


def test_training_does_not_reach_into_the_cache(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, "squeezenet1_1", registry.build("squeezenet1_1", 64, 9).state_dict())
    first = load(workspace, "default")[0]
    with torch.no_grad():
        for parameter in first.model.parameters():
            parameter.zero_()
    assert state_of(load(workspace, "default")[0])["features.0.weight"].any()


def test_a_layer_that_the_file_lacks_is_random_by_the_seed_of_each_run(workspace: Workspace, tmp_path: Path) -> None:
    whole = registry.build("mobilenet_v3_small", 64, 0).state_dict()
    save_file(
        {name: tensor for name, tensor in whole.items() if not name.startswith("classifier")},
        tmp_path / "trunk.safetensors",
    )
    weights = f"file:{bring(workspace, tmp_path / 'trunk.safetensors', 'trunk.safetensors')}"

    def hidden(seed: int) -> Tensor:
        chain, _ = load_backbone(workspace, "mobilenet_v3_small", weights, CLASSES, seed, image_size=64)
        loading.release(chain)  # the next run may have it
        return state_of(chain)["classifier.0.weight"].clone()

    first, second, again = hidden(0), hidden(1), hidden(0)
    assert torch.equal(first, again) and not torch.equal(first, second)


def test_preparing_downloads_only_what_is_published(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(loading, "find_published", lambda entry, progress=None: asked.append(entry.name))
    for weights in ("none", "file:weights-0123456789", f"run:{RUN}", "default"):
        prepare_weights("resnet50", weights)
    assert asked == ["IMAGENET1K_V2"]
    assert published.CONNECT_SECONDS <= 5


@pytest.mark.parametrize("backbone", ["resnet18", "regnet_y_128gf", "vit_h_14"])
def test_outlines_need_no_memory_for_weights(backbone: str) -> None:
    outline = outline_of(backbone, 1000)
    about = registry.describe(backbone)
    assert (outline.backbone, outline.classes, outline.input_size) == (backbone, 1000, about.input_size)
    assert outline.size == about.parameters or backbone == "vit_h_14"
    assert outline.size == pytest.approx(about.parameters, rel=0.01)
