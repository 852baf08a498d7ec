"""Forecast: a few timed steps of every strategy, and what follows from them for the whole queue, before it is started.

Real images, the real batch size, a model that is thrown away. Not here: the arithmetic (training.estimate), what is
kept of it (forecast_files).
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch

from engine import devices
from engine.config import from_json
from engine.data.dataset_records import Split
from engine.data.row_file import free_bytes
from engine.errors import ConfigError, TrainingError
from engine.events import Event, Progress, Result
from engine.jobs import forecast_files, records
from engine.models.outline import Outline
from engine.models.reuse import WARM
from engine.runconfig import RunConfig
from engine.runs.session import Session, open_session
from engine.runs.siblings import start_of
from engine.training import estimate
from engine.training.batches import Source, cut
from engine.training.estimate import Measured, Seconds
from engine.training.freezing import validate
from engine.training.frozen import feature_cache
from engine.training.frozen.cuts import Cost, Slot, readings, worth_keeping
from engine.training.frozen.prefix import CHUNK, images_computed, through_frozen
from engine.training.loop import class_weights_of, enter_phase
from engine.training.plan import FreezePlan, prefix_length, trainable_size, untouched
from engine.training.solved import solving
from engine.training.step import Batch, optimise
from engine.workspace import Workspace

WARM_UP, TIMED = 2, 3


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One strategy after its steps."""

    config: RunConfig
    outline: Outline
    plan: FreezePlan
    images: Mapping[Split, int]
    measured: Measured
    peak_bytes: int
    trainable: int
    problems: tuple[str, ...]


def forecast(workspace: Workspace, asked: records.OfQueue) -> Iterator[Event]:
    """What the queue will take; its runs are in their order."""
    queue = [validate(from_json(text)) for text in asked.configs]
    if not queue:
        raise ConfigError("There is no run to forecast. Tick at least one strategy.")
    tried: dict[RunConfig, Tried] = {}
    kinds = list(dict.fromkeys(replace(config, seed=0) for config in queue))
    for done, kind in enumerate(kinds):
        yield Progress(stage="timing strategies", done=done, total=len(kinds))
        session = yield from open_session(kind, workspace, kind.device)
        with session.pixels:
            tried[kind] = _measure(session)
        WARM.give_back(session.training.chain)
    yield Result.of(_queue_forecast(workspace, queue, tried))


def _measure(session: Session) -> Tried:
    training, source = session.training, session.source(session.training_images)
    trainable = max(trainable_size(training.outline, phase) for phase in training.plan.phases)
    training.class_weights = class_weights_of(training, source)
    measured, images = _frozen(session, source)
    problems = list(_memory(session, images, trainable))
    steps, peak = (0.0,) * len(training.plan.phases), devices.memory_used(training.device)
    if training.plan.solved or not problems or training.position.parts > 1:
        try:
            steps, peak = _steps(session, images, source)
        except TrainingError as error:
            problems.append(f"{session.config.strategy} does not fit into memory: {error}")
    return Tried(
        config=session.config,
        outline=training.outline,
        plan=training.plan,
        images={split: len(images) for split, images in session.splits.items()} | {"train": len(source.targets)},
        measured=replace(measured, steps=steps),
        peak_bytes=peak,
        trainable=trainable,
        problems=(*problems, *_disk(session, trainable)),
    )


@torch.no_grad()
def _frozen(session: Session, source: Source) -> tuple[Measured, torch.Tensor]:
    """What decoding and the blocks before every cut take, timed; and one training batch of pixels."""
    training, config = session.training, session.config
    rows = cut(np.arange(len(source.targets)), config.batch_size)[0]
    began = time.perf_counter()
    images = source.batch(rows, 0)
    decode = (time.perf_counter() - began) / len(rows)
    training.chain.train_blocks(set())
    cuts = sorted({slot.cut for slot in readings(training.outline, training.plan, config)})
    chunk, costs = images[:CHUNK], {}
    counted = images_computed(len(chunk), training.device.type)
    with training.autocast():
        training.chain(chunk)  # the first pass sets things up
        devices.synchronise(training.device)
        spent, x, at = 0.0, chunk, 0
        for stop in [*cuts, len(training.chain.blocks)]:
            began = time.perf_counter()
            x = through_frozen(training.chain, x, start=at, stop=stop)
            devices.synchronise(training.device)
            spent, at = spent + time.perf_counter() - began, stop
            costs[stop] = Cost(seconds=spent / counted, size_bytes=x[:1].numel() * x.element_size())
    forward = costs.pop(len(training.chain.blocks)).seconds
    return Measured(costs=costs, forward=forward, decode=decode, steps=()), images


