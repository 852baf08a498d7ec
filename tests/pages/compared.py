"""Comparisons as a worker leaves them, made without training, on a dataset with pictures, for the tests of Compare."""

import json
from collections.abc import Mapping

import numpy as np
from streamlit.testing.v1 import AppTest

from engine.comparisons.comparison import Arm, Comparison, arm
from engine.comparisons.comparison_store import ComparisonStore
from engine.data.dataset_records import Dataset
from engine.evaluation import predictions
from engine.events import DatasetVersion
from engine.runconfig import RunConfig
from engine.store.process_identity import this_process
from engine.store.run import Run
from engine.store.run_store import RunStore
from engine.training.freezing import plan_for
from engine.training.plan import groups
from engine.workspace import Workspace
from pages.ui.compare.evidence import Evidence, evidence_of
from tests.engine.comparisons.compared import write_results
from tests.pages import prepared


def comparison(workspace: Workspace, of: Dataset, *arms: Arm, name: str = "pets") -> Comparison:
    """Queued, of three strategies with two seeds each unless `arms` say otherwise."""
    wanted = Comparison(
        name=name,
        dataset=of.id,
        fingerprint=of.fingerprint,
        backbones=(("resnet18", "default"),),
        strategies=arms
        or tuple(arm(strategy, seeds=2) for strategy in ("linear_probe", "last_block", "full_finetune")),
        shared=RunConfig(dataset=of.id, backbone="", epochs=4),
    )
    return ComparisonStore(workspace).create(wanted)


def finish_all(
    workspace: Workspace, known: Comparison, of: Dataset, right: Mapping[str, float], *, images: int = 0
) -> list[Run]:
    """Let every queued run finish, right on this share of the images; see `finish`."""
    store = ComparisonStore(workspace)
    while claimed := store.claim(known.id, this_process()):
        finish(workspace, claimed, of, right[claimed.config.strategy], images=images)
    return store.runs_of(known.id)


def finish(workspace: Workspace, run: Run, of: Dataset, right: float, *, images: int = 0, views: str = "same") -> None:
    """End a running run: started, four epochs, predictions of validation and test images, metrics. `images`: so many a
    split, made up."""
    start(workspace, run, of, views=views)
    folder = workspace.run(run.id)
    (folder / "best.safetensors").write_bytes(b"weights" * 100)
    origin = {"dataset": {"id": of.id, "name": "동물 *pets*"}, "versions": {"torch": "2.0", "torchvision": "0.1"}}
    (folder / "config.json").write_text(json.dumps(origin))
    seconds = {"linear_probe": 2.0, "last_block": 12.0}.get(run.config.strategy, 80.0)
    write_results(workspace, run, _table(run, of, right, images), of.classes, seconds=seconds)


def evidence_now(workspace: Workspace, comparison: Comparison) -> Evidence:
    """Of what its runs have left so far."""
    return evidence_of(workspace, comparison, ComparisonStore(workspace).runs_of(comparison.id))


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
    pictures = [image for split in ("val", "test") for image in of.images_of(split)]
    rows = [(image.name, image.split, image.label, image.index) for image in pictures]
    if images:  # the pictures again and again
        rows = [
            (f"{number} {name}", split, label, number * 2 + (split == "test"))
            for split in ("val", "test")
            for of_split in ([row for row in rows if row[1] == split],)
            for number in range(images)
            for name, _, label, _ in (of_split[number % len(of_split)],)
        ]
    labels = np.array([row[2] for row in rows])
    random = np.random.default_rng([run.config.seed, *run.config.strategy.encode()])
    guesses = np.where(random.random(len(labels)) < share, labels, (labels + 1) % len(of.classes))
    odds = random.uniform(0.01, 0.1, (len(labels), len(of.classes)))
    odds[np.arange(len(labels)), guesses] = random.uniform(0.5, 0.9, len(labels))
    odds /= odds.sum(axis=1, keepdims=True)
    table = predictions.build(
        [row[0] for row in rows],
        splits=[row[1] for row in rows],
        labels=[of.classes[row[2]] for row in rows],
        probabilities=odds,
        classes=of.classes,
    )
    return predictions.numbered(table, [row[3] for row in rows])
