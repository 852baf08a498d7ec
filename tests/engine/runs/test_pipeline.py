"""A run from RunConfig to result.csv, in this process, and what it leaves."""

import csv
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from engine.data.dataset import commit, delete_dataset
from engine.data.dataset_records import Dataset
from engine.data.importer import scan
from engine.errors import EngineError, TrainingError
from engine.evaluation.metric_records import read_metrics
from engine.evaluation.result_csv import read_result
from engine.events import Epoch, Finished, Started
from engine.jobs.inference import predict_new
from engine.models.registry import build
from engine.runs.pipeline import conclude, execute
from engine.store.run import Run
from engine.training import loop, step
from engine.training.state import Training
from engine.training.step import Batch
from engine.workspace import Workspace
from tests.engine.small_runs import begun, close_after, events_of, only, same_weights, value_of
from tests.pictures import CLASSES, write_folders

LEFT = {"audit.csv", "best.safetensors", "classes.json", "config.json", "history.csv", "metrics.json"}
LEFT |= {"predictions.csv", "result.csv", "tensorboard"}


def test_a_run_leaves_a_plain_folder_that_tools_can_read(workspace: Workspace, dataset: Dataset) -> None:
    run = begun(workspace, dataset, strategy="full_finetune", epochs=6, lr=1e-3)
    events = events_of(run, workspace)
    folder = workspace.run(run.id)
    assert {path.name for path in folder.iterdir()} == LEFT
    started, summary = only(events, Started), only(events, Finished).summary
    assert started.trainable_parameters == started.total_parameters
    assert all(block.trains == (True,) for block in started.blocks)
    assert summary.frozen_unchanged is True and summary.test_accuracy > 0.5  # colours are easy

    history = history_of(run, workspace)
    assert [row["epoch"] for row in history] == [str(number) for number in range(1, 7)]
    board = EventAccumulator(str(folder / "tensorboard")).Reload()
    assert {"loss/train", "loss/val", "accuracy/train", "accuracy/val"} <= set(board.Tags()["scalars"])
    assert [point.step for point in board.Scalars("loss/val")] == list(range(1, 7))
    assert any(tag.startswith("learning rate/") for tag in board.Tags()["scalars"])

    origin = json.loads((folder / "config.json").read_text())
    assert origin["dataset"]["fingerprint"] == dataset.fingerprint and origin["versions"]["torch"]
    # the weights are torchvision's own names, for a model with as many classes
    assert set(load_file(folder / "best.safetensors")) == set(build("resnet18", 32, 0).state_dict())
    assert json.loads((folder / "classes.json").read_text()) == sorted(CLASSES)


def test_result_csv_has_a_row_for_every_image_and_every_unreadable_one(workspace: Workspace, dataset: Dataset) -> None:
    run = begun(workspace, dataset)
    events_of(run, workspace)
    result = read_result(workspace.run(run.id) / "result.csv")
    assert list(result.columns) == [
        *("file_dir", "predict", "confidence", "label", "correct", "split"),
        *(f"prob_{name}" for name in sorted(CLASSES)),
        *("run", "error"),
    ]
    readable = result[result["error"] == ""]
    assert sorted(readable["file_dir"]) == sorted(image.name for image in dataset.images)
    assert len(result) == len(readable) + 1 and result.iloc[-1]["file_dir"].endswith("broken.jpg")
    assert set(readable["predict"]) <= set(CLASSES) and set(result["run"]) == {run.id}


def test_a_frozen_backbone_is_proved_frozen(workspace: Workspace, dataset: Dataset) -> None:
    run = begun(workspace, dataset, strategy="linear_probe")
    events_of(run, workspace)
    rows = list(csv.DictReader((workspace.run(run.id) / "audit.csv").read_text().splitlines()))
    assert [row["tensor"] for row in rows if row["moved"] == "True"] == ["fc.weight", "fc.bias"]
    assert [row["verdict"] for row in rows].count("frozen") == 120


def test_the_audit_is_of_the_best_epoch_and_of_what_could_train_by_then(workspace: Workspace, dataset: Dataset) -> None:
    """The first epoch is the best one here: nothing that the second phase releases may have moved, and nothing stands
    idle."""
    run = begun(workspace, dataset, phases="head | 1 | 1e-3; layer4, head | 1 | 10", optimizer="sgd", select="loss")
    summary = only(events_of(run, workspace), Finished).summary
    assert summary.best_epoch == 1 and summary.moved_tensors == 2
    assert summary.frozen_unchanged and not summary.idle_tensors


def test_closing_and_executing_again_resumes_and_ends_in_the_same_bits(workspace: Workspace, dataset: Dataset) -> None:
    whole, cut = (begun(workspace, dataset, strategy="last_block", epochs=3) for _ in range(2))
    events_of(whole, workspace)
    close_after(execute(cut, workspace, device="cpu"), Epoch)
    assert not (workspace.run(cut.id) / "result.csv").exists()
    again = events_of(cut, workspace)
    assert [event.epoch for event in again if isinstance(event, Epoch)] == [2, 3]
    assert same_weights(workspace, whole, cut)
    assert [row["epoch"] for row in history_of(cut, workspace)] == ["1", "2", "3"]


