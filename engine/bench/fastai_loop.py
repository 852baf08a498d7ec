"""The fastai loop: `vision_learner` with `freeze` and `unfreeze`, as its documentation shows them.

The crop, the batch size, the rate, the head and the starting weights are those of the others; everything else is
fastai's default, so norms of frozen layers train. fastai is optional (requirements-bench.txt) and imported when it is
measured.
"""

import time
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from engine.bench.classic import centre_crop, classic_model
from engine.bench.experiment import Experiment, Result
from engine.bench.workloads import TRAININGS
from engine.errors import EngineError


def train_fastai(experiment: Experiment, training: str, seed: int, *, workers: int) -> Result:
    """One of workloads.TRAININGS from listing the files to the last validation."""
    phase, _, _ = experiment.phase(training, seed), experiment.start(seed), import_module("fastai.vision.all")
    started = time.perf_counter()
    torch.manual_seed(seed)
    learner = make_learner(experiment, training, seed, names=phase.parameters, workers=workers)
    with learner.no_bar(), learner.no_logging():
        learner.fit(experiment.recipe.epochs, phase.lr)
    accuracy = max(float(values[-1]) for values in learner.recorder.values)
    return Result(seconds=time.perf_counter() - started, accuracy=accuracy)


def make_learner(experiment: Experiment, training: str, seed: int, *, names: tuple[str, ...], workers: int) -> Any:
    """A Learner in which the parameters called `names` train; its model starts like everybody's."""
    vision = import_module("fastai.vision.all")
    classes = len(experiment.dataset.classes)
    model = classic_model(experiment, seed)
    *_, head = model.children()
    if not isinstance(head, nn.Linear):
        backbone = experiment.recipe.backbone
        raise EngineError(f"fastai is measured with ResNets only, not {backbone}. Leave it out with --without fastai.")
    state, parameters = list(model.state_dict().values()), [name for name, _ in model.named_parameters()]
    learner = vision.vision_learner(
        _batches(experiment, augmented=TRAININGS[training].views > 0, workers=workers),
        lambda pretrained: classic_model(experiment, seed),
        pretrained=False,
        normalize=False,
        n_out=classes,
        metrics=vision.accuracy,
        custom_head=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(head.in_features, classes)),
        splitter=lambda made: _groups(made, parameters, frozenset(names)),
    )
    for tensor, start in zip(learner.model.state_dict().values(), state, strict=True):  # fastai has begun its head anew
        tensor.copy_(start)
    if len(names) == len(parameters):
        learner.unfreeze()
    else:
        learner.freeze()
    return learner


def _groups(model: nn.Module, names: list[str], trained: frozenset[str]) -> list[list[Tensor]]:
    """What is frozen and what trains; where all trains, the body and its head."""
    parameters = dict(zip(names, model.parameters(), strict=True))
    last = trained if len(trained) < len(names) else frozenset(names[-2:])
    return [[value for name, value in parameters.items() if (name in last) == trains] for trains in (False, True)]


def _batches(experiment: Experiment, *, augmented: bool, workers: int) -> Any:
    """DataLoaders of the same images; PIL crops them as for the others."""
    vision, preprocessing = import_module("fastai.vision.all"), experiment.preprocessing
    fixed = centre_crop(preprocessing)

    def crop(image: Any) -> Any:
        return vision.PILImage(fixed(image)) if isinstance(image, vision.PILImage) else image

    random = [vision.RandomResizedCrop(preprocessing.crop, min_scale=0.35), vision.FlipItem()]
    return vision.ImageDataLoaders.from_folder(
        experiment.tree,
        train="train",
        valid="val",
        item_tfms=random if augmented else [crop],
        batch_tfms=vision.Normalize.from_stats(preprocessing.mean, preprocessing.std),
        bs=experiment.recipe.batch_size,
        drop_last=False,
        num_workers=workers,
        device=experiment.place,
    )
