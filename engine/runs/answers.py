"""Answers: what a trained run leaves: best weights, audit, predictions, metrics and, last, result.csv.

Part of the pipeline. Loading this file takes pandas, SciPy and scikit-learn, a second and a half, so the pipeline does
that beside training.
"""

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import torch

from engine import events
from engine.evaluation import predictions
from engine.evaluation.metric_records import SplitMetrics, write_metrics
from engine.evaluation.metrics import compute_metrics
from engine.evaluation.result_csv import write_result
from engine.events import Event, Note, Progress
from engine.runs.checkpointing import write_weights
from engine.runs.session import Session
from engine.runs.sharing import Shared
from engine.training.audit import Tensor, audit, sentence, to_csv
from engine.training.checkpoints import restore_tensors
from engine.training.loop import infer
from engine.training.state import moved_by
from engine.workspace import atomic_write


def write_answers(shared: Shared) -> Iterator[Event]:
    """Best weights, audit, predictions, metrics; result.csv last and atomically: its presence means complete."""
    session = shared.session
    training, folder = session.training, session.folder
    restore_tensors(training, training.best)
    classes = session.dataset.classes
    with ThreadPoolExecutor(2, thread_name_prefix="answers") as beside:  # predicting changes no tensor
        saved, audited = beside.submit(write_weights, session), beside.submit(_audited, session)
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
    table = predictions.with_unreadable(predictions.numbered(table, [image.index for image in images]), unreadable)
    return predictions.with_groups(table, [image.group for image in images])


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
