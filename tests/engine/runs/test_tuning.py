"""Learning rates tried before training: validation chooses, and what follows is the run one would have made with that
rate."""

import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from engine.data.dataset_records import Dataset
from engine.errors import TrainingError
from engine.events import Epoch, Event, Finished, Note, Progress, Started
from engine.runconfig import RunConfig
from engine.runs import tuning
from engine.runs.pipeline import conclude, execute
from engine.runs.tuning import Try, factors, tuning_summary
from engine.store.run import Run
from engine.store.run_store import RunStore
from engine.training import loop
from engine.training.batches import Source
from engine.training.loop import fit
from engine.training.state import Training
from engine.workspace import Workspace
from tests.pictures import make_dataset


@pytest.fixture
def dataset(workspace: Workspace, tmp_path: Path) -> Dataset:
    return make_dataset(workspace, tmp_path / "source")


def queued(workspace: Workspace, dataset: Dataset, **options: object) -> Run:
    fields = {
        "backbone": "resnet18",
        "weights": "none",
        "epochs": 2,
        "image_size": 32,
        "batch_size": 8,
        "precision": "fp32",
    }
    return RunStore(workspace).enqueue(RunConfig(dataset=dataset.id, **{**fields, **options}), owner="tests")  # type: ignore[arg-type]


def weights(workspace: Workspace, run: Run) -> dict[str, torch.Tensor]:
    return load_file(workspace.run(run.id) / "best.safetensors")


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def tries(event: Event, stage: str = "learning rate") -> bool:
    return isinstance(event, Progress) and stage in event.stage


def notes(events: list[Event]) -> str:
    return " ".join(event.text for event in events if isinstance(event, Note))


@pytest.mark.parametrize("strategy", ["linear_probe", "last_block", "probe_then_finetune"])
def test_the_chosen_rate_trains_as_if_it_had_been_given(workspace: Workspace, dataset: Dataset, strategy: str) -> None:
    tuned = queued(workspace, dataset, strategy=strategy, tune=3, lr=0.003)
    events = list(execute(tuned, workspace, device="cpu"))
    record = json.loads((workspace.run(tuned.id) / "tuning.json").read_text())
    tries = record["tries"]
    assert [made["lr"] for made in tries] == pytest.approx([0.001, 0.003, 0.009])
    best = max(tries, key=lambda made: (made["val_accuracy"], -made["val_loss"]))
    assert record["factor"] == best["factor"] and "Validation chose the learning rate" in notes(events)
    stages = {event.stage for event in events if isinstance(event, Progress) and "learning rate" in event.stage}
    assert stages == {f"learning rate {number} of 3" for number in (1, 2, 3)}
    given = queued(workspace, dataset, strategy=strategy, lr=0.003 * record["factor"])
    list(execute(given, workspace, device="cpu"))
    assert equal(weights(workspace, tuned), weights(workspace, given))
    assert (workspace.run(tuned.id) / "audit.csv").read_text() == (workspace.run(given.id) / "audit.csv").read_text()


def test_a_run_that_goes_on_keeps_its_rate_and_tries_nothing_again(workspace: Workspace, dataset: Dataset) -> None:
    whole = queued(workspace, dataset, strategy="last_block", tune=2, epochs=3)
    list(execute(whole, workspace, device="cpu"))
    broken = queued(workspace, dataset, strategy="last_block", tune=2, epochs=3)
    first = execute(broken, workspace, device="cpu")
    next(event for event in first if isinstance(event, Epoch))
    first.close()
    rest = list(execute(broken, workspace, device="cpu"))
    assert not any(tries(event) for event in rest)
    assert equal(weights(workspace, whole), weights(workspace, broken))


def test_stopped_while_trying_there_is_nothing_to_conclude_and_starting_again_tries_again(
    workspace: Workspace, dataset: Dataset
) -> None:
    run = queued(workspace, dataset, strategy="linear_probe", tune=2)
    first = execute(run, workspace, device="cpu")
    next(event for event in first if tries(event))
    first.close()
    assert list(conclude(run, workspace, device="cpu")) == []
    events = list(execute(run, workspace, device="cpu"))
    assert any(tries(event, "learning rate 1 of 2") for event in events)


