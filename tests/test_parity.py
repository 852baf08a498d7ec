"""What the classic transfer-learning scripts do, done here; docs/parity.md names these tests row by row."""

import csv
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
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
from engine.models.bringing import bring
from engine.runconfig import RunConfig
from engine.runs.pipeline import execute
from engine.store.run_store import RunStore
from engine.training.freezing import validate
from engine.workspace import Workspace
from tests.pictures import CLASSES, make_dataset, write_folders

ROOT = Path(__file__).resolve().parent.parent
CLASSIC = ("resnet18", "resnet34", "resnet50", "vgg11", "alexnet", "squeezenet1_0", "densenet121")


@dataclass(frozen=True)
class Trained:
    """One short run."""

    folder: Path
    events: list[Event]

    @property
    def started(self) -> Started:
        return next(event for event in self.events if isinstance(event, Started))

    @property
    def moved(self) -> set[str]:
        rows = csv.DictReader((self.folder / "audit.csv").read_text().splitlines())
        return {row["tensor"] for row in rows if row["moved"] == "True"}

    @property
    def best(self) -> dict[str, torch.Tensor]:
        return load_file(self.folder / "best.safetensors")


Train = Callable[..., Trained]


@pytest.fixture
def dataset(workspace: Workspace, tmp_path: Path) -> Dataset:
    return make_dataset(workspace, tmp_path / "source", each=6)


@pytest.fixture
def train(workspace: Workspace, dataset: Dataset) -> Train:
    def run(**options: object) -> Trained:
        short = {"backbone": "resnet18", "weights": "none", "epochs": 1, "image_size": 32, "batch_size": 8, **options}
        queued = RunStore(workspace).enqueue(validate(RunConfig(dataset=dataset.id, **short)), owner="tests")
        return Trained(workspace.run(queued.id), list(execute(queued, workspace, device="cpu")))

    return run


@pytest.mark.parametrize("backbone", CLASSIC)
def test_classic_backbones_get_a_head_for_our_classes_and_train_it_alone(train: Train, backbone: str) -> None:
    run = train(backbone=backbone, image_size=64 if backbone == "alexnet" else 32, strategy="linear_probe_steps")
    head = run.started.blocks[-1].name
    assert run.moved == {f"{head}.weight", f"{head}.bias"}
    assert len(run.best[f"{head}.weight"]) == len(CLASSES)


def test_inception_trains_at_299_pixels_without_its_auxiliary_head(train: Train) -> None:
    run = train(backbone="inception_v3", image_size=0, strategy="linear_probe_steps")
    assert run.started.preprocessing["crop"] == 299
    assert not [name for name in run.best if name.startswith("AuxLogits")]


def test_children_by_name_train_and_nothing_else(train: Train) -> None:
    run = train(strategy="named", patterns="fc, layer4")
    assert {name.split(".")[0] for name in run.moved} == {"fc", "layer4"}


def test_the_last_layers_train(train: Train) -> None:
    run = train(strategy="last_n", last_n=3)
    assert {".".join(name.split(".")[:2]) for name in run.moved} == {"fc.weight", "fc.bias", "layer4.0", "layer4.1"}


def test_everything_trains_from_random_weights(train: Train) -> None:
    run = train(strategy="full_finetune")
    assert run.started.trainable_parameters == run.started.total_parameters
    assert set(run.best) == run.moved


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "sgd", "lr": 0.001, "momentum": 0.9, "schedule": "constant", "batch_size": 32},
        {"optimizer": "adam", "lr": 0.001, "batch_size": 256},
        {"schedule": "step", "epochs": 2},
        {"views": 1000, "epochs": 2},
    ],
)
def test_classic_recipes_train(train: Train, options: dict[str, object]) -> None:
    run = train(**options)
    assert (run.folder / "result.csv").is_file() and run.moved == {"fc.weight", "fc.bias"}


def test_own_checkpoint_goes_on_with_everything_trainable_at_a_tiny_rate(
    train: Train, workspace: Workspace, tmp_path: Path
) -> None:
    model = resnet18(num_classes=1000)
    # a head of the notebooks
    model.fc = torch.nn.Sequential(torch.nn.Linear(512, 64), torch.nn.ReLU(), torch.nn.Linear(64, 3))
    torch.save({"model_state_dict": model.state_dict()}, tmp_path / "own.pth")
    weights = f"file:{bring(workspace, tmp_path / 'own.pth', 'own.pth', backbone='resnet18').weights}"
    run = train(weights=weights, strategy="full_finetune", lr=5e-5)
    assert any("head" in event.text for event in run.events if isinstance(event, Note)), "it says what became of it"
    stem = run.best["conv1.weight"]
    assert torch.allclose(stem, model.conv1.weight, atol=1e-2) and not torch.equal(stem, model.conv1.weight)


def test_the_classic_square_with_mean_and_deviation_one_half(train: Train) -> None:
    prepared = train(preprocessing="half", image_size=64).started.preprocessing
    half = {"resize": (64, 64), "mean": (0.5,) * 3, "std": (0.5,) * 3}
    assert {name: tuple(prepared[name]) for name in half} == half


def test_train_validation_test_ratios(workspace: Workspace, tmp_path: Path) -> None:
    draft = scan(workspace, write_folders(tmp_path / "ratios", each=10), name="ratios")
    made = open_dataset(workspace, commit(workspace, draft, ratios=(0.6, 0.2, 0.2)).id)
    assert [len(made.images_of(split)) for split in ("train", "val", "test")] == [18, 6, 6]


def test_accuracy_precision_recall_on_the_test_set(train: Train) -> None:
    test = json.loads((train().folder / "metrics.json").read_text())["splits"]["test"]
    assert {"accuracy", "precision_macro", "recall_macro", "f1_macro"} <= set(test) and len(test["per_class"]) == 3


def test_parity_rows_name_tests_that_exist() -> None:
    text = (ROOT / "docs" / "parity.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) >= 20
    missing = [f"{path}::{name}" for path, name in named if f"def {name}(" not in (ROOT / path).read_text()]
    assert not missing, missing


def test_every_classifier_of_torchvision_is_offered() -> None:
    assert len(registry.names()) >= 80
