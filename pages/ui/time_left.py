"""Time left: how long a run and the queue will still take, as measured so far. Says nothing rather than guess."""

from collections.abc import Mapping
from contextlib import suppress
from statistics import median

from engine.errors import DatasetError
from engine.store.run_record import Run
from engine.training.budget import budgeted
from pages.ui.epochs import Epochs
from pages.ui.resources import workspace

RECENT = 5
"""Epochs that count: earlier ones filled caches or belonged to another phase."""


def epoch_seconds(run: Run, epochs: Epochs) -> float | None:
    """Seconds one epoch takes now: measured, or from the speed of the first epoch under way; None before that."""
    if epochs:
        return median(epoch.seconds for epoch in epochs[-RECENT:])
    speed, images = run.progress.images_per_second, run.started.train_images if run.started else 0
    return images / speed if speed and images else None


def epochs_done(run: Run, epochs: Epochs) -> float:
    """Epochs behind the run, the share of the one under way included."""
    now = run.progress
    share = now.step / now.steps if now.steps and now.epoch > len(epochs) else 0.0
    return len(epochs) + min(share, 1.0)


def epochs_planned(run: Run) -> int:
    """In all phases; 0 where they would follow from a dataset that is gone."""
    if run.started and run.started.phases:
        return run.started.epochs
    with suppress(DatasetError):
        return budgeted(run.config, workspace()).epochs
    return 0


def seconds_left(run: Run, epochs: Epochs) -> float | None:
    """Seconds to the end of training, or None while nothing has been measured."""
    pace = epoch_seconds(run, epochs)
    return None if pace is None else max(0.0, epochs_planned(run) - epochs_done(run, epochs)) * pace


def seconds_of_queued(run: Run, others: Mapping[str, tuple[Run, Epochs]]) -> float | None:
    """What a queued run will take, judged by the closest run that was measured: same data, backbone and, if possible,
    strategy."""
    alike: dict[bool, list[float]] = {True: [], False: []}
    for other, epochs in others.values():
        pace, config = epoch_seconds(other, epochs), other.config
        if pace is not None and (config.dataset, config.backbone) == (run.config.dataset, run.config.backbone):
            alike[config.strategy == run.config.strategy].append(pace)
    paces = alike[True] or alike[False]
    return median(paces) * epochs_planned(run) if paces else None
