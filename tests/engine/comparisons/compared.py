"""Comparisons whose runs left what a run leaves, made without training, for tests of what is read from them."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from engine.comparisons.comparison import Arm, Comparison, arm
from engine.comparisons.comparison_store import ComparisonStore
from engine.evaluation import metrics, predictions
from engine.evaluation.metric_records import write_metrics
from engine.events import Cache, DatasetVersion, Finished, Started, StartedPhase, Summary
from engine.runconfig import RunConfig
from engine.store.process_identity import this_process
from engine.store.run_record import Run
from engine.store.run_store import RunStore
from engine.training.solved.solvable import is_solved
from engine.workspace import Workspace

CLASSES = ("고양이", "=dog|' /C calc'!A0", "@나비")


def comparison(
    workspace: Workspace, *arms: Arm, name: str = "pets", dataset: str = "d", fingerprint: str = "", **options: object
) -> Comparison:
    """Queued, of three strategies with two seeds each unless `arms` say otherwise."""
    arms = arms or tuple(arm(strategy, seeds=2) for strategy in ("linear_probe_steps", "last_block", "full_finetune"))
    wanted = Comparison(
        name=name,
        dataset=dataset,
        fingerprint=fingerprint,
        backbones=(("resnet18", "default"),),
        strategies=arms,
        shared=RunConfig(dataset="", backbone="", **{"epochs": 4, **options}),  # type: ignore[arg-type]
    )
    return ComparisonStore(workspace).create(wanted)


def runs_of(workspace: Workspace, comparison: Comparison) -> list[Run]:
    return ComparisonStore(workspace).runs_of(comparison.id)


def claims(workspace: Workspace, comparison: Comparison) -> Iterator[Run]:
    """Its queued runs one after the other, now at work."""
    while claimed := ComparisonStore(workspace).claim(comparison.id, this_process()):
        yield claimed


def finish_all(
    workspace: Workspace, comparison: Comparison, right: Mapping[str, float], *, images: int = 200, test: bool = True
) -> list[Run]:
    """Let every queued run finish, right on this share of the images of each split; see `finish`."""
    for run in claims(workspace, comparison):
        finish(workspace, run, right[run.config.strategy], images=images, test=test)
    return runs_of(workspace, comparison)


def finish(
    workspace: Workspace,
    run: Run,
    right: float,
    *,
    images: int = 200,
    test: bool = True,
    fingerprint: str = "f",
    train_images: int = 0,
) -> None:
    """Write predictions.csv and metrics.json of one running run, and its ending; images are hard for all in the same
    order."""
    splits = ["val"] * images + ["test"] * images * test
    labels = np.arange(len(splits)) % len(CLASSES)
    table = _table(labels, splits, _right(run, right, images, len(splits)))
    started = Started(
        device="cpu",
        trainable_parameters=1000,
        dataset=DatasetVersion(id="", name="", fingerprint=fingerprint),
        phases=(StartedPhase(epochs=4),),
        train_images=train_images,
        solved=is_solved(run.config),
    )
    RunStore(workspace).record(run.id, started)
    seconds = {"linear_probe_steps": 1.0, "last_block": 10.0}.get(run.config.strategy, 100.0)
    write_results(workspace, run, table, CLASSES, seconds=seconds)


def write_results(
    workspace: Workspace, run: Run, table: pd.DataFrame, classes: Sequence[str], *, seconds: float
) -> None:
    """What a run leaves when it finishes: predictions, metrics, and its summary in the store."""
    folder, store = workspace.run(run.id), RunStore(workspace)
    folder.mkdir(parents=True, exist_ok=True)
    predictions.write(folder / "predictions.csv", table)
    report = metrics.compute_metrics(table, classes)
    write_metrics(folder, report)
    scores = {f"{split}_accuracy": scores.accuracy for split, scores in report.splits.items()}
    summary = Summary(
        best_epoch=3, epochs=4, seconds=seconds, peak_memory_bytes=5_000_000, cache=Cache(seconds=4.0), **scores
    )
    store.record(run.id, Finished(summary=summary))
    store.finish(run.id, "finished")


def _right(run: Run, share: float, images: int, total: int) -> np.ndarray:
    """Bool [total]: the easiest `share` of each split, a few of them turned around by the seed."""
    right = np.arange(total) % images < round(share * images)
    turned = np.random.default_rng(run.config.seed).choice(total, size=max(1, total // 100), replace=False)
    right[turned] = ~right[turned]
    return right


def _table(labels: np.ndarray, splits: list[str], right: np.ndarray) -> pd.DataFrame:
    chosen = np.where(right, labels, (labels + 1) % len(CLASSES))
    odds = np.full((len(labels), len(CLASSES)), 0.1)
    odds[np.arange(len(labels)), chosen] = 0.8
    names = [f"{CLASSES[label]}/{number}.jpg" for number, label in enumerate(labels)]
    table = predictions.build(
        names, splits=splits, labels=[CLASSES[label] for label in labels], probabilities=odds, classes=CLASSES
    )
    return predictions.with_unreadable(
        predictions.numbered(table, range(len(labels))), [("=broken.jpg", "The file ends early.")]
    )
