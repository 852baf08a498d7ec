"""Learning-rate range test (Smith 2017): the rate climbs, to see where the loss falls and where it breaks.

It works on a Training that is thrown away afterwards.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch

from engine.training import batches as feeding
from engine.training.batches import Source
from engine.training.loop import class_weights_of, enter_phase
from engine.training.plan import prefix_length
from engine.training.state import Training, set_rates
from engine.training.step import Batch, optimise

LOWEST, HIGHEST, STEPS = 1e-6, 1.0, 80
BREAK = 4.0
"""The test ends when the smoothed loss is this many times its smallest value."""
_MEMORY = 0.9


@dataclass(frozen=True, kw_only=True)
class Point:
    """The rate of the head at one step, and the loss smoothed over the steps before."""

    rate: float
    loss: float


def range_test(training: Training, train: Source, *, steps: int = STEPS) -> Iterator[Point]:
    """Points at rates from 1e-6 to 1 in equal ratios, until the loss breaks; in the last phase of the plan."""
    training.position.epoch = training.plan.epochs - 1
    training.class_weights = class_weights_of(training, train)
    enter_phase(training)
    phase = training.plan.phases[-1]
    prefix = prefix_length(training.outline, phase)
    smoothed, lowest = 0.0, math.inf
    for step, rows in zip(range(steps), _endless(train, training), strict=False):
        rate = LOWEST * (HIGHEST / LOWEST) ** (step / max(1, steps - 1))
        set_rates(training, len(training.plan.phases) - 1, rate / phase.lr)
        targets = train.targets[torch.from_numpy(rows).to(training.device)]
        batch = Batch(inputs=train.batch(rows, step, 0), targets=targets, start=0, prefix=prefix, seed=step)
        loss = optimise(training, batch).item()
        smoothed = _MEMORY * smoothed + (1 - _MEMORY) * loss
        point = Point(rate=rate, loss=smoothed / (1 - _MEMORY ** (step + 1)))
        if not math.isfinite(loss) or point.loss > BREAK * lowest:
            return
        lowest = min(lowest, point.loss)
        yield point


def suggestion(points: Sequence[Point]) -> float | None:
    """The rate at which the loss falls fastest, before its lowest point; None when it never falls by 2 %."""
    if len(points) < 8:
        return None
    losses = np.array([point.loss for point in points])
    lowest = int(losses.argmin())
    if lowest < 3 or losses[lowest] > 0.98 * losses[: lowest + 1].max():
        return None
    slopes = np.gradient(losses[: lowest + 1])
    return float(points[int(slopes.argmin())].rate)


def _endless(train: Source, training: Training) -> Iterator[np.ndarray]:
    for epoch in count():
        order = feeding.epoch_order(train.targets, seed=training.config.seed, epoch=epoch)
        yield from feeding.cut(order, training.config.batch_size)