def _steps(session: Session, images: torch.Tensor, source: Source) -> tuple[tuple[float, ...], int]:
    """(seconds of an image in a step of every phase, most bytes in use). Rates are zero, so that no weight moves."""
    training, seconds, peak, first = session.training, [], 0, 0
    targets = source.targets[: len(images)]
    for phase in training.plan.phases:
        training.position.epoch, first = first, first + phase.epochs
        if enter_phase(training).how != "steps":
            solved = phase.how == "solved"
            seconds.append(solving.seconds_of_a_row(training, len(source.targets)) if solved else 0.0)
            continue
        reach = untouched(training.outline, training.plan, training.position.epoch)
        start = 0 if training.mixer is not None else reach
        with torch.no_grad(), training.autocast():
            inputs = through_frozen(training.chain, images, start=0, stop=start)
        prefix = prefix_length(training.outline, phase)
        batch = Batch(inputs=inputs, targets=targets, start=start, prefix=prefix, seed=0)
        spent = []
        for number in range(WARM_UP + TIMED):
            began = time.perf_counter()
            optimise(training, replace(batch, seed=number))
            devices.synchronise(training.device)
            spent.append(time.perf_counter() - began)
            peak = max(peak, devices.memory_used(training.device))
        seconds.append(float(np.median(spent[WARM_UP:])) / len(images))
    return tuple(seconds), peak


def _memory(session: Session, images: torch.Tensor, trainable: int) -> Iterator[str]:
    """One sentence where a batch will not fit as a whole; then the steps are timed in parts."""
    training, config = session.training, session.config
    free, standing = devices.memory_free(training.device), estimate.training_bytes(trainable, config.optimizer)
    parts = estimate.parts_needed(free, standing=standing, an_image=_an_image(session, images), batch=len(images))
    if parts == 0:
        why = "not even a single image does. Choose a smaller image size or backbone."
        yield f"{config.strategy} does not fit into memory: {why}"
    elif parts > 1:
        training.position.parts = parts
        pieces = f"in one piece: every batch will be computed in {parts} parts."
        yield f"{config.strategy} does not fit into memory with batches of {len(images)} {pieces}"


