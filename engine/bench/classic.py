"""The classic loop of the notebooks: an image folder decoded anew every epoch, frozen layers merely not optimised.

As docs/parity.md describes them, with nothing done wrong on purpose: the crop, batch size and rate of Thaw, single
precision, the best epoch kept. Not here: anything of Thaw's training.
"""

import copy
import time
from collections.abc import Iterator

import torch
import torchvision
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import transforms

from engine.bench.experiment import Experiment, Result
from engine.bench.workloads import TRAININGS
from engine.data.preprocessing import Preprocessing

LOADER_WORKERS = (0, 2)


def train_classic(experiment: Experiment, training: str, seed: int, *, workers: int, fixed: bool = False) -> Result:
    """A training from reading the first file to the last validation; `fixed`: frozen BatchNorm keeps its statistics."""
    phase, _ = experiment.phase(training, seed), experiment.start(seed)
    started = time.perf_counter()
    torch.manual_seed(seed)
    model = classic_model(experiment, seed).to(experiment.place)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name in phase.names
    optimizer = torch.optim.Adam([value for value in model.parameters() if value.requires_grad], lr=phase.lr)
    train, val = loaders(experiment, workers=workers, augmented=TRAININGS[training].views > 0)
    best, state = -1.0, model.state_dict()
    for _ in range(experiment.recipe.epochs):
        model.train()
        if fixed:
            _fix_statistics(model)
        for images, targets in _on(experiment.place, train):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), targets).backward()
            optimizer.step()
        accuracy = _validate(model, _on(experiment.place, val))
        if accuracy > best:
            best, state = accuracy, copy.deepcopy(model.state_dict())
    model.load_state_dict(state)
    return Result(seconds=time.perf_counter() - started, accuracy=best, state=state)


def classic_model(experiment: Experiment, seed: int) -> nn.Module:
    """torchvision's own model for so many classes, with the starting weights."""
    classes = len(experiment.dataset.classes)
    model: nn.Module = torchvision.models.get_model(experiment.recipe.backbone, weights=None, num_classes=classes)
    model.load_state_dict(torch.load(experiment.start(seed), weights_only=True))
    return model


def loaders(experiment: Experiment, *, workers: int, augmented: bool = False) -> tuple[DataLoader, DataLoader]:
    """Shuffled training batches and validation batches."""
    train, val = (
        torchvision.datasets.ImageFolder(
            str(experiment.tree / split), transform(experiment.preprocessing, augmented=random), allow_empty=True
        )
        for split, random in (("train", augmented), ("val", False))
    )
    size = experiment.recipe.batch_size
    shuffled = DataLoader(train, batch_size=size, shuffle=True, num_workers=workers)
    return shuffled, DataLoader(val, batch_size=size, num_workers=workers)


def faster_workers(experiment: Experiment) -> int:
    """0, or the 2 that somebody with two cores would take: whichever reads and classifies the images sooner here."""
    seconds, model = {}, classic_model(experiment, 0).to(experiment.place)
    for workers in LOADER_WORKERS:
        _, val = loaders(experiment, workers=workers)
        started = time.perf_counter()
        _validate(model, _on(experiment.place, val))
        seconds[workers] = time.perf_counter() - started
    return min(seconds, key=lambda workers: seconds[workers])


def transform(preprocessing: Preprocessing, *, augmented: bool = False) -> transforms.Compose:
    """What the loop does to a picture before the model sees it."""
    random = [transforms.RandomResizedCrop(preprocessing.crop, scale=(0.35, 1.0)), transforms.RandomHorizontalFlip()]
    crop = random if augmented else [centre_crop(preprocessing)]
    normalise = transforms.Normalize(preprocessing.mean, preprocessing.std)
    return transforms.Compose([*crop, transforms.ToTensor(), normalise])


def centre_crop(preprocessing: Preprocessing) -> transforms.Compose:
    """The square in the middle that the weights expect."""
    resize = list(preprocessing.resize) if len(preprocessing.resize) == 2 else preprocessing.resize[0]
    return transforms.Compose([transforms.Resize(resize), transforms.CenterCrop(preprocessing.crop)])


def _fix_statistics(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
            module.eval()


@torch.no_grad()
def _validate(model: nn.Module, batches: Iterator[tuple[Tensor, Tensor]]) -> float:
    """Share of right answers."""
    model.eval()
    return torch.cat([model(images).argmax(1) == targets for images, targets in batches]).double().mean().item()


def _on(place: torch.device, batches: DataLoader) -> Iterator[tuple[Tensor, Tensor]]:
    for images, targets in batches:
        yield images.to(place), targets.to(place)
