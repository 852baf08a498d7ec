"""From the words of a run configuration to a chain: default, none, an entry, a brought file, an earlier run."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision.models import get_model_weights

from engine import record_files
from engine.errors import BackboneError, WeightsError
from engine.models import loading, published, registry
from engine.models.bringing import bring
from engine.models.catalog import checkpoints_folder
from engine.models.chain import Chain
from engine.models.loading import load_backbone, load_trained, outline_of, prepare_weights
from engine.models.reuse import WARM
from engine.workspace import Workspace

CLASSES = ("ant", "벌", "cat")
RUN = "run-0123456789"


HEAD = "classifier.1.weight"
State = dict[str, Tensor]


@pytest.fixture(autouse=True)
def no_network(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, "squeezenet1_1", None)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(loading, "_STATES", loading._States(loading.KEPT_BYTES))


def publish(monkeypatch: pytest.MonkeyPatch, backbone: str, state: State | None) -> None:
    """Lay `state` where torchvision would have downloaded the default weights of `backbone`, under an honest name."""
    checkpoints_folder().mkdir(parents=True, exist_ok=True)
    draft = checkpoints_folder() / "draft"
    torch.save(state, draft)
    name = f"{backbone}-{hashlib.sha256(draft.read_bytes()).hexdigest()[:8]}.pth"
    monkeypatch.setattr(get_model_weights(backbone).DEFAULT.value, "url", f"http://127.0.0.1:9/{name}")
    if state is not None:
        draft.rename(checkpoints_folder() / name)


def load(
    workspace: Workspace,
    weights: str,
    backbone: str = "squeezenet1_1",
    *,
    classes: tuple[str, ...] = CLASSES,
    seed: int = 0,
    size: int = 64,
    head: str = "auto",
) -> tuple[Chain, State, tuple[str, ...]]:
    chain, notes = load_backbone(workspace, backbone, weights, classes=classes, seed=seed, image_size=size, head=head)
    return chain, chain.model.state_dict(), notes


def equal(first: State, second: State) -> set[str]:
    return {name for name in first if torch.equal(first[name], second[name])}


def body(state: State) -> set[str]:
    return {name for name in state if not name.startswith("classifier")}


def anew(state: State, loaded: State) -> bool:
    """Whether all but the head was taken; a new head has no bias, and nor had the one that was not taken."""
    return equal(state, loaded) - {"classifier.1.bias"} == body(state)


def built(backbone: str = "squeezenet1_1") -> State:
    return registry.build(backbone, 64, 9).state_dict()


def brought(workspace: Workspace, state: State, names: tuple[str, ...] = (), backbone: str = "squeezenet1_1") -> str:
    torch.save({"state_dict": state, "classes": list(names)}, workspace.root / "upload")
    return bring(workspace, workspace.root / "upload", "mine.pth", backbone=backbone).weights


def finished_run(workspace: Workspace, classes: tuple[str, ...] = CLASSES) -> State:
    state = {name: tensor + 0.01 for name, tensor in load(workspace, "none", classes=classes, seed=4)[1].items()}
    workspace.run(RUN).mkdir()
    record_files.write(workspace.run(RUN) / "classes.json", classes)
    save_file(state, workspace.run(RUN) / "best.safetensors")
    return state


def test_none_is_random_and_a_function_of_the_seed(workspace: Workspace) -> None:
    chain, state, notes = load(workspace, "none")
    assert chain.classes == 3 and chain.input_size == 64 and notes == ()
    assert equal(state, load(workspace, "none")[1]) == set(state)
    other = load(workspace, "none", seed=1)[1]
    assert not {name for name in equal(state, other) if name.endswith("weight")}


def test_without_network_and_file_it_is_one_sentence_before_anything_is_built(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "build", lambda *_: pytest.fail("built a model that it cannot fill"))
    with pytest.raises(WeightsError, match="Three ways on") as caught:
        load(workspace, "default")
    assert "\n" not in str(caught.value)


def test_published_weights_from_disk_with_a_new_head(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, "squeezenet1_1", state := built())
    new_head = load(workspace, "none")[1][HEAD]
    for weights in ("default", "IMAGENET1K_V1"):
        chain, loaded, notes = load(workspace, weights)
        assert notes == () and equal(state, loaded) == body(state)
        assert torch.equal(loaded[HEAD], new_head)  # one head for one seed
        with torch.no_grad():
            chain.model.get_parameter("features.0.weight").zero_()  # training does not reach into what is kept


def test_published_weights_with_auxiliary_heads(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, "googlenet", state := built("googlenet"))
    chain, loaded, notes = load(workspace, "default", "googlenet")
    name = "inception3a.branch1.conv.weight"
    assert notes == () and torch.equal(loaded[name], state[name])
    assert chain.model.train()(torch.rand(2, 3, 64, 64)).shape == (2, 3)


def test_layers_published_without_values_start_from_random_ones(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As VGG16_Weights.IMAGENET1K_FEATURES, which is NaN in its classifier."""
    state = built("mobilenet_v3_small")
    trunk = body(state)
    published = {name: tensor if name in trunk else tensor * float("nan") for name, tensor in state.items()}
    publish(monkeypatch, "mobilenet_v3_small", published)
    _, loaded, notes = load(workspace, "default", "mobilenet_v3_small")
    assert len(notes) == 1 and "classifier.0:" in notes[0] and "classifier.3" not in notes[0]
    assert all(bool(torch.isfinite(tensor).all()) for tensor in loaded.values())
    assert trunk <= equal(state, loaded)


