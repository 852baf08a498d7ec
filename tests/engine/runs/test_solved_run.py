"""A run whose head is solved: one epoch with its penalties, the same bits however often it is begun, steps where it
must."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.data.decoder import decode
from engine.data.preprocessing import eval_crop
from engine.errors import ConfigError
from engine.evaluation import predictions
from engine.events import Epoch, Finished, Note, Progress, Started, StartedPhase
from engine.jobs import trained
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


def test_fine_tuning_starts_from_the_head_that_a_probe_ends_with(lab: Lab) -> None:
    still = {"batch_norm": "running"}  # statistics of a few pictures would be another body to the head
    probe, tuned = (
        lab.begun(strategy="linear_probe", **still),
        lab.begun(strategy="probe_then_finetune", epochs=3, ema=0.5, **still),
    )
    alone = only(lab.execute(probe), Epoch)
    first, *others = [event for event in lab.execute(tuned) if isinstance(event, Epoch)]
    same = ("train_loss", "val_loss", "val_accuracy", "penalties", "lr")
    assert [getattr(first, name) for name in same] == [getattr(alone, name) for name in same]
    assert [(epoch.phase, epoch.penalties) for epoch in others] == [(1, ()), (1, ())]
    assert max(rate for epoch in others for rate in epoch.lr.values()) <= 1e-4
    assert (lab.folder_of(tuned) / "penalties.csv").is_file()


@pytest.mark.parametrize(("strategy", "first"), [("linear_probe", 2), ("probe_then_finetune", 1)])
def test_a_run_that_began_in_steps_goes_on_in_steps(lab: Lab, strategy: str, first: int) -> None:
    phases = (StartedPhase(epochs=first, lr=1e-3), StartedPhase(epochs=1, lr=1e-4))
    begun = Started(device="cpu", phases=phases[: 3 - first])
    run = replace(lab.begun(strategy=strategy), started=begun)
    events = lab.execute(run)
    assert [event.epoch for event in events if isinstance(event, Epoch)] == [1, 2]
    assert not any(phase.how == "solved" for phase in only(events, Started).phases)
    assert any("earlier version" in event.text for event in events if isinstance(event, Note))
    if strategy == "linear_probe":
        steps = lab.begun(strategy="linear_probe_steps")
        lab.execute(steps)
        assert lab.same_weights(run, steps)


def test_a_probe_of_all_stages_keeps_one_row_an_image_and_answers_again_as_it_did(lab: Lab) -> None:
    plain, run = lab.begun(strategy="linear_probe"), lab.begun(strategy="multi_layer_probe")
    lab.execute(plain)
    events = lab.execute(run)
    started, summary = only(events, Started), only(events, Finished).summary
    assert started.solved and {file.block for file in started.cache.files} == {"fc"}
    assert {file.bytes for file in started.cache.files if file.split == "test"} <= {4 * 1024 * started.test_images}
    assert (summary.moved_tensors, summary.frozen_unchanged, summary.idle_tensors) == (2, True, 0)
    loaded = trained.load(lab.workspace, run, device="cpu")
    images = [eval_crop(decode(lab.dataset.image_path(image)), loaded.preprocessing) for image in lab.dataset.images]
    shown = predictions.read(lab.folder_of(run) / "predictions.csv").filter(like="prob_").dropna()
    assert np.abs(loaded.probabilities(loaded.images(np.stack(images))) - shown.to_numpy()).max() < 1e-5


def test_a_run_that_starts_from_a_probe_of_all_stages_gets_a_head_of_its_own(lab: Lab) -> None:
    first = lab.begun(strategy="multi_layer_probe")
    lab.execute(first)
    for strategy in ("linear_probe", "multi_layer_probe"):
        events = lab.execute(lab.begun(strategy=strategy, weights=f"run:{first.id}"))
        assert any("read every stage" in event.text for event in events if isinstance(event, Note))
    with pytest.raises(ConfigError, match="multi_layer_probe is not possible here, because mixed"):
        lab.execute(lab.begun(strategy="multi_layer_probe", mix="mixup"))