def breaks_above(rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights become NaN at rates above `rate`, and so does the loss."""

    def breaking(training: Training, train: Source, val: Source | None) -> Iterator[object]:
        if training.plan.phases[0].lr > rate:
            next(iter(training.moving().values())).fill_(math.nan)
        yield from fit(training, train, val)

    monkeypatch.setattr(tuning, "fit", breaking)


def test_when_every_rate_breaks_the_loss_nothing_was_chosen_and_a_lower_one_is_named(
    workspace: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks_above(0.0, monkeypatch)
    run = queued(workspace, dataset, strategy="linear_probe", tune=3, lr=0.003)
    with pytest.raises(TrainingError, match=r"every learning rate tried \(0.001, 0.003, 0.009\).*rate of 0.0001\.$"):
        list(execute(run, workspace, device="cpu"))
    assert not (workspace.run(run.id) / "tuning.json").exists()


def test_what_no_rate_can_mend_ends_the_run(
    workspace: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(training: Training, train: Source, val: Source | None) -> Iterator[object]:
        raise TrainingError(
            "A single image does not fit into memory (out of memory). Choose a smaller image size or backbone."
        )
        yield

    monkeypatch.setattr(tuning, "fit", full)
    run = queued(workspace, dataset, strategy="linear_probe", tune=3)
    with pytest.raises(TrainingError, match="A single image does not fit"):
        list(execute(run, workspace, device="cpu"))


def test_a_time_budget_is_one_for_tries_and_training(
    workspace: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock on which every step takes a second: 40 seconds are 10 for each of three tries and for training, of 3
    steps an epoch."""
    ticks = itertools.count()
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
    run = queued(workspace, dataset, strategy="linear_probe", tune=3, epochs=30, max_minutes=40 / 60)
    events = list(execute(run, workspace, device="cpu"))
    record = json.loads((workspace.run(run.id) / "tuning.json").read_text())
    assert [made["seconds"] for made in record["tries"]] == pytest.approx([10, 10, 10])
    assert all(made["cut_short"] for made in record["tries"]) and "share of the time budget" in notes(events)
    assert events[-1].summary.seconds == pytest.approx(10)


def test_going_on_before_the_first_step_does_not_give_the_time_of_the_tries_back(
    workspace: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
    run = queued(workspace, dataset, strategy="linear_probe", tune=3, epochs=30, max_minutes=40 / 60)
    first = execute(run, workspace, device="cpu")
    next(event for event in first if isinstance(event, Started))
    first.close()
    assert list(execute(run, workspace, device="cpu"))[-1].summary.seconds == pytest.approx(10)


def test_a_rate_that_breaks_the_loss_is_an_answer_and_not_an_end(
    workspace: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks_above(0.005, monkeypatch)
    run = queued(workspace, dataset, strategy="linear_probe", tune=3, lr=0.003)
    events = list(execute(run, workspace, device="cpu"))
    record = json.loads((workspace.run(run.id) / "tuning.json").read_text())
    errors = [made.get("error") for made in record["tries"]]
    assert errors[:2] == [None, None] and "The loss became nan" in str(errors[2]) and record["factor"] <= 1
    assert "the loss broke" in notes(events) and isinstance(events[-1], Finished)


def test_factors_are_three_apart_around_the_strategys_own() -> None:
    assert factors(3) == pytest.approx((1 / 3, 1, 3))
    assert factors(5)[2] == 1 and factors(5)[4] == pytest.approx(9)


def test_a_choice_at_the_edge_says_so() -> None:
    tries = [
        Try(factor=factor, lr=factor, val_accuracy=accuracy) for factor, accuracy in ((0.003, 0.5), (3, 0.7), (9, 0.6))
    ]
    assert "one further out" not in tuning_summary(tries, tries[1])
    assert "one further out" in tuning_summary(tries, tries[2])
    assert "0.003 (50.0 %)" in tuning_summary(tries, tries[1])
