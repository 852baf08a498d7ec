"""Solving: the head of a plan that is not stepped, brought to its optimum on the features right before it.

Every view of an image is a row that shares its weight; images weigh as often as sampling would draw them. A pure
function of the features: what was interrupted is solved again. Not here: the arithmetic (logistic_regression).
"""

import time
from collections.abc import Generator, Iterator

import numpy as np
import torch
from torch import nn

from engine import devices
from engine.errors import TrainingError
from engine.events import Note, Penalty, Progress
from engine.float64 import exact
from engine.models.head import head_of
from engine.training import batches as feeding
from engine.training.batches import Source
from engine.training.frozen.cuts import views_of
from engine.training.frozen.prefix import through_frozen
from engine.training.solved import logistic_regression
from engine.training.solved.logistic_regression import PENALTIES, Examples, Layer, Tried
from engine.training.solved.prototypes import class_means
from engine.training.state import Training

_BATCH = 64
_EVALUATIONS = 1500
"""Of the loss, in all folds and penalties; between 700 and 2,500 were counted."""
_COPIES = 4
"""Of the features, in float64, that solving holds at a time."""


def solve_head(training: Training, train: Source) -> Iterator[Progress | Note]:
    """Leave the head at its optimum, its penalties in `training.penalties` and the scores of the rows in its sums.

    TrainingError when the features of all rows do not fit into memory.
    """
    began = time.monotonic()
    examples = yield from _examples(training, train)
    if training.config.strategy == "prototypes":
        _write(training, class_means(examples))
        text = "The head points at the mean of each class; nothing was trained."
        training.position.seconds += time.monotonic() - began
    else:
        text = yield from _regression(training, examples, began)
    if training.average:
        training.average.begin(training.moving())
    began = time.monotonic()
    training.sums.copy_(_sums(training, examples).to(training.sums.dtype))
    training.position.seconds += time.monotonic() - began
    yield Note(text=text)


def _regression(training: Training, examples: Examples, began: float) -> Generator[Progress, None, str]:
    """Returns what was chosen, in words."""
    path, tries = logistic_regression.regress(examples), list[Tried]()
    while True:
        try:
            tries.append(next(path))
        except StopIteration as end:
            layer: Layer = end.value
            break
        training.position.seconds += time.monotonic() - began
        yield Progress(stage="solving the head", done=len(tries), total=len(PENALTIES))
        began = time.monotonic()  # a pause is not training time
    _write(training, layer)
    training.penalties = tuple(
        Penalty(c=tried.c, loss=tried.loss, error=tried.error, accuracy=tried.accuracy, chosen=tried.c == layer.c)
        for tried in tries
    )
    training.position.seconds += time.monotonic() - began
    return said(tries, layer.c)


def seconds_of_a_row(training: Training, images: int) -> float:
    """About what solving will take for every row of features: so many evaluations of the loss, one of them timed."""
    config, layer = training.config, head_of(training.chain.model)
    rows, width = images * len(views_of(training.plan, config, 0)), layer.weight[0].numel()
    features = exact(torch.zeros(rows, min(rows, width), device=training.device))
    weight = features.new_zeros(min(rows, width), len(layer.weight))
    began = time.perf_counter()
    (features @ weight).log_softmax(1).T @ features
    devices.synchronise(training.device)
    return _EVALUATIONS * (time.perf_counter() - began) / rows


def said(tries: list[Tried], c: float) -> str:
    """What was chosen, in words."""
    if not tries:
        return f"The head was solved with the penalty C = {c:.3g}: no class has two images to choose another by."
    place = next(place for place, tried in enumerate(tries) if tried.c == c)
    chosen, edge = tries[place], " It is the last one on its side." if place in (0, len(PENALTIES) - 1) else ""
    return (
        f"The head was solved to its optimum. Of {len(tries)} penalties cross-validation inside the training images "
        f"chose C = {c:.3g}: log loss {chosen.loss:.3f}, accuracy {100 * chosen.accuracy:.1f} %.{edge}"
    )


def _examples(training: Training, train: Source) -> Generator[Progress, None, Examples]:
    """Yields progress; returns the Examples of all training rows."""
    views, count = views_of(training.plan, training.config, training.position.epoch), len(train.targets)
    layer = head_of(training.chain.model)
    needed = 8 * _COPIES * len(views) * count * layer.weight.shape[1:].numel()
    if needed > (free := devices.memory_free(training.device)):
        raise TrainingError(
            f"Solving the head takes about {needed >> 20} MB for {len(views) * count:,} rows of features, and "
            f"{free >> 20} MB are free. Choose fewer views, or the strategy linear_probe_steps."
        )
    features, done = [], 0
    training.chain.train_blocks(())
    for view in views:
        start = train.start(len(training.chain.blocks) - 1, view)
        batches = feeding.cut(np.arange(count), _BATCH)
        for rows, inputs in feeding.filled(train, batches, epoch=view, start=start):
            features.append(_before_head(training, inputs, start))
            done += len(rows)
            yield Progress(stage="looking at images", done=done, total=len(views) * count)
    labels = train.targets.to(features[0].device)
    weights = _weights(labels, balanced=training.config.sampling == "balanced") / len(views)
    return Examples(
        features=torch.cat(features),
        labels=labels.repeat(len(views)),
        classes=training.outline.classes,
        images=torch.arange(count, device=labels.device).repeat(len(views)),
        weights=weights.repeat(len(views)),
        class_weights=None if training.class_weights is None else training.class_weights.to(labels.device),
        smoothing=training.config.label_smoothing,
        intercept=layer.bias is not None,
    )


@torch.no_grad()
def _before_head(training: Training, inputs: torch.Tensor, start: int) -> torch.Tensor:
    """float64 [n, d]: what the last layer is given for inputs of block `start`."""
    chain, last, given = training.chain, len(training.chain.blocks) - 1, list[torch.Tensor]()
    listening = head_of(chain.model).register_forward_pre_hook(lambda _, arguments: given.append(arguments[0]))
    try:
        with training.autocast():
            chain(through_frozen(chain, inputs, start=start, stop=last), last)
    finally:
        listening.remove()
    return exact(given[0])


def _weights(targets: torch.Tensor, *, balanced: bool) -> torch.Tensor:
    """float64 [n]: how often an epoch shows each image, on average."""
    if not balanced:
        return torch.ones(len(targets), dtype=torch.float64, device=targets.device)
    rarity = 1 / torch.bincount(targets).double()[targets]
    return len(targets) * rarity / rarity.sum()


@torch.no_grad()
def _write(training: Training, layer: Layer) -> None:
    head = head_of(training.chain.model)
    head.weight.copy_(layer.weight.to(head.weight.dtype))
    if head.bias is not None:
        head.bias.copy_(layer.bias.to(head.bias.dtype))


@torch.no_grad()
def _sums(training: Training, examples: Examples) -> torch.Tensor:
    """As in Training.sums, of the head as it was written."""
    head = head_of(training.chain.model)
    logits = nn.functional.linear(
        examples.features, exact(head.weight), None if head.bias is None else exact(head.bias)
    )
    cost = None if examples.class_weights is None else examples.class_weights.double()
    losses = nn.functional.cross_entropy(
        logits, examples.labels, weight=cost, label_smoothing=examples.smoothing, reduction="none"
    )
    counted = examples.weights if cost is None else examples.weights * cost[examples.labels]
    right = examples.weights @ (logits.argmax(1) == examples.labels).double()
    return torch.stack([examples.weights @ losses, counted.sum(), right, examples.weights.sum()])