def test_a_head_that_names_no_classes_is_kept_only_where_somebody_says_so(workspace: Workspace) -> None:
    state = load(workspace, "none", seed=7)[1]
    weights = f"file:{brought(workspace, state)}"
    _, loaded, notes = load(workspace, weights)
    assert anew(state, loaded) and "does not name its classes" in notes[0] and "head=keep" in notes[0]
    assert torch.equal(loaded[HEAD], load(workspace, "none")[1][HEAD])
    for head in ("keep", "continue"):
        _, loaded, notes = load(workspace, weights, head=head)
        assert equal(state, loaded) == set(state)
        assert notes == ("The head of mine.pth is kept: its outputs are taken as ant, 벌, cat, in this order.",)
    _, loaded, notes = load(workspace, weights, classes=("a", "b"))
    assert equal(state, loaded) == body(state) and "starts anew" in notes[0]
    with pytest.raises(WeightsError, match="no head for 2 classes to keep"):
        load(workspace, weights, classes=("a", "b"), head="keep")


@pytest.mark.parametrize("names", [("ant", "벌", "cat"), ("cat", "ant", "벌")])
def test_a_head_that_names_these_classes_is_kept_in_their_order(workspace: Workspace, names: tuple[str, ...]) -> None:
    state = load(workspace, "none", seed=7)[1]
    weights = f"file:{brought(workspace, state, names)}"
    order = [names.index(name) for name in CLASSES]
    _, loaded, notes = load(workspace, weights)
    assert torch.equal(loaded[HEAD], state[HEAD][order])
    assert not notes if names == CLASSES else "rearranged" in notes[0]
    _, loaded, notes = load(workspace, weights, head="new")
    assert anew(state, loaded) and "as head=new asks" in notes[0]
    _, loaded, notes = load(workspace, weights, classes=("x", "y", "z"))
    assert anew(state, loaded) and "knew other classes (" in notes[0]


def test_many_classes_are_not_listed(workspace: Workspace) -> None:
    classes = tuple(f"class_{number:04}" for number in range(1000))
    state = load(workspace, "none", classes=classes)[1]
    _, _, notes = load(workspace, f"file:{brought(workspace, state)}", classes=classes, head="keep")
    assert "and 990 more" in notes[0] and len(notes[0]) < 300


def test_an_earlier_run_goes_on_where_it_ended(workspace: Workspace) -> None:
    state = finished_run(workspace)
    _, loaded, notes = load(workspace, f"run:{RUN}")
    assert equal(state, loaded) == set(state) and notes == ()
    trained = load_trained(workspace.run(RUN), "squeezenet1_1", image_size=64)
    assert equal(state, trained.model.state_dict()) == set(state) and trained.classes == 3


