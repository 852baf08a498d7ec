"""The fastai loop: `vision_learner` with `freeze`, `unfreeze` and `fine_tune`, as its documentation shows them.

The batch size and the starting weights are those of the others; where times are compared, so are crop, rate and head.
Everything else is fastai's default, so norms of frozen layers train. fastai is optional (requirements-bench.txt) and
imported when it is measured.
"""

import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from engine.bench.contenders.assignment import Assignment, Result
from engine.bench.contenders.classic import centre_crop, classic_model
from engine.errors import EngineError

if TYPE_CHECKING:
    from engine.bench.contenders.contend import Watch


def train_fastai(given: Assignment) -> Result:
    """`fit` with the rate and the head of the others, from listing the files to the last validation."""
    import_module("fastai.vision.all")
    started = time.perf_counter()
    torch.manual_seed(given.seed)
    learner = make_learner(given)
    with learner.no_bar(), learner.no_logging():
        learner.fit(given.epochs, given.rate)
    return Result(seconds=time.perf_counter() - started, accuracy=_best_accuracy(learner))


def fine_tune(given: Assignment, watch: "Watch | None" = None) -> Result:
    """`fine_tune`, all of it fastai's own: head, crop, rates, and one epoch of the head before the others."""
    vision = import_module("fastai.vision.all")
    started = time.perf_counter()
    torch.manual_seed(given.seed)
    batches = _batches(given, [vision.Resize(given.preprocessing.crop)])
    learner = vision.vision_learner(
        batches, _architecture(given), pretrained=False, normalize=False, metrics=vision.accuracy
    )
    images = batches.test_dl(list(given.images_of("test")))

    @torch.no_grad()
    def answer() -> Tensor:
        model = learner.model.eval()
        return torch.cat([model(batch[0]).double().softmax(1).cpu() for batch in images])

    if watch:
        learner.add_cb(vision.Callback(after_epoch=lambda _: watch.epoch(answer)))
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(given.epochs)
    seconds = time.perf_counter() - started
    if watch:
        watch.end(answer)
    return Result(seconds=seconds, accuracy=float(learner.recorder.values[-1][-1]))


def make_learner(given: Assignment) -> Any:
    """A Learner in which the parameters of the assignment train; its model starts like everybody's."""
    vision, model = import_module("fastai.vision.all"), classic_model(given)
    *_, head = model.children()
    if not isinstance(head, nn.Linear):
        raise EngineError(
            f"fastai is measured with ResNets only, not {given.backbone}. Leave it out with --without fastai."
        )
    state, parameters = list(model.state_dict().values()), [name for name, _ in model.named_parameters()]
    learner = vision.vision_learner(
        _batches(given, _item_transforms(given)),
        lambda pretrained: classic_model(given),
        pretrained=False,
        normalize=False,
        n_out=given.classes,
        metrics=vision.accuracy,
        custom_head=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(head.in_features, given.classes)),
        splitter=lambda made: _groups(made, parameters, frozenset(given.trained)),
    )
    for tensor, start in zip(learner.model.state_dict().values(), state, strict=True):  # fastai has begun its head anew
        tensor.copy_(start)
    if len(given.trained) == len(parameters):
        learner.unfreeze()
    else:
        learner.freeze()
    return learner


def _architecture(given: Assignment) -> Any:
    """The starting model, cut before its pooling, or, where that is no layer (mobilenet_v2), before its last child."""
    learners, children = import_module("fastai.vision.learner"), classic_model(given).children()

    def architecture(pretrained: bool) -> nn.Module:
        return classic_model(given)

    cut = None if any(learners.has_pool_type(child) for child in children) else -1
    learners.model_meta[architecture] = {"cut": cut, "split": learners.default_split}  # vision_learner drops its `cut`
    return architecture


def _best_accuracy(learner: Any) -> float:
    return max(float(values[-1]) for values in learner.recorder.values)


def _groups(model: nn.Module, names: list[str], trained: frozenset[str]) -> list[list[Tensor]]:
    """What is frozen and what trains; where all trains, the body and its head."""
    parameters = dict(zip(names, model.parameters(), strict=True))
    last = trained if len(trained) < len(names) else frozenset(names[-2:])
    return [[value for name, value in parameters.items() if (name in last) == trains] for trains in (False, True)]


def _item_transforms(given: Assignment) -> list[Any]:
    """PIL crops as for the others."""
    vision, fixed = import_module("fastai.vision.all"), centre_crop(given.preprocessing)

    def crop(image: Any) -> Any:
        return vision.PILImage(fixed(image)) if isinstance(image, vision.PILImage) else image

    random = [vision.RandomResizedCrop(given.preprocessing.crop, min_scale=0.35), vision.FlipItem()]
    return random if given.augmented else [crop]


def _batches(given: Assignment, item_transforms: list[Any]) -> Any:
    """DataLoaders of the same images."""
    vision = import_module("fastai.vision.all")
    return vision.ImageDataLoaders.from_folder(
        given.tree,
        train="train",
        valid="val",
        item_tfms=item_transforms,
        batch_tfms=vision.Normalize.from_stats(given.preprocessing.mean, given.preprocessing.std),
        bs=given.batch_size,
        drop_last=False,
        num_workers=given.workers,
        device=torch.device(given.device),
    )
