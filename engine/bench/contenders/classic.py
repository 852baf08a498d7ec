"""The classic loop of the notebooks: an image folder decoded anew every epoch, frozen layers merely not optimised.

As docs/parity.md describes them, with nothing done wrong on purpose: the crop and batch size of Thaw, single precision,
the best epoch kept. Imports nothing of Thaw's training, so that a process of its own starts as a notebook does.
"""

import copy
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch
import torchvision
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import transforms

from engine.bench.contenders.assignment import Assignment, Result
from engine.data.preprocessing import Preprocessing

if TYPE_CHECKING:
    from engine.bench.contenders.contend import Watch

LOADER_WORKERS = (0, 2)


def train_classic(given: Assignment, watch: "Watch | None" = None) -> Result:
    """A training from reading the first file to the last validation."""
    started, place = time.perf_counter(), torch.device(given.device)
    torch.manual_seed(given.seed)
    model = classic_model(given).to(place)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name in given.trained
    optimizer = torch.optim.Adam([value for value in model.parameters() if value.requires_grad], lr=given.rate)
    train, val = loader(given, "train"), loader(given, "val")
    answer = partial(_probabilities, model, loader(given, "test"), place)
    best, state = -1.0, model.state_dict()
    for _ in range(given.epochs):
        model.train()
        if given.fixed:
            _fix_statistics(model)
        for images, targets in _on(place, train):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), targets).backward()
            optimizer.step()
        accuracy = _validate(model, _on(place, val))
        if accuracy > best:
            best, state = accuracy, copy.deepcopy(model.state_dict())
        if watch:
            watch.epoch(answer)
    model.load_state_dict(state)
    seconds = time.perf_counter() - started
    if watch:
        watch.end(answer)
    return Result(seconds=seconds, accuracy=best, state=state)


def classic_model(given: Assignment) -> nn.Module:
    """torchvision's own model for so many classes, with the starting weights."""
    model: nn.Module = torchvision.models.get_model(given.backbone, weights=None, num_classes=given.classes)
    model.load_state_dict(torch.load(given.start, weights_only=True))
    return model


def loader(given: Assignment, split: str) -> DataLoader:
    """Batches of a split, those for training shuffled."""
    train = split == "train"
    images = torchvision.datasets.ImageFolder(
        f"{given.tree}/{split}",
        transform(given.preprocessing, augmented=train and given.augmented),
        allow_empty=True,
    )
    # a generator of its own: looking at other images may not change the order of those for training
    own = None if train else torch.Generator()
    return DataLoader(images, batch_size=given.batch_size, shuffle=train, num_workers=given.workers, generator=own)


def faster_workers(given: Assignment) -> int:
    """0, or the 2 that somebody with two cores would take: whichever reads and classifies the images sooner here."""
    place, seconds = torch.device(given.device), {}
    model = classic_model(given).to(place)
    for workers in LOADER_WORKERS:
        val = loader(replace(given, workers=workers), "val")
        started = time.perf_counter()
        _validate(model, _on(place, val))
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


@torch.no_grad()
def _probabilities(model: nn.Module, batches: DataLoader, place: torch.device) -> Tensor:
    """[images, classes]."""
    model.eval()
    return torch.cat([model(images).double().softmax(1).cpu() for images, _ in _on(place, batches)])


def _on(place: torch.device, batches: DataLoader) -> Iterator[tuple[Tensor, Tensor]]:
    for images, targets in batches:
        yield images.to(place), targets.to(place)