def test_a_stopped_run_keeps_its_best_epoch_and_answers(workspace: Workspace, dataset: Dataset) -> None:
    run = begun(workspace, dataset, epochs=50)
    assert list(conclude(run, workspace, device="cpu")) == []  # nothing before the first epoch
    close_after(execute(run, workspace, device="cpu"), Epoch)
    assert only(conclude(run, workspace, device="cpu"), Finished).summary.epochs == 1
    assert (workspace.run(run.id) / "result.csv").is_file()
    assert (workspace.run(run.id) / "checkpoint.pt").is_file(), "a stopped run can be resumed"


def test_what_was_best_before_the_loss_broke_is_kept(
    workspace: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As weights that another run, or anybody, can start from; there was no time for a checkpoint."""

    def optimise(training: Training, batch: Batch) -> torch.Tensor:
        loss = step.optimise(training, batch)
        return loss * float("nan") if training.position.epoch == 3 else loss

    monkeypatch.setattr(loop, "optimise", optimise)
    run = begun(workspace, dataset, epochs=5, schedule="constant", warmup=0)
    with pytest.raises(TrainingError, match="best epoch before this one is kept"):
        events_of(run, workspace)
    monkeypatch.undo()
    whole = begun(workspace, dataset, epochs=3, schedule="constant", warmup=0)
    events_of(whole, workspace)
    assert same_weights(workspace, run, whole)


def test_an_earlier_run_is_a_start_with_its_classes_and_its_preprocessing(
    workspace: Workspace, dataset: Dataset
) -> None:
    first = begun(workspace, dataset, strategy="full_finetune", epochs=6, lr=1e-3, preprocessing="half")
    events_of(first, workspace)
    second = begun(workspace, dataset, weights=f"run:{first.id}", lr=5e-5, epochs=1, image_size=0)
    started = only(events_of(second, workspace), Started)
    assert tuple(started.preprocessing["mean"]) == (0.5, 0.5, 0.5) and started.preprocessing["crop"] == 32
    scores = [read_metrics(workspace.run(run.id)).splits["test"].accuracy for run in (first, second)]
    assert scores[1] >= scores[0] - 0.34, "continuing from trained weights must not start from nothing"


def test_two_strategies_start_from_the_same_head(workspace: Workspace, dataset: Dataset) -> None:
    losses = []
    for strategy in ("linear_probe", "full_finetune"):
        run = begun(workspace, dataset, strategy=strategy, lr=1e-9, epochs=1)
        losses.append(next(event.val_loss for event in events_of(run, workspace) if isinstance(event, Epoch)))
    # full fine-tuning moves batch statistics, so near is all that can be asked
    assert losses[0] == pytest.approx(losses[1], abs=0.5)


def test_resuming_on_another_dataset_is_refused(workspace: Workspace, dataset: Dataset, tmp_path: Path) -> None:
    run = begun(workspace, dataset)
    close_after(execute(run, workspace, device="cpu"), Started)
    other = commit(workspace, scan(workspace, write_folders(tmp_path / "other", each=6), name="other"))
    about = json.loads((workspace.run(run.id) / "config.json").read_text())
    about["dataset"]["fingerprint"] = other.fingerprint
    (workspace.run(run.id) / "config.json").write_text(json.dumps(about))
    with pytest.raises(EngineError, match="has changed since this run started"):
        events_of(run, workspace)
    delete_dataset(workspace, dataset.id)
    with pytest.raises(EngineError, match="There is no dataset"):
        events_of(run, workspace)


def test_new_images_get_rows_and_unreadable_ones_get_reasons(
    workspace: Workspace, dataset: Dataset, tmp_path: Path
) -> None:
    run = begun(workspace, dataset, strategy="full_finetune", epochs=6, lr=1e-3)
    events_of(run, workspace)
    source = write_folders(tmp_path / "new", each=2)
    (source / "=cmd.jpg").write_bytes(b"no image at all")
    (source / "Thumbs.db").write_bytes(b"\0")
    folder = workspace.run(run.id) / "predictions" / value_of(predict_new(workspace, run.id, source))
    result = read_result(folder / "result.csv")
    assert len(result) == 7 and result["file_dir"].tolist()[-1] == "=cmd.jpg"
    assert "'=cmd.jpg," in (folder / "result.csv").read_text(encoding="utf-8-sig").splitlines()[-1]
    assert result["error"].tolist()[:6] == [""] * 6 and result["error"].tolist()[6] != ""
    assert (result["label"] == result["predict"]).sum() >= 4  # the truth comes from folders named like classes
    assert len(list((folder / "thumbs").iterdir())) == 6
    assert not list(workspace.incoming.iterdir()), "nothing half-done is left behind"


def history_of(run: Run, workspace: Workspace) -> list[dict[str, str]]:
    return list(csv.DictReader((workspace.run(run.id) / "history.csv").read_text().splitlines()))
