"""A run from RunConfig to result.csv, in this process, and what it leaves."""

import csv
import dataclasses
import json
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from engine.data.dataset import commit, delete_dataset
from engine.data.dataset_files import read_description, write_dataset
from engine.data.importer import scan
from engine.errors import ConfigError, EngineError, RunError, TrainingError
from engine.evaluation.metric_records import read_metrics
from engine.evaluation.result_csv import read_result
from engine.events import Epoch, Finished, Started
from engine.jobs.inference import predict_new
from engine.models.registry import build
from engine.runs.pipeline import execute
from engine.store.run_record import Run
from engine.store.run_store import RunStore
from engine.training import budget, loop, rates, step
from engine.training.state import Training
from engine.training.step import Batch
from tests.engine.small_runs import Lab, only, value_of
from tests.pictures import CLASSES, write_folders

LEFT = {"audit.csv", "best.safetensors", "classes.json", "config.json", "history.csv", "metrics.json"}
LEFT |= {"predictions.csv", "result.csv", "tensorboard"}


def test_a_run_leaves_a_plain_folder_that_tools_can_read(lab: Lab) -> None:
    run = lab.begun(strategy="full_finetune", epochs=6, lr=1e-3, lr_decay=1.0)
    events = lab.execute(run)
    folder = lab.folder_of(run)
    assert {path.name for path in folder.iterdir()} == LEFT
    started, summary = only(events, Started), only(events, Finished).summary
    assert started.trainable_parameters == started.total_parameters
    assert all(block.trains == (True,) for block in started.blocks)
    assert summary.frozen_unchanged is True and summary.test_accuracy > 0.5  # colours are easy

    history = history_of(lab, run)
    assert [row["epoch"] for row in history] == [str(number) for number in range(1, 7)]
    board = EventAccumulator(str(folder / "tensorboard")).Reload()
    assert {"loss/train", "loss/val", "accuracy/train", "accuracy/val"} <= set(board.Tags()["scalars"])
    assert [point.step for point in board.Scalars("loss/val")] == list(range(1, 7))
    assert any(tag.startswith("learning rate/") for tag in board.Tags()["scalars"])

    origin = json.loads((folder / "config.json").read_text())
    assert origin["dataset"]["fingerprint"] == lab.dataset.fingerprint and origin["versions"]["torch"]
    # the weights are torchvision's own names, for a model with as many classes
    assert set(load_file(folder / "best.safetensors")) == set(build("resnet18", 32, 0).state_dict())
    assert json.loads((folder / "classes.json").read_text()) == sorted(CLASSES)


def test_result_csv_has_a_row_for_every_image_and_every_unreadable_one(lab: Lab) -> None:
    run = lab.begun()
    lab.execute(run)
    result = read_result(lab.folder_of(run) / "result.csv")
    assert list(result.columns) == [
        *("file_dir", "predict", "confidence", "label", "correct", "split"),
        *(f"prob_{name}" for name in sorted(CLASSES)),
        *("run", "error"),
    ]
    readable = result[result["error"] == ""]
    assert sorted(readable["file_dir"]) == sorted(image.name for image in lab.dataset.images)
    assert len(result) == len(readable) + 1 and result.iloc[-1]["file_dir"].endswith("broken.jpg")
    assert set(readable["predict"]) <= set(CLASSES) and set(result["run"]) == {run.id}


def test_a_frozen_backbone_is_proved_frozen(lab: Lab) -> None:
    run = lab.begun(strategy="linear_probe_steps")
    lab.execute(run)
    rows = list(csv.DictReader((lab.folder_of(run) / "audit.csv").read_text().splitlines()))
    assert [row["tensor"] for row in rows if row["moved"] == "True"] == ["fc.weight", "fc.bias"]
    assert [row["verdict"] for row in rows].count("frozen") == 120


def test_the_audit_is_of_the_best_epoch_and_of_what_could_train_by_then(lab: Lab) -> None:
    """The first epoch is the best one here: nothing that the second phase releases may have moved, and nothing stands
    idle."""
    run = lab.begun(phases="head | 1 | 1e-3; layer4, head | 1 | 10", optimizer="sgd", select="loss")
    summary = only(lab.execute(run), Finished).summary
    assert summary.best_epoch == 1 and summary.moved_tensors == 2
    assert summary.frozen_unchanged and not summary.idle_tensors


