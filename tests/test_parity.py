"""What the classic transfer-learning scripts do, done here; docs/parity.md names these tests row by row."""

import csv
import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torchvision.models import resnet18

from engine.data.dataset import commit, open_dataset
from engine.data.dataset_records import Dataset
from engine.data.importer import scan
from engine.events import Event, Note, Started
from engine.models import registry
from engine.models.weights_reader import bring
from engine.runconfig import RunConfig
from engine.runs.pipeline import execute
from engine.store.run_store import RunStore
from engine.training.freezing import validate
from engine.workspace import Workspace
from tests.pictures import CLASSES, make_dataset, write_folders

ROOT = Path(__file__).resolve().parent.parent
CLASSIC = {
    "resnet18": 32,
    "resnet34": 32,
    "resnet50": 32,
    "vgg11": 32,
    "alexnet": 64,
    "squeezenet1_0": 32,
    "densenet121": 32,
}


@pytest.fixture
def dataset(workspace: Workspace, tmp_path: Path) -> Dataset:
    return make_dataset(workspace, tmp_path / "source", each=6)


def train(workspace: Workspace, dataset: Dataset, **options: object) -> tuple[Path, list[Event]]:
    """Folder and events of one short run."""
    fields: dict[str, object] = {
        "backbone": "resnet18",
        "weights": "none",
        "epochs": 1,
        "image_size": 32,
        "batch_size": 8,
        **options,
    }
    run = RunStore(workspace).enqueue(validate(RunConfig(dataset=dataset.id, **fields)), owner="tests")  # type: ignore[arg-type]
    return workspace.run(run.id), list(execute(run, workspace, device="cpu"))


def started(events: list[Event]) -> Started:
    return next(event for event in events if isinstance(event, Started))


def moved(folder: Path) -> set[str]:
    rows = csv.DictReader((folder / "audit.csv").read_text().splitlines())
    return {row["tensor"] for row in rows if row["moved"] == "True"}


@pytest.mark.parametrize("backbone", CLASSIC)
def test_classic_backbones_get_a_head_for_our_classes_and_train_it_alone(
    workspace: Workspace, dataset: Dataset, backbone: str
) -> None:
    folder, events = train(workspace, dataset, backbone=backbone, image_size=CLASSIC[backbone], strategy="linear_probe")
    head = started(events).blocks[-1].name
    assert moved(folder) == {f"{head}.weight", f"{head}.bias"}
    assert len(load_file(folder / "best.safetensors")[f"{head}.weight"]) == len(CLASSES)


def test_inception_trains_at_299_pixels_without_its_auxiliary_head(workspace: Workspace, dataset: Dataset) -> None:
    folder, events = train(workspace, dataset, backbone="inception_v3", image_size=0, strategy="linear_probe")
    assert started(events).preprocessing["crop"] == 299
    assert not [name for name in load_file(folder / "best.safetensors") if name.startswith("AuxLogits")]


def test_children_by_name_train_and_nothing_else(workspace: Workspace, dataset: Dataset) -> None:
    folder, _ = train(workspace, dataset, strategy="named", patterns="fc, layer4")
    assert {name.split(".")[0] for name in moved(folder)} == {"fc", "layer4"}


def test_the_last_layers_train(workspace: Workspace, dataset: Dataset) -> None:
    folder, _ = train(workspace, dataset, strategy="last_n", last_n=3)
    assert {".".join(name.split(".")[:2]) for name in moved(folder)} == {"fc.weight", "fc.bias", "layer4.0", "layer4.1"}


def test_everything_trains_from_random_weights(workspace: Workspace, dataset: Dataset) -> None:
    folder, events = train(workspace, dataset, strategy="full_finetune")
    assert started(events).trainable_parameters == started(events).total_parameters
    assert set(load_file(folder / "best.safetensors")) == moved(folder)


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "sgd", "lr": 0.001, "momentum": 0.9, "schedule": "constant", "batch_size": 32},
        {"optimizer": "adam", "lr": 0.001, "batch_size": 256},
        {"schedule": "step", "epochs": 2},
        {"views": 1000, "epochs": 2},
    ],
)
def test_classic_recipes_train(workspace: Workspace, dataset: Dataset, options: dict[str, object]) -> None:
    folder, _ = train(workspace, dataset, **options)
    assert (folder / "result.csv").is_file() and moved(folder) == {"fc.weight", "fc.bias"}


def test_own_checkpoint_goes_on_with_everything_trainable_at_a_tiny_rate(
    workspace: Workspace, dataset: Dataset, tmp_path: Path
) -> None:
    model = resnet18(num_classes=1000)
    model.fc = torch.nn.Sequential(
        torch.nn.Linear(512, 64), torch.nn.ReLU(), torch.nn.Linear(64, 3)
    )  # a head of the notebooks
    torch.save({"model_state_dict": model.state_dict()}, tmp_path / "own.pth")
    weights = f"file:{bring(workspace, tmp_path / 'own.pth', 'own.pth')}"
    folder, events = train(workspace, dataset, weights=weights, strategy="full_finetune", lr=5e-5)
    assert any("head" in event.text for event in events if isinstance(event, Note)), "what became of the head is said"
    stem = load_file(folder / "best.safetensors")["conv1.weight"]
    assert torch.allclose(stem, model.conv1.weight, atol=1e-2) and not torch.equal(stem, model.conv1.weight)


def test_the_classic_square_with_mean_and_deviation_one_half(workspace: Workspace, dataset: Dataset) -> None:
    _, events = train(workspace, dataset, preprocessing="half", image_size=64)
    preprocessing = started(events).preprocessing
    assert (
        tuple(preprocessing["resize"]) == (64, 64)
        and tuple(preprocessing["mean"]) == tuple(preprocessing["std"]) == (0.5,) * 3
    )


def test_train_validation_test_ratios(workspace: Workspace, tmp_path: Path) -> None:
    draft = scan(workspace, write_folders(tmp_path / "ratios", each=10), name="ratios")
    made = open_dataset(workspace, commit(workspace, draft, ratios=(0.6, 0.2, 0.2)).id)
    assert [len(made.images_of(split)) for split in ("train", "val", "test")] == [18, 6, 6]


def test_accuracy_precision_recall_on_the_test_set(workspace: Workspace, dataset: Dataset) -> None:
    folder, _ = train(workspace, dataset)
    test = json.loads((folder / "metrics.json").read_text())["splits"]["test"]
    assert {"accuracy", "precision_macro", "recall_macro", "f1_macro"} <= set(test) and len(test["per_class"]) == 3


def test_parity_rows_name_tests_that_exist() -> None:
    text = (ROOT / "docs" / "parity.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) >= 20
    missing = [f"{path}::{name}" for path, name in named if f"def {name}(" not in (ROOT / path).read_text()]
    assert not missing, missing


def test_every_classifier_of_torchvision_is_offered() -> None:
    assert len(registry.names()) >= 80
