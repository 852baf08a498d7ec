"""A run whose head is solved: one epoch with its penalties, the same bits however often it is begun, steps where it
must."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from engine.events import Epoch, Finished, Note, Progress, Started, StartedPhase
from engine.workspace import Workspace
from tests.engine.small_runs import Lab, only
from tests.pictures import make_dataset

SOLVING = "solving the head"


@pytest.fixture
def lab(workspace: Workspace, tmp_path: Path) -> Lab:
    return Lab(workspace=workspace, dataset=make_dataset(workspace, tmp_path / "pictures"))


def test_it_is_one_epoch_that_says_what_was_tried(lab: Lab) -> None:
    run = lab.begun(strategy="linear_probe", epochs=7, tune=3)
    events = lab.execute(run)
    epoch, started = only(events, Epoch), only(events, Started)
    assert (epoch.epoch, epoch.epochs, started.solved, started.epochs, epoch.lr) == (1, 1, True, 1, {})
    tried = [event.done for event in events if isinstance(event, Progress) and event.stage == SOLVING]
    assert len(tried) == len(epoch.penalties) > 3 and [penalty.chosen for penalty in epoch.penalties].count(True) == 1
    assert sum("C = " in event.text for event in events if isinstance(event, Note)) == 1
    summary = only(events, Finished).summary
    assert (summary.best_epoch, summary.moved_tensors, summary.frozen_unchanged) == (1, 2, True)
    folder = lab.folder_of(run)
    rows = list(csv.DictReader((folder / "penalties.csv").read_text().splitlines()))
    assert [float(row["c"]) for row in rows] == [penalty.c for penalty in epoch.penalties]
    assert len((folder / "history.csv").read_text().splitlines()) == 2 and (folder / "result.csv").is_file()


def test_what_was_stopped_between_two_penalties_ends_in_the_same_bits(lab: Lab) -> None:
    whole, cut = (lab.begun(strategy="linear_probe", views=2) for _ in range(2))
    lab.execute(whole)
    lab.execute_until(cut, Progress, stage=SOLVING, done=2)
    lab.execute(cut)
    assert lab.same_weights(whole, cut)


def test_it_learns_more_than_steps_do(lab: Lab) -> None:
    losses = []
    for strategy in ("linear_probe", "linear_probe_steps"):
        run = lab.begun(strategy=strategy, epochs=5)
        losses.append([event.train_loss for event in lab.execute(run) if isinstance(event, Epoch)][-1])
    assert losses[0] is not None and losses[1] is not None and losses[0] < losses[1]


def test_mixed_pictures_are_stepped_through_and_it_says_so(lab: Lab) -> None:
    events = lab.execute(lab.begun(strategy="linear_probe", mix="mixup"))
    assert [event.epoch for event in events if isinstance(event, Epoch)] == [1, 2] and not only(events, Started).solved
    assert any("in steps" in event.text and "mixed" in event.text for event in events if isinstance(event, Note))


def test_a_run_that_began_in_steps_goes_on_in_steps(lab: Lab) -> None:
    begun = Started(device="cpu", phases=(StartedPhase(epochs=2, lr=1e-3),))
    run = replace(lab.begun(strategy="linear_probe"), started=begun)
    steps = lab.begun(strategy="linear_probe_steps")
    events = lab.execute(run)
    assert [event.epoch for event in events if isinstance(event, Epoch)] == [1, 2]
    lab.execute(steps)
    assert lab.same_weights(run, steps)