def test_prototypes_are_a_head_like_any_other(lab: Lab) -> None:
    """Audit, predictions and weights need to know nothing of how it was made."""
    run = lab.begun(strategy="prototypes", image_size=64)
    summary = only(lab.execute(run), Finished).summary
    assert (summary.epochs, summary.moved_tensors, summary.frozen_unchanged) == (1, 2, True)
    assert {path.name for path in lab.folder_of(run).iterdir()} == LEFT
    weight = load_file(lab.folder_of(run) / "best.safetensors")["fc.weight"]
    assert torch.allclose(weight.norm(dim=1), weight.norm(dim=1)[0].expand(len(weight)))
    with pytest.raises(ConfigError, match="prototypes is not possible here, because mixed pictures"):
        lab.execute(lab.begun(strategy="prototypes", mix="mixup"))


def test_closing_and_executing_again_resumes_and_ends_in_the_same_bits(lab: Lab) -> None:
    whole, cut = (lab.begun(strategy="last_block", epochs=3) for _ in range(2))
    lab.execute(whole)
    lab.execute_until(cut, Epoch)
    assert not (lab.folder_of(cut) / "result.csv").exists()
    again = lab.execute(cut)
    assert [event.epoch for event in again if isinstance(event, Epoch)] == [2, 3]
    assert lab.same_weights(whole, cut)
    assert [row["epoch"] for row in history_of(lab, cut)] == ["1", "2", "3"]


def test_a_resumed_run_takes_the_threads_it_began_with(lab: Lab) -> None:
    run, usual = lab.begun(epochs=2), torch.get_num_threads()
    try:
        torch.set_num_threads(usual + 1)
        lab.execute_until(run, Epoch)
        torch.set_num_threads(usual)
        lab.execute(run)
        assert torch.get_num_threads() == usual + 1
    finally:
        torch.set_num_threads(usual)


