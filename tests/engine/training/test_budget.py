"""Automatic epochs: a function of the images that are used and the batch size, and nothing that a person chose."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from engine.data.dataset_records import Dataset
from engine.data.split import share_of
from engine.errors import DatasetError
from engine.events import Started, StartedPhase
from engine.runconfig import RunConfig
from engine.training import batches, budget
from engine.training.budget import budgeted, epochs_for
from engine.workspace import Workspace
from tests.pictures import make_dataset


@pytest.mark.parametrize(
    ("images", "epochs"),
    [
        (1, budget.MOST_EPOCHS),
        (24, budget.MOST_EPOCHS),
        (201, -(-budget.LEAST_STEPS // 7)),
        (1_000, -(-budget.LEAST_STEPS // 32)),
        (24_000, budget.LEAST_EPOCHS),
    ],
)
def test_few_images_take_more_epochs_within_bounds(images: int, epochs: int) -> None:
    assert epochs_for(images, 32) == min(max(epochs, budget.LEAST_EPOCHS), budget.MOST_EPOCHS)


def test_steps_are_those_that_training_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "LEAST_EPOCHS", 1)
    monkeypatch.setattr(budget, "MOST_EPOCHS", budget.LEAST_STEPS)
    for images in range(1, 70):
        steps = len(batches.cut(np.arange(images), 8))
        assert epochs_for(images, 8) == -(-budget.LEAST_STEPS // steps)


def test_only_automatic_epochs_are_replaced(workspace: Workspace) -> None:
    for chosen in ({"epochs": 7}, {"phases": "head | 2"}):
        config = RunConfig(dataset="dataset-00000000", backbone="resnet18", **chosen)  # type: ignore[arg-type]
        assert budgeted(config, workspace) == config
    with pytest.raises(DatasetError):
        budgeted(RunConfig(dataset="dataset-00000000", backbone="resnet18"), workspace)


@pytest.mark.parametrize("share", [100, 30, 1])
def test_the_images_are_those_that_training_uses(workspace: Workspace, tmp_path: Path, share: int) -> None:
    dataset = make_dataset(workspace, tmp_path)
    config = RunConfig(dataset=dataset.id, backbone="resnet18", train_share=share, batch_size=2, patience=4)
    planned = budgeted(config, workspace)
    assert planned == dataclasses.replace(config, epochs=epochs_for(used(dataset, share), 2))
    assert budgeted(dataclasses.replace(config, patience=0), workspace).patience == budget.PATIENCE


def used(dataset: Dataset, share: int) -> int:
    return len(share_of([(image.sha256, image.label) for image in dataset.images_of("train")], share))


def test_a_run_that_has_begun_keeps_its_number(workspace: Workspace) -> None:
    config = RunConfig(dataset="dataset-00000000", backbone="resnet18")
    begun = Started(device="cpu", phases=(StartedPhase(epochs=3), StartedPhase(epochs=4)), patience=2)
    assert budgeted(config, workspace, begun=begun) == dataclasses.replace(config, epochs=7, patience=2)
