"""The pipeline: execute(run) -> events. Needs a Run and a workspace folder, nothing else.

Errors are not caught here and nobody is told here: the worker and the command line consume the events.
"""

import time
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from functools import cache
from importlib import import_module
from threading import Thread

import msgspec
from msgspec.structs import replace

from engine import devices, events
from engine.errors import RunError, TrainingError
from engine.events import Epoch, Event, Note, Progress, Step
from engine.models.reuse import WARM
from engine.runs.checkpointing import Saver, write_weights
from engine.runs.rate_search import tune
from engine.runs.run_files import Recorder, write_origin
from engine.runs.session import checkpoint_path, open_session
from engine.runs.sharing import FROZEN_PART, Shared, share
from engine.store.run_record import Run
from engine.training.checkpoints import restore_tensors
from engine.training.frozen.feature_cache import FeatureCache
from engine.training.loop import fit
from engine.training.plan import trainable_blocks, trainable_size
from engine.training.state import Training
from engine.workspace import Workspace


def prepare() -> None:
    """Load what runs need at their end and not before their first image: pandas, SciPy, scikit-learn."""
    import_module("engine.runs.answers")


def execute(run: Run, workspace: Workspace, *, device: str) -> Iterator[Event]:
    """Train `run` from its start, or from its checkpoint, and write everything it leaves; result.csv comes last."""
    with closing(_executed(run, workspace, device=device)) as told:
        for event in told:
            if isinstance(event, Step) or (isinstance(event, Progress) and event.stage == FROZEN_PART):
                _prepare_beside()
            yield event


@cache
def _prepare_beside() -> None:
    """From the first image on, beside computing."""
    Thread(target=prepare, name="preparing the end").start()


def _executed(run: Run, workspace: Workspace, *, device: str) -> Generator[Event, None, None]:
    folder = workspace.run(run.id)
    session = yield from open_session(run.config, workspace, device, folder=folder, begun=run.started)
    with session.pixels:
        _check_plan(run, session.training)
        folder.mkdir(parents=True, exist_ok=True)
        write_origin(
            folder,
            run.config,
            session.dataset,
            preprocessing=session.preprocessing,
            precision=session.numerics.name,
            threads=devices.threads(session.training.device),
        )
        shared = yield from share(session)
        with shared.cache:
            yield from tune(shared)
            yield _started(shared)
            for note in session.notes:
                yield Note(text=note)
            yield from _learn_and_answer(shared)
    session.checkpoint.unlink(missing_ok=True)  # a finished run is never resumed
    WARM.give_back(session.training.chain)


def conclude(run: Run, workspace: Workspace, *, device: str) -> Iterator[Event]:
    """Write what a stopped run leaves: its best epoch, predictions and result.csv; nothing before the first epoch."""
    folder = workspace.run(run.id)
    if not checkpoint_path(folder).is_file():
        return
    session = yield from open_session(run.config, workspace, device, folder=folder, begun=run.started)
    with session.pixels:
        _check_plan(run, session.training)
        if session.training.best:
            yield from _write_answers(Shared(session=session, cache=FeatureCache()))


def _check_plan(run: Run, training: Training) -> None:
    """RunError when `run` goes on and an earlier version, which knew other stages, began it with other blocks: the
    checkpoint cannot tell, where every block trains in the end."""
    goes_on = training.position.epoch or training.position.step
    began = [block.trains for block in run.started.blocks] if run.started else []
    if goes_on and began and began != _trains(training):
        raise RunError(
            f"{run.name} began with other blocks in its phases than {run.config.strategy} trains in this version. "
            "Start it again as a new run."
        )


def _trains(training: Training) -> list[tuple[bool, ...]]:
    """Of every block, in which phases it trains."""
    phases = training.plan.phases
    return list(zip(*(trainable_blocks(training.outline, phase) for phase in phases), strict=True))


def _started(shared: Shared) -> events.Started:
    session, training = shared.session, shared.session.training
    outline, phases = training.outline, training.plan.phases
    return events.Started(
        device=str(training.device),
        device_name=devices.name(training.device),
        precision=session.numerics.name,
        trainable_parameters=max(trainable_size(outline, phase) for phase in phases),
        total_parameters=outline.size,
        blocks=tuple(
            events.StartedBlock(name=block.name, stage=block.stage, size=block.size, trains=flags)
            for block, flags in zip(outline.blocks, _trains(training), strict=True)
        ),
        phases=msgspec.convert(phases, tuple[events.StartedPhase, ...], from_attributes=True),
        train_images=len(session.training_images),
        val_images=len(session.splits["val"]),
        test_images=len(session.splits["test"]),
        dataset=msgspec.convert(session.dataset, events.DatasetVersion, from_attributes=True),
        preprocessing=msgspec.to_builtins(session.preprocessing),
        patience=training.config.patience,
        epochs_done=training.position.epoch,
        cache=shared.report(),
        solved=training.plan.solved,
    )


def _learn_and_answer(shared: Shared) -> Iterator[Event]:
    """Whatever ends this early, what was learnt stays: in a checkpoint, or as the best weights where training broke."""
    saver, training, learnt = Saver(shared.session), shared.session.training, False
    try:
        yield from _train(shared, saver)
        learnt = True
        yield from _write_answers(shared)
    except GeneratorExit:
        saver.close()
        raise
    except Exception as error:
        with suppress(TrainingError, OSError):
            if learnt:
                saver.close()
            elif isinstance(error, TrainingError) and training.best:  # the state is not one to go on from
                restore_tensors(training, training.best)
                write_weights(shared.session)
        raise


def _train(shared: Shared, saver: Saver) -> Iterator[Event]:
    session = shared.session
    training = session.training
    recorder = Recorder(session.folder, history=training.position.history)
    images, began = 0, time.monotonic()
    try:
        for event in fit(training, shared.training(), shared.source("val")):
            if isinstance(event, Note | Progress):
                yield event
                continue
            memory = devices.memory_used(training.device)
            training.position.peak_bytes = max(training.position.peak_bytes, memory)
            told = replace(event, epochs=training.plan.epochs, memory_bytes=memory)
            if isinstance(told, Step):
                images += told.images
                yield replace(told, images_per_second=images / max(time.monotonic() - began, 1e-9))
            saver.after(event)
            if isinstance(told, Epoch):
                recorder.epoch(told)
                yield told
                images, began = 0, time.monotonic()
    finally:
        recorder.close()


def _write_answers(shared: Shared) -> Iterator[Event]:
    from engine.runs.answers import write_answers

    yield from write_answers(shared)