def test_an_earlier_run_with_its_classes_in_another_order(workspace: Workspace) -> None:
    state = finished_run(workspace, ("cat", "ant", "벌"))
    _, loaded, notes = load(workspace, f"run:{RUN}")
    for name in (HEAD, "classifier.1.bias"):
        assert torch.equal(loaded[name], state[name][[1, 2, 0]])
    assert len(notes) == 1 and "another order" in notes[0]


def test_an_earlier_run_with_other_classes(workspace: Workspace) -> None:
    state = finished_run(workspace, ("cat", "dog"))
    _, loaded, notes = load(workspace, f"run:{RUN}")
    assert equal(state, loaded) == body(state)
    assert torch.equal(loaded[HEAD], load(workspace, "none")[1][HEAD])
    assert len(notes) == 1 and "cat, dog" in notes[0] and "starts anew" in notes[0]


def test_an_earlier_run_of_another_backbone_or_without_its_files(workspace: Workspace) -> None:
    with pytest.raises(WeightsError, match=f"run {RUN} has no weights yet"):
        load(workspace, f"run:{RUN}")
    finished_run(workspace)
    with pytest.raises(WeightsError, match=f"The run {RUN} does not fit resnet18"):
        load(workspace, f"run:{RUN}", "resnet18")
    (workspace.run(RUN) / "classes.json").write_text("[")
    with pytest.raises(WeightsError, match=f"run {RUN} does not say which classes"):
        load(workspace, f"run:{RUN}")


def test_names_that_do_not_exist(workspace: Workspace) -> None:
    with pytest.raises(WeightsError, match="no weights named 'IMAGENET1K_V9'"):
        load(workspace, "IMAGENET1K_V9")
    with pytest.raises(WeightsError, match="no brought weights"):
        load(workspace, "file:weights-0123456789")
    with pytest.raises(BackboneError, match="cannot see images of 8 pixels"):
        load(workspace, "none", size=8)


def test_a_file_is_read_once_for_several_runs_and_again_when_it_changed(tmp_path: Path) -> None:
    def read(name: str, values: int = 0) -> Mapping[str, Tensor]:
        if values:
            torch.save({"w": torch.ones(values)}, tmp_path / name)
        return states.read(loading._File(path=tmp_path / name, name=name))

    states = loading._States(limit_bytes=100)
    first = read("a", 4)
    assert read("a") is first
    changed = read("a", 9)
    assert changed["w"].shape == (9,)
    read("b", 20)  # 80 bytes: only one of the two can be kept
    assert read("a") is not changed


def test_a_layer_that_the_file_lacks_is_random_by_the_seed_of_each_run(workspace: Workspace) -> None:
    state = built("mobilenet_v3_small")
    weights = f"file:{brought(workspace, {name: state[name] for name in body(state)}, backbone='mobilenet_v3_small')}"

    def hidden(seed: int) -> Tensor:
        chain, loaded, _ = load(workspace, weights, "mobilenet_v3_small", seed=seed)
        WARM.give_back(chain)  # the next run may have it
        return loaded["classifier.0.weight"].clone()

    first, second, again = hidden(0), hidden(1), hidden(0)
    assert torch.equal(first, again) and not torch.equal(first, second)


def test_another_seed_of_the_same_weights_gets_the_model_of_the_run_before(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, "squeezenet1_1", built())
    first = load(workspace, "default")[0]
    WARM.give_back(first)
    assert load(workspace, "default", seed=1)[0] is first


def test_preparing_downloads_only_what_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(loading, "find_published", lambda entry, progress=None: asked.append(entry.name))
    for weights in ("none", "file:weights-0123456789", f"run:{RUN}", "default"):
        prepare_weights("resnet50", weights)
    assert asked == ["IMAGENET1K_V2"]
    assert published.CONNECT_SECONDS <= 5


def test_outlines_need_no_memory_for_weights() -> None:
    outline = outline_of("regnet_y_128gf", 1000)
    info = registry.describe("regnet_y_128gf")
    assert (outline.backbone, outline.classes, outline.input_size) == (info.name, 1000, info.input_size)
    assert outline.size == info.parameters
