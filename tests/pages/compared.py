"""Comparisons as a worker leaves them, made without training, on a dataset with pictures, for the tests of Compare."""

import json
from collections.abc import Mapping, Sequence
from itertools import cycle, islice

import numpy as np
from streamlit.testing.v1 import AppTest

from engine.comparisons.comparison import Arm, Comparison, arm
from engine.data.dataset_records import Dataset
from engine.evaluation import predictions
from engine.events import DatasetVersion
from engine.store.run_record import Run
from engine.store.run_store import RunStore
from engine.training.freezing import plan_for
from engine.training.plan import groups
from engine.workspace import Workspace
from pages.ui.compare.evidence import Evidence, evidence_of
from tests.engine.comparisons import compared
from tests.engine.comparisons.compared import claims, runs_of, write_results
from tests.pages import prepared

RIGHT = {"linear_probe_steps": 0.5, "last_block": 0.7, "full_finetune": 0.97}


def comparison(workspace: Workspace, of: Dataset, *arms: Arm, name: str = "pets") -> Comparison:
    """Queued, of three strategies with two seeds each unless `arms` say otherwise."""
    return compared.comparison(workspace, *arms, name=name, dataset=of.id, fingerprint=of.fingerprint)


def finished(
    workspace: Workspace, of: Dataset, right: Mapping[str, float], *, seeds: int = 1, images: int = 60, name: str = "A"
) -> Comparison:
    """Of the strategies in `right`, every run right on this share of the images; see `finish`."""
    made = comparison(workspace, of, *(arm(strategy, seeds=seeds) for strategy in right), name=name)
    finish_all(workspace, made, of, right, images=images)
    return made


def finish_all(
    workspace: Workspace, comparison: Comparison, of: Dataset, right: Mapping[str, float], *, images: int = 60
) -> None:
    """Let every queued run finish; see `finish`."""
    for run in claims(workspace, comparison):
        finish(workspace, run, of, right[run.config.strategy], images=images)


def finish(workspace: Workspace, run: Run, of: Dataset, right: float, *, images: int = 60, views: str = "same") -> None:
    """End a running run: started, four epochs, predictions of validation and test images, metrics. `images`: so many a
    split, the pictures again and again."""
    start(workspace, run, of, views=views)
    folder = workspace.run(run.id)
    (folder / "best.safetensors").write_bytes(b"weights" * 100)
    origin = {"dataset": {"id": of.id, "name": "동물 *pets*"}, "versions": {"torch": "2.0", "torchvision": "0.1"}}
    (folder / "config.json").write_text(json.dumps(origin))
    seconds = {"linear_probe_steps": 2.0, "last_block": 12.0}.get(run.config.strategy, 80.0)
    write_results(workspace, run, _table(run, of, right, images), of.classes, seconds=seconds)


def evidence_now(workspace: Workspace, comparison: Comparison) -> Evidence:
    """Of what its runs have left so far."""
    return evidence_of(workspace, comparison, runs_of(workspace, comparison))


def without_predictions(workspace: Workspace, runs: Sequence[Run]) -> None:
    for run in runs:
        (workspace.run(run.id) / "predictions.csv").unlink()


def opened(comparison: Comparison) -> AppTest:
    page = prepared.page("compare", comparison=comparison.id)
    assert not page.exception
    return page


def start(workspace: Workspace, run: Run, of: Dataset, *, epochs: int = 4, views: str = "same") -> None:
    """Let a running run start and end so many epochs. `views` is a preprocessing that others may not have."""
    store, sized = RunStore(workspace), prepared.OUTLINE
    workspace.run(run.id).mkdir(parents=True, exist_ok=True)
    dataset = DatasetVersion(id=of.id, name=of.name, fingerprint=of.fingerprint)
    store.record(run.id, prepared.started(sized, run.config, dataset=dataset, preprocessing={"resize": views}))
    rates = {group.name: group.rates[0] for group in groups(sized, plan_for(sized, run.config))}
    for number in range(1, epochs + 1):
        store.record(run.id, prepared.epoch(number, rates))


def _table(run: Run, of: Dataset, share: float, images: int):
    rows = [
        (number, picture)
        for split in ("val", "test")
        for number, picture in enumerate(islice(cycle(of.images_of(split)), images))
    ]
    labels = np.array([picture.label for _, picture in rows])
    random = np.random.default_rng([run.config.seed, *run.config.strategy.encode()])
    guesses = np.where(random.random(len(labels)) < share, labels, (labels + 1) % len(of.classes))
    odds = random.uniform(0.01, 0.1, (len(labels), len(of.classes)))
    odds[np.arange(len(labels)), guesses] = random.uniform(0.5, 0.9, len(labels))
    odds /= odds.sum(axis=1, keepdims=True)
    table = predictions.build(
        [f"{number} {picture.name}" for number, picture in rows],
        splits=[picture.split for _, picture in rows],
        labels=[of.classes[label] for label in labels],
        probabilities=odds,
        classes=of.classes,
    )
    return predictions.numbered(table, [number * 2 + (picture.split == "test") for number, picture in rows])
