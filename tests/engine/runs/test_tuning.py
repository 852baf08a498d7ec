"""Learning rates tried before training: validation chooses, and what follows is the run one would have made with that rate."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from engine.config import RunConfig
from engine.data.dataset import Dataset
from engine.errors import TrainingError
from engine.runs import tuning
from engine.runs.database import Json
from engine.runs.pipeline import conclude, execute
from engine.runs.run import Run
from engine.runs.store import RunStore
from engine.runs.tuning import factors, sentence
from engine.training.batches import Source
from engine.training.loop import fit
from engine.training.state import Training
from engine.workspace import Workspace
from tests.pictures import make_dataset


@pytest.fixture
def dataset(workspace: Workspace, tmp_path: Path) -> Dataset:
    return make_dataset(workspace, tmp_path / "source")


def queued(workspace: Workspace, dataset: Dataset, **options: object) -> Run:
    fields = {"backbone": "resnet18", "weights": "none", "epochs": 2, "image_size": 32, "batch_size": 8, "precision": "fp32"}
    return RunStore(workspace).enqueue(RunConfig(dataset=dataset.id, **{**fields, **options}), owner="tests")  # type: ignore[arg-type]


def weights(workspace: Workspace, run: Run) -> dict[str, torch.Tensor]:
    return load_file(workspace.run(run.id) / "best.safetensors")


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def notes(events: list[Json]) -> str:
    return " ".join(event["text"] for event in events if event["event"] == "note")


@pytest.mark.parametrize("strategy", ["linear_probe", "last_block", "probe_then_finetune"])
def test_the_chosen_rate_trains_as_if_it_had_been_given(workspace: Workspace, dataset: Dataset, strategy: str) -> None:
    tuned = queued(workspace, dataset, strategy=strategy, tune=3, lr=0.003)
    events = list(execute(tuned, workspace, device="cpu"))
    record = json.loads((workspace.run(tuned.id) / "tuning.json").read_text())
    tries = record["tries"]
    assert [made["lr"] for made in tries] == pytest.approx([0.001, 0.003, 0.009])
    best = max(tries, key=lambda made: (made["val_accuracy"], -made["val_loss"]))
    assert record["factor"] == best["factor"] and "Validation chose the learning rate" in notes(events)
    stages = {event["stage"] for event in events if event["event"] == "progress" and "learning rate" in str(event.get("stage"))}
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
    next(event for event in first if event["event"] == "epoch")
    first.close()
    rest = list(execute(broken, workspace, device="cpu"))
    assert not any("learning rate" in str(event.get("stage")) for event in rest)
    assert equal(weights(workspace, whole), weights(workspace, broken))


def test_stopped_while_trying_there_is_nothing_to_conclude_and_starting_again_tries_again(workspace: Workspace, dataset: Dataset) -> None:
    run = queued(workspace, dataset, strategy="linear_probe", tune=2)
    first = execute(run, workspace, device="cpu")
    next(event for event in first if "learning rate" in str(event.get("stage")))
    first.close()
    assert list(conclude(run, workspace, device="cpu")) == []
    events = list(execute(run, workspace, device="cpu"))
    assert any("learning rate 1 of 2" in str(event.get("stage")) for event in events)


def test_a_rate_that_breaks_the_loss_is_an_answer_and_not_an_end(
    workspace: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking(training: Training, train: Source, val: Source) -> Iterator[object]:
        if training.plan.phases[0].lr > 0.005:
            raise TrainingError("The loss became nan.")
        yield from fit(training, train, val)

    monkeypatch.setattr(tuning, "fit", breaking)
    run = queued(workspace, dataset, strategy="linear_probe", tune=3, lr=0.003)
    events = list(execute(run, workspace, device="cpu"))
    record = json.loads((workspace.run(run.id) / "tuning.json").read_text())
    assert [made.get("error") for made in record["tries"]] == [None, None, "The loss became nan."] and record["factor"] <= 1
    assert "the loss broke" in notes(events) and events[-1]["event"] == "finished"


def test_factors_are_three_apart_around_the_strategys_own() -> None:
    assert factors(3) == pytest.approx((1 / 3, 1, 3))
    assert factors(5)[2] == 1 and factors(5)[4] == pytest.approx(9)


def test_a_choice_at_the_edge_says_so() -> None:
    tries = [{"factor": factor, "lr": factor, "val_accuracy": accuracy} for factor, accuracy in ((1.0, 0.5), (3.0, 0.7), (9.0, 0.6))]
    assert "one further out" not in sentence(tries, tries[1])
    assert "one further out" in sentence(tries, {**tries[2]})
    assert "0.003 (50.0 %)" in sentence([{**tries[0], "lr": 0.003}], tries[1])
