"""Learning rates tried before training: validation chooses, and what follows is the run one would have made with that
rate."""

import itertools
import math
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from engine.data.dataset_records import Dataset
from engine.errors import TrainingError
from engine.events import Epoch, Event, Finished, Note, Progress, Started
from engine.runs import tuning
from engine.runs.pipeline import conclude, execute
from engine.runs.recorder import Try, read_tuning
from engine.runs.tuning import factors, tuning_summary
from engine.store.run import Run
from engine.training import loop
from engine.training.batches import Source
from engine.training.loop import fit
from engine.training.state import Training
from engine.workspace import Workspace
from tests.engine.small_runs import begun, close_after, events_of, same_weights


def stages(events: list[Event]) -> set[str]:
    """The rates that were tried."""
    return {event.stage for event in events if isinstance(event, Progress) and "learning rate" in event.stage}


def notes(events: list[Event]) -> str:
    return " ".join(event.text for event in events if isinstance(event, Note))


@pytest.mark.parametrize("strategy", ["linear_probe", "last_block", "probe_then_finetune"])
def test_the_chosen_rate_trains_as_if_it_had_been_given(workspace: Workspace, dataset: Dataset, strategy: str) -> None:
    tuned = begun(workspace, dataset, strategy=strategy, tune=3, lr=0.003)
    events = events_of(tuned, workspace)
    record = read_tuning(workspace.run(tuned.id))
    assert [attempt.lr for attempt in record.tries] == pytest.approx([0.001, 0.003, 0.009])
    best = max(record.tries, key=lambda attempt: (attempt.val_accuracy, -attempt.val_loss))
    assert record.factor == best.factor and "Validation chose the learning rate" in notes(events)
    assert stages(events) == {f"learning rate {number} of 3" for number in (1, 2, 3)}
    given = begun(workspace, dataset, strategy=strategy, lr=0.003 * record.factor)
    events_of(given, workspace)
    assert same_weights(workspace, tuned, given)
    assert (workspace.run(tuned.id) / "audit.csv").read_text() == (workspace.run(given.id) / "audit.csv").read_text()


def test_a_run_that_goes_on_keeps_its_rate_and_tries_nothing_again(workspace: Workspace, dataset: Dataset) -> None:
    whole, broken = (begun(workspace, dataset, strategy="last_block", tune=2, epochs=3) for _ in range(2))
    events_of(whole, workspace)
    close_after(execute(broken, workspace, device="cpu"), Epoch)
    assert stages(events_of(broken, workspace)) == set()
    assert same_weights(workspace, whole, broken)


def test_stopped_while_trying_there_is_nothing_to_conclude_and_starting_again_tries_again(
    workspace: Workspace, dataset: Dataset
) -> None:
    run = begun(workspace, dataset, strategy="linear_probe", tune=2)
    close_after(execute(run, workspace, device="cpu"), Progress, stage="learning rate 1 of 2")
    assert list(conclude(run, workspace, device="cpu")) == []
    assert "learning rate 1 of 2" in stages(events_of(run, workspace))


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
    run = begun(workspace, dataset, strategy="linear_probe", tune=3, lr=0.003)
    with pytest.raises(TrainingError, match=r"every learning rate tried \(0.001, 0.003, 0.009\).*rate of 0.0001\.$"):
        events_of(run, workspace)
    assert read_tuning(workspace.run(run.id)) is None


def test_what_no_rate_can_mend_ends_the_run(
    workspace: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(training: Training, train: Source, val: Source | None) -> Iterator[object]:
        raise TrainingError("A single image does not fit into memory.")
        yield

    monkeypatch.setattr(tuning, "fit", full)
    run = begun(workspace, dataset, strategy="linear_probe", tune=3)
    with pytest.raises(TrainingError, match="A single image does not fit"):
        events_of(run, workspace)


@pytest.fixture
def timed(workspace: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Run:
    """On a clock on which every step takes a second, 40 seconds: 10 for each of three tries and for training, of 3
    steps an epoch."""
    ticks = itertools.count()
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
    return begun(workspace, dataset, strategy="linear_probe", tune=3, epochs=30, max_minutes=40 / 60)


def test_a_time_budget_is_one_for_tries_and_training(workspace: Workspace, timed: Run) -> None:
    events = events_of(timed, workspace)
    tries = read_tuning(workspace.run(timed.id)).tries
    assert [attempt.seconds for attempt in tries] == pytest.approx([10, 10, 10])
    assert all(attempt.cut_short for attempt in tries) and "share of the time budget" in notes(events)
    assert events[-1].summary.seconds == pytest.approx(10)


def test_going_on_before_the_first_step_does_not_give_the_time_of_the_tries_back(
    workspace: Workspace, timed: Run
) -> None:
    close_after(execute(timed, workspace, device="cpu"), Started)
    assert events_of(timed, workspace)[-1].summary.seconds == pytest.approx(10)


def test_a_rate_that_breaks_the_loss_is_an_answer_and_not_an_end(
    workspace: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks_above(0.005, monkeypatch)
    run = begun(workspace, dataset, strategy="linear_probe", tune=3, lr=0.003)
    events = events_of(run, workspace)
    record = read_tuning(workspace.run(run.id))
    *whole, broken = (attempt.error for attempt in record.tries)
    assert whole == [None, None] and "The loss became nan" in broken and record.factor <= 1
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