def test_a_run_keeps_the_epochs_and_rates_it_began_with(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a later version makes of those that are automatic."""
    for bound in ("LEAST_EPOCHS", "MOST_EPOCHS"):
        monkeypatch.setattr(budget, bound, 3)
    whole, cut = (lab.begun(strategy="last_block", epochs=0) for _ in range(2))
    assert only(lab.execute(whole), Started).epochs == 3
    store = RunStore(lab.workspace)
    events = execute(cut, lab.workspace, device="cpu")
    for event in events:
        store.record(cut.id, event)
        if isinstance(event, Epoch):
            break
    events.close()  # type: ignore[attr-defined]
    monkeypatch.setattr(budget, "MOST_EPOCHS", 9)
    monkeypatch.setattr(budget, "LEAST_EPOCHS", 9)
    monkeypatch.setitem(rates.RATES, "adamw", rates.Rates(head=0.1, body=0.1, decay=0.1, polish=0.1))
    again = lab.execute(store.get(cut.id))
    assert [event.epoch for event in again if isinstance(event, Epoch)] == [2, 3]
    assert lab.same_weights(whole, cut)


def test_a_stopped_run_keeps_its_best_epoch_and_answers(lab: Lab) -> None:
    run = lab.begun(epochs=50)
    assert lab.conclude(run) == []  # nothing before the first epoch
    lab.execute_until(run, Epoch)
    assert only(lab.conclude(run), Finished).summary.epochs == 1
    assert (lab.folder_of(run) / "result.csv").is_file()
    assert (lab.folder_of(run) / "checkpoint.pt").is_file(), "a stopped run can be resumed"


def test_what_was_best_before_the_loss_broke_is_kept(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """As weights that another run, or anybody, can start from; there was no time for a checkpoint."""

    def optimise(training: Training, batch: Batch) -> torch.Tensor:
        loss = step.optimise(training, batch)
        return loss * float("nan") if training.position.epoch == 3 else loss

    monkeypatch.setattr(loop, "optimise", optimise)
    run = lab.begun(epochs=5, schedule="constant", warmup=0)
    with pytest.raises(TrainingError, match="best epoch before this one is kept"):
        lab.execute(run)
    monkeypatch.undo()
    whole = lab.begun(epochs=3, schedule="constant", warmup=0)
    lab.execute(whole)
    assert lab.same_weights(run, whole)


def test_an_earlier_run_is_a_start_with_its_classes_and_its_preprocessing(lab: Lab) -> None:
    first = lab.begun(strategy="full_finetune", epochs=6, lr=1e-3, lr_decay=1.0, preprocessing="half")
    lab.execute(first)
    second = lab.begun(weights=f"run:{first.id}", lr=5e-5, epochs=1, image_size=0)
    started = only(lab.execute(second), Started)
    assert tuple(started.preprocessing["mean"]) == (0.5, 0.5, 0.5) and started.preprocessing["crop"] == 32
    scores = [read_metrics(lab.folder_of(run)).splits["test"].accuracy for run in (first, second)]
    assert scores[1] >= scores[0] - 0.34, "continuing from trained weights must not start from nothing"


def test_two_strategies_start_from_the_same_head(lab: Lab) -> None:
    losses = []
    for strategy in ("linear_probe_steps", "full_finetune"):
        run = lab.begun(strategy=strategy, lr=1e-9, epochs=1)
        losses.append(next(event.val_loss for event in lab.execute(run) if isinstance(event, Epoch)))
    # full fine-tuning moves batch statistics, so near is all that can be asked
    assert losses[0] == pytest.approx(losses[1], abs=0.5)


def test_a_run_that_began_with_other_blocks_is_refused_and_not_trained_otherwise(lab: Lab) -> None:
    """Earlier versions knew other stages; in the end every block of this strategy trains, so the checkpoint fits."""
    whole, run = (lab.begun(strategy="gradual_unfreeze", epochs=3) for _ in range(2))
    began = only(lab.execute(whole), Started)
    lab.execute_until(run, Epoch)
    others = tuple(msgspec.structs.replace(block, trains=(True, True, True)) for block in began.blocks)
    with pytest.raises(RunError, match="began with other blocks"):
        lab.execute(dataclasses.replace(run, started=msgspec.structs.replace(began, blocks=others)))
    again = lab.execute(dataclasses.replace(run, started=began))
    assert [event.epoch for event in again if isinstance(event, Epoch)] == [2, 3]


def test_resuming_on_another_dataset_is_refused(lab: Lab, tmp_path: Path) -> None:
    run = lab.begun()
    lab.execute_until(run, Started)
    other = commit(lab.workspace, scan(lab.workspace, write_folders(tmp_path / "other", each=6), name="other"))
    about = json.loads((lab.folder_of(run) / "config.json").read_text())
    about["dataset"]["fingerprint"] = other.fingerprint
    (lab.folder_of(run) / "config.json").write_text(json.dumps(about))
    with pytest.raises(EngineError, match="has changed since this run started"):
        lab.execute(run)
    delete_dataset(lab.workspace, lab.dataset.id)
    with pytest.raises(EngineError, match="There is no dataset"):
        lab.execute(run)


def test_new_images_get_rows_and_unreadable_ones_get_reasons(lab: Lab, tmp_path: Path) -> None:
    run = lab.begun(strategy="full_finetune", epochs=6, lr=1e-3, lr_decay=1.0)
    lab.execute(run)
    source = write_folders(tmp_path / "new", each=2)
    (source / "=cmd.jpg").write_bytes(b"no image at all")
    (source / "Thumbs.db").write_bytes(b"\0")
    folder = lab.folder_of(run) / "predictions" / value_of(predict_new(lab.workspace, run.id, source)).predictions
    result = read_result(folder / "result.csv")
    assert len(result) == 7 and result["file_dir"].tolist()[-1] == "=cmd.jpg"
    assert "'=cmd.jpg," in (folder / "result.csv").read_text(encoding="utf-8-sig").splitlines()[-1]
    assert result["error"].tolist()[:6] == [""] * 6 and result["error"].tolist()[6] != ""
    assert (result["label"] == result["predict"]).sum() >= 4  # the truth comes from folders named like classes
    assert len(list((folder / "thumbs").iterdir())) == 6
    assert not list(lab.workspace.incoming.iterdir()), "nothing half-done is left behind"
    few = lab.dataset.images[:3]
    write_dataset(lab.dataset.folder, read_description(lab.dataset.folder), lab.dataset.images, unlabelled=few)
    made = value_of(predict_new(lab.workspace, run.id, None))
    result = read_result(lab.folder_of(run) / "predictions" / made.predictions / "result.csv")
    assert made.answered == 3 and result["file_dir"].tolist() == [image.name for image in few]


def history_of(lab: Lab, run: Run) -> list[dict[str, str]]:
    return list(csv.DictReader((lab.folder_of(run) / "history.csv").read_text().splitlines()))