def _an_image(session: Session, images: torch.Tensor) -> int:
    """Bytes that one image keeps for the way back, in the phase in which most trains."""
    training, kept = session.training, Counter[int]()

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    training.position.epoch = training.plan.epochs - 1
    enter_phase(training)
    prefix = prefix_length(training.outline, training.plan.phases[-1])
    few = images[:2]
    with torch.no_grad(), training.autocast():
        inputs = through_frozen(training.chain, few, start=0, stop=prefix)
    own = {parameter.untyped_storage().data_ptr() for parameter in training.parameters.values()}
    buffers = {name: tensor.clone() for name, tensor in training.chain.model.named_buffers()}
    with training.autocast(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        training.chain(inputs, prefix)
    for name, tensor in training.chain.model.named_buffers():
        tensor.copy_(buffers[name])  # batch statistics of two images say nothing
    training.position.epoch = 0
    return int(sum(size for place, size in kept.items() if place not in own) / len(few))


def _disk(session: Session, trainable: int) -> Iterator[str]:
    """One sentence where the disk has no room for the checkpoint."""
    config, free = session.config, free_bytes(session.workspace.root)
    if (needed := estimate.checkpoint_bytes(session.training.outline, trainable, config.optimizer)) > free:
        yield (
            f"{config.strategy} does not fit on the disk: checkpoint and weights take {_mb(needed)} and {_mb(free)} "
            f"are free. Make room, or choose a strategy that trains less."
        )


@dataclass(frozen=True, kw_only=True)
class _Run:
    """One run of the queue. What a group keeps is in the total of its first run, and shared by all."""

    seconds: Seconds
    total: float
    fill_shared: float


def _queue_forecast(
    workspace: Workspace, queue: Sequence[RunConfig], tried: Mapping[RunConfig, Tried]
) -> records.QueueForecast:
    """And every run's own forecast into the workspace."""
    workspace.features.mkdir(exist_ok=True)
    free, cache_bytes = free_bytes(workspace.features), 0
    problems = [problem for strategy in tried.values() for problem in strategy.problems]
    runs: dict[RunConfig, list[_Run]] = {kind: [] for kind in tried}
    for group in _groups(queue):
        strategies = [tried[replace(config, seed=0)] for config in group]
        kept, fill, size = _kept(strategies, free)
        if kept is None:
            problems.append(f"What could be kept of the frozen part does not fit on the disk ({_mb(free)} are free).")
        cache_bytes += size
        for place, (config, strategy) in enumerate(zip(group, strategies, strict=True)):
            seconds = _seconds(strategy, _costs(strategies), kept or ())
            total = seconds.total + (0.0 if place else fill)
            runs[strategy.config].append(_Run(seconds=seconds, total=total, fill_shared=fill / len(group)))
            forecast = forecast_files.Forecast(
                seconds=total,
                peak_memory_bytes=strategy.peak_bytes,
                trainable_parameters=strategy.trainable,
                cache_bytes=size,
            )
            forecast_files.keep_forecast(workspace, config, forecast)
    rows = tuple(_row(strategy, runs[kind], free) for kind, strategy in tried.items())
    total, unique = sum(row.total for row in rows), tuple(dict.fromkeys(problems))
    return records.QueueForecast(strategies=rows, seconds=total, cache_bytes=cache_bytes, problems=unique)


def _groups(queue: Sequence[RunConfig]) -> list[list[RunConfig]]:
    """The runs that share a frozen part."""
    groups: dict[tuple[object, ...], list[RunConfig]] = {}
    for config in queue:
        groups.setdefault(start_of(config), []).append(config)
    return list(groups.values())


def _seconds(strategy: Tried, costs: Mapping[int, Cost], kept: Sequence[Slot]) -> Seconds:
    """Of one run; it may read at a cut that another wanted, whose cost is among `costs`."""
    return estimate.foresee(
        strategy.outline,
        strategy.plan,
        strategy.config,
        measured=replace(strategy.measured, costs={**costs, **strategy.measured.costs}),
        kept=kept,
        images=strategy.images,
    )


def _row(strategy: Tried, runs: Sequence[_Run], free: int) -> records.StrategyForecast:
    """What the strategy takes by itself, and what all its runs take in this queue."""
    _, fill_alone, size = _kept([strategy], free)
    return records.StrategyForecast(
        strategy=strategy.config.strategy,
        backbone=strategy.config.backbone,
        phases=len(strategy.plan.phases),
        planned_epochs=strategy.plan.epochs,
        peak_memory_bytes=strategy.peak_bytes,
        trainable_parameters=strategy.trainable,
        cache_bytes=size,
        **asdict(runs[-1].seconds),
        runs=len(runs),
        total=sum(run.total for run in runs),
        fill_alone=fill_alone,
        fill_shared=sum(run.fill_shared for run in runs),
        problems=strategy.problems,
    )


def _costs(strategies: Sequence[Tried]) -> dict[int, Cost]:
    return {cut: cost for strategy in strategies for cut, cost in strategy.measured.costs.items()}


def _kept(strategies: Sequence[Tried], free: int) -> tuple[tuple[Slot, ...] | None, float, int]:
    """(what runs that start alike will keep, seconds of computing it, bytes); None for what is only left out because
    the disk is full."""
    budget, costs, images = feature_cache.budget_bytes(), _costs(strategies), strategies[0].images
    wanted = Counter[Slot]()
    for strategy in strategies:
        wanted.update(readings(strategy.outline, strategy.plan, strategy.config))
    wanted = Counter({slot: count for slot, count in wanted.items() if images[slot.split]})
    kept = worth_keeping(wanted, costs, images, budget=min(budget, free))
    seconds, size = estimate.filling(kept, costs, images)
    starved = not kept and free < budget and bool(worth_keeping(wanted, costs, images, budget=budget))
    return (None if starved else kept), seconds, size


def _mb(number: int) -> str:
    return f"{number / 1e6:,.0f} MB"
