"""The classic loop of the notebooks: an image folder decoded anew every epoch, frozen layers that are merely not
optimised.

Written as docs/parity.md describes them, with nothing done wrong on purpose: the same crop, batch size and rate as
Thaw, single precision, the best epoch kept. Not here: anything of Thaw's training.
"""

import copy
import time
from collections.abc import Iterator
from pathlib import Path

import torch
import torchvision
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms

from engine.bench.experiment import Experiment, Result
from engine.bench.workloads import TRAININGS
from engine.data.preprocessing import Preprocessing

LOADER_WORKERS = (0, 2)


def train_classic(experiment: Experiment, training: str, seed: int, *, workers: int, fixed: bool = False) -> Result:
    """A training from reading the first file to the last validation; `fixed`: frozen BatchNorm keeps its statistics."""
    recipe, start, phase = experiment.recipe, experiment.start(seed), experiment.phase(training, seed)
    epochs, names, rate = recipe.epochs, frozenset(phase.parameters), phase.lr
    started = time.perf_counter()
    torch.manual_seed(seed)
    model = classic_model(recipe.backbone, len(experiment.dataset.classes), start).to(experiment.place)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name in names
    optimizer = torch.optim.Adam([parameter for parameter in model.parameters() if parameter.requires_grad], lr=rate)
    train, val = loaders(experiment, workers=workers, augmented=TRAININGS[training].views > 0)
    best, kept = -1.0, model.state_dict()
    for _ in range(epochs):
        model.train()
        if fixed:
            _fix_statistics(model)
        _train_epoch(model, optimizer, train, experiment.place)
        accuracy = _validate(model, val, experiment.place)
        if accuracy > best:
            best, kept = accuracy, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    return Result(seconds=time.perf_counter() - started, accuracy=best, state=kept)


def classic_model(backbone: str, classes: int, start: Path) -> nn.Module:
    """torchvision's own model for so many classes, with the starting weights."""
    model: nn.Module = torchvision.models.get_model(backbone, weights=None, num_classes=classes)
    model.load_state_dict(torch.load(start, weights_only=True))
    return model


def loaders(experiment: Experiment, *, workers: int, augmented: bool = False) -> tuple[DataLoader, DataLoader]:
    """Shuffled training batches and validation batches."""
    fixed = fixed_transform(experiment.preprocessing)
    seen = _augmenting(experiment.preprocessing) if augmented else fixed
    train = torchvision.datasets.ImageFolder(str(experiment.tree / "train"), seen, allow_empty=True)
    val = torchvision.datasets.ImageFolder(str(experiment.tree / "val"), fixed, allow_empty=True)
    size = experiment.recipe.batch_size
    return DataLoader(train, batch_size=size, shuffle=True, num_workers=workers), DataLoader(
        val, batch_size=size, num_workers=workers
    )


def faster_workers(experiment: Experiment) -> int:
    """0, or the 2 that somebody with two cores would take: whichever reads and classifies the images sooner here."""
    seconds = {}
    model = classic_model(experiment.recipe.backbone, len(experiment.dataset.classes), experiment.start(0)).to(
        experiment.place
    )
    for workers in LOADER_WORKERS:
        _, val = loaders(experiment, workers=workers)
        started = time.perf_counter()
        _validate(model, val, experiment.place)
        seconds[workers] = time.perf_counter() - started
    return min(seconds, key=lambda workers: seconds[workers])


def fixed_transform(preprocessing: Preprocessing) -> transforms.Compose:
    return transforms.Compose(
        [
            transforms.Resize(
                list(preprocessing.resize) if len(preprocessing.resize) == 2 else preprocessing.resize[0]
            ),
            transforms.CenterCrop(preprocessing.crop),
            transforms.ToTensor(),
            transforms.Normalize(preprocessing.mean, preprocessing.std),
        ]
    )


def _augmenting(preprocessing: Preprocessing) -> transforms.Compose:
    return transforms.Compose(
        [
            transforms.RandomResizedCrop(preprocessing.crop, scale=(0.35, 1.0)),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(preprocessing.mean, preprocessing.std),
        ]
    )


def _train_epoch(model: nn.Module, optimizer: torch.optim.Optimizer, batches: DataLoader, place: torch.device) -> None:
    for images, targets in _on(place, batches):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), targets)
        loss.backward()
        optimizer.step()


def _fix_statistics(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
            module.eval()


@torch.no_grad()
def _validate(model: nn.Module, batches: DataLoader, place: torch.device) -> float:
    """Share of right answers."""
    model.eval()
    right = images = 0
    for inputs, targets in _on(place, batches):
        right += int((model(inputs).argmax(1) == targets).sum())
        images += len(targets)
    return right / images


def _on(place: torch.device, batches: DataLoader) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for images, targets in batches:
        yield images.to(place), targets.to(place)
