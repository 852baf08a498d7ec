"""The pipeline: execute(run) -> events. Needs a Run and a workspace folder, nothing else.

Errors are not caught here and nobody is told here: the worker and the command line consume the events.
"""

import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import msgspec
import numpy as np
import pandas as pd
import torch
from msgspec.structs import replace

from engine import devices, events, record_files
from engine.errors import RunError, TrainingError
from engine.evaluation import predictions
from engine.evaluation.metric_records import SplitMetrics, write_metrics
from engine.evaluation.metrics import compute_metrics
from engine.evaluation.result_csv import write_result
from engine.events import Epoch, Event, Note, Progress, Step
from engine.models.reuse import WARM
from engine.runs.checkpointing import Saver
from engine.runs.rate_search import tune
from engine.runs.run_files import Recorder, write_origin
from engine.runs.session import Session, checkpoint_path, open_session
from engine.runs.sharing import Shared, share
from engine.store.run_record import Run
from engine.training.audit import Tensor, audit, sentence, to_csv
from engine.training.checkpoints import restore_tensors, save_weights
from engine.training.feature_cache import FeatureCache
from engine.training.loop import fit, infer
from engine.training.plan import trainable_blocks, trainable_size
from engine.training.state import Training, moved_by
from engine.workspace import Workspace, atomic_write


def execute(run: Run, workspace: Workspace, *, device: str) -> Iterator[Event]:
    """Train `run` from its start, or from its checkpoint, and write everything it leaves; result.csv comes last."""
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
                _write_weights(shared.session)
        raise


def _write_weights(session: Session) -> None:
    """best.safetensors: the model as it stands."""
    metadata = {"backbone": session.config.backbone, "classes": record_files.encode(session.dataset.classes)}
    save_weights(session.training.chain.model.state_dict(), session.folder / "best.safetensors", metadata=metadata)


def _train(shared: Shared, saver: Saver) -> Iterator[Event]:
    session = shared.session
    training = session.training
    recorder = Recorder(session.folder, history=training.position.history)
    images, began = 0, time.monotonic()
    try:
        for event in fit(training, shared.training(), shared.source("val")):
            if isinstance(event, Note):
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
    """Best weights, audit, predictions, metrics; result.csv last and atomically: its presence means complete."""
    session = shared.session
    training, folder = session.training, session.folder
    restore_tensors(training, training.best)
    classes = session.dataset.classes
    with ThreadPoolExecutor(2, thread_name_prefix="answers") as beside:  # predicting changes no tensor
        saved, audited = beside.submit(_write_weights, session), beside.submit(_audited, session)
        probabilities = yield from _probabilities(shared)
        table = _table(session, probabilities.numpy())
        metrics = compute_metrics(table, classes)
        write_metrics(folder, metrics)
        predictions.write(folder / "predictions.csv", table)
        rows = audited.result()
        yield Note(text=sentence(rows))
        saved.result()
    yield events.Finished(summary=_summary(shared, metrics.splits.get("test"), rows))
    write_result(folder / "result.csv", table, folder.name)


def _audited(session: Session) -> tuple[Tensor, ...]:
    """The rows of audit.csv: what became of every tensor by the epoch that is kept."""
    training = session.training
    places = {
        name: (block.name, about.stage)
        for block, about in zip(training.chain.blocks, training.outline.blocks, strict=True)
        for name in (*block.parameters, *block.buffers)
    }
    may_move = moved_by(training, training.position.best_epoch)
    rows = audit(session.before, training.chain.model.state_dict(), places, may_move=may_move)
    atomic_write(session.folder / "audit.csv", to_csv(rows))
    return rows


def _probabilities(shared: Shared) -> Generator[Progress, None, torch.Tensor]:
    """float32 [images, classes] for every image of the dataset, in its order."""
    session, done = shared.session, 0
    best = session.training.position.best_epoch - 1
    probabilities = torch.empty(len(session.dataset.images), len(session.dataset.classes))
    for split, images in session.splits.items():
        parts = [torch.empty(0, probabilities.shape[1])]
        for logits in infer(session.training, shared.source(split), epoch=best):
            parts.append(logits.softmax(1).cpu())
            done += len(logits)
            yield Progress(stage="predicting", done=done, total=len(probabilities))
        probabilities[[image.index for image in images]] = torch.cat(parts)
    return probabilities


def _table(session: Session, probabilities: np.ndarray) -> pd.DataFrame:
    """One row an image in the order of the dataset, then one row a file that could not be read."""
    images, classes = session.dataset.images, session.dataset.classes
    table = predictions.build(
        [image.name for image in images],
        splits=[image.split for image in images],
        labels=[classes[image.label] for image in images],
        probabilities=probabilities,
        classes=classes,
    )
    unreadable = [(problem.name, problem.reason) for problem in session.dataset.problems if problem.kind == "input"]
    return predictions.with_unreadable(predictions.numbered(table, [image.index for image in images]), unreadable)


def _summary(shared: Shared, test: SplitMetrics | None, rows: Sequence[Tensor]) -> events.Summary:
    position = shared.session.training.position
    best = position.history[position.best_epoch - 1]
    return events.Summary(
        best_epoch=position.best_epoch,
        epochs=position.epoch,
        val_accuracy=best.val_accuracy,
        val_loss=best.val_loss,
        test_accuracy=test.accuracy if test else None,
        test_accuracy_low=test.accuracy_low if test else None,
        test_accuracy_high=test.accuracy_high if test else None,
        seconds=sum(epoch.seconds for epoch in position.history),
        peak_memory_bytes=position.peak_bytes,
        frozen_unchanged=not any(row.verdict == "broken" for row in rows),
        moved_tensors=sum(row.moved for row in rows),
        unchanged_tensors=sum(not row.moved for row in rows),
        idle_tensors=sum(row.verdict == "idle" for row in rows),
        audit=sentence(rows),
        cache=shared.report(),
    )
