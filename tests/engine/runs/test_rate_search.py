"""Learning rates tried before training: validation chooses, and what follows is the run one would have made with that
rate."""

import itertools
import math
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from engine.errors import TrainingError
from engine.events import Epoch, Event, Finished, Note, Progress, Started
from engine.runs import rate_search
from engine.runs.rate_search import factors, tuning_summary
from engine.runs.run_files import Try, read_tuning
from engine.store.run_record import Run
from engine.training import loop
from engine.training.batches import Source
from engine.training.loop import fit
from engine.training.state import Training
from tests.engine.small_runs import Lab


def stages(events: list[Event]) -> set[str]:
    """The rates that were tried."""
    return {event.stage for event in events if isinstance(event, Progress) and "learning rate" in event.stage}


def notes(events: list[Event]) -> str:
    return " ".join(event.text for event in events if isinstance(event, Note))


@pytest.mark.parametrize("strategy", ["linear_probe_steps", "last_block", "probe_then_finetune"])
def test_the_chosen_rate_trains_as_if_it_had_been_given(lab: Lab, strategy: str) -> None:
    tuned = lab.begun(strategy=strategy, tune=3, lr=0.003)
    events = lab.execute(tuned)
    record = read_tuning(lab.folder_of(tuned))
    assert [attempt.lr for attempt in record.tries] == pytest.approx([0.001, 0.003, 0.009])
    best = max(record.tries, key=lambda attempt: (attempt.val_accuracy, -attempt.val_loss))
    assert record.factor == best.factor and "Validation chose the learning rate" in notes(events)
    assert stages(events) == {f"learning rate {number} of 3" for number in (1, 2, 3)}
    given = lab.begun(strategy=strategy, lr=0.003 * record.factor)
    lab.execute(given)
    assert lab.same_weights(tuned, given)
    assert (lab.folder_of(tuned) / "audit.csv").read_text() == (lab.folder_of(given) / "audit.csv").read_text()


def test_a_run_that_goes_on_keeps_its_rate_and_tries_nothing_again(lab: Lab) -> None:
    whole, broken = (lab.begun(strategy="last_block", tune=2, epochs=3) for _ in range(2))
    lab.execute(whole)
    lab.execute_until(broken, Epoch)
    assert stages(lab.execute(broken)) == set()
    assert lab.same_weights(whole, broken)


def test_stopped_while_trying_there_is_nothing_to_conclude_and_starting_again_tries_again(lab: Lab) -> None:
    run = lab.begun(strategy="linear_probe_steps", tune=2)
    lab.execute_until(run, Progress, stage="learning rate 1 of 2")
    assert lab.conclude(run) == []
    assert "learning rate 1 of 2" in stages(lab.execute(run))


def breaks_above(rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights become NaN with the first step at rates above `rate`, and so does the loss."""

    def breaking(training: Training, train: Source, val: Source | None) -> Iterator[object]:
        events = fit(training, train, val)
        yield next(events)
        if training.plan.phases[0].lr > rate:
            next(iter(training.moving().values())).fill_(math.nan)
        yield from events

    monkeypatch.setattr(rate_search, "fit", breaking)


def test_when_every_rate_breaks_the_loss_nothing_was_chosen_and_a_lower_one_is_named(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks_above(0.0, monkeypatch)
    run = lab.begun(strategy="linear_probe_steps", tune=3, lr=0.003)
    with pytest.raises(TrainingError, match=r"every learning rate tried \(0.001, 0.003, 0.009\).*rate of 0.0001\.$"):
        lab.execute(run)
    assert read_tuning(lab.folder_of(run)) is None


def test_what_no_rate_can_mend_ends_the_run(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(training: Training, train: Source, val: Source | None) -> Iterator[object]:
        raise TrainingError("A single image does not fit into memory.")
        yield

    monkeypatch.setattr(rate_search, "fit", full)
    run = lab.begun(strategy="linear_probe_steps", tune=3)
    with pytest.raises(TrainingError, match="A single image does not fit"):
        lab.execute(run)


@pytest.fixture
def timed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Run:
    """On a clock on which every step takes a second, 40 seconds: 10 for each of three tries and for training, of 3
    steps an epoch."""
    ticks = itertools.count()
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
    return lab.begun(strategy="linear_probe_steps", tune=3, epochs=30, max_minutes=40 / 60)


def test_a_time_budget_is_one_for_tries_and_training(lab: Lab, timed: Run) -> None:
    events = lab.execute(timed)
    tries = read_tuning(lab.folder_of(timed)).tries
    assert [attempt.seconds for attempt in tries] == pytest.approx([10, 10, 10])
    assert all(attempt.cut_short for attempt in tries) and "share of the time budget" in notes(events)
    assert events[-1].summary.seconds == pytest.approx(10)


def test_going_on_before_the_first_step_does_not_give_the_time_of_the_tries_back(lab: Lab, timed: Run) -> None:
    lab.execute_until(timed, Started)
    assert lab.execute(timed)[-1].summary.seconds == pytest.approx(10)


def test_a_rate_that_breaks_the_loss_is_an_answer_and_not_an_end(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    breaks_above(0.005, monkeypatch)
    run = lab.begun(strategy="linear_probe_steps", tune=3, lr=0.003)
    events = lab.execute(run)
    record = read_tuning(lab.folder_of(run))
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
