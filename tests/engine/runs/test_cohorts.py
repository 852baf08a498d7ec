"""Seeds of one linear probe that wait together: one loop trains them all, and each ends in the bits that it would end in alone."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from engine.data.dataset import Dataset
from engine.errors import TrainingError
from engine.models.registry import build
from engine.models.weights import bring
from engine.runs import cohorts
from engine.runs.database import Json
from engine.runs.pipeline import execute
from engine.runs.run import Run
from engine.runs.store import RunStore
from engine.training import cohort, cuts, loop
from engine.workspace import Workspace
from tests.engine.runs.test_sharing import queued
from tests.pictures import make_dataset

SEEDS = (3, 4, 5)
HOW: tuple[dict[str, object], ...] = (
    {},
    {"optimizer": "sgd", "views": 2, "label_smoothing": 0.1, "schedule": "constant"},
    {"class_weights": "balanced", "sampling": "balanced", "weight_decay": 0.1, "optimizer": "adamw"},
    {"precision": "bf16", "batch_size": 7},
    {"backbone": "mobilenet_v3_small"},
    {"backbone": "squeezenet1_1", "lr": 0.01},  # a convolution for a head, dropout before it
)
PLAIN = ("epoch", "phase", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "best")


@pytest.fixture
def dataset(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dataset]:
    """Images on which computing counts for everything and reading for nothing, so that a small model is worth keeping."""
    monkeypatch.setattr(cuts, "READ_BYTES_PER_SECOND", 1e30)
    monkeypatch.setattr(cuts, "_CHEAP_BYTES", 1 << 40)
    yield make_dataset(workspace, tmp_path / "source")


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Seed of every epoch that a run trained by itself."""
    seen: list[int] = []
    real = loop.train_epoch

    def watched(training: loop.Training, train: loop.Source) -> Iterator[object]:
        seen.append(training.config.seed)
        return real(training, train)

    monkeypatch.setattr(loop, "train_epoch", watched)
    return seen


def brought(workspace: Workspace, backbone: str) -> str:
    """Weights that are the same for every seed, so that only the head differs."""
    path = workspace.root / f"{backbone}.pt"
    torch.save(build(backbone, 32, 0).state_dict(), path)
    return f"file:{bring(workspace, path, path.name)}"


def waiting(workspace: Workspace, dataset: Dataset, seeds: tuple[int, ...] = SEEDS, **how: object) -> list[Run]:
    weights = brought(workspace, str(how.get("backbone", "resnet18")))
    return [
        queued(workspace, dataset, **{"weights": weights, "lr": 0.02, **how, "strategy": "linear_probe", "seed": seed}) for seed in seeds
    ]


def events_of(workspace: Workspace, run: Run) -> list[Json]:
    """What `run`, whose turn it is, tells."""
    store = RunStore(workspace)
    if store.get(run.id).status == "queued":
        claimed = store.claim("cpu", "tests")
        assert claimed is not None and claimed.id == run.id
    return list(execute(run, workspace, device="cpu"))


def left(workspace: Workspace, run: Run) -> tuple[object, ...]:
    """Everything `run` leaves but times and its own name."""
    folder = workspace.run(run.id)
    with open(folder / "history.csv", encoding="utf-8") as file:
        history = [[row[name] for name in PLAIN] for row in csv.DictReader(file)]
    weights = [(name, tensor.numpy().tobytes()) for name, tensor in sorted(load_file(folder / "best.safetensors").items())]
    return weights, history, *((folder / name).read_bytes() for name in ("audit.csv", "predictions.csv", "metrics.json"))


def alone(workspace: Workspace, dataset: Dataset, seed: int, **how: object) -> tuple[Run, list[Json]]:
    (run,) = waiting(workspace, dataset, (seed,), **how)
    return run, events_of(workspace, run)


def saved(events: list[Json]) -> list[tuple[object, ...]]:
    return sorted((row["split"], str(row["view"]), row["saved_seconds"]) for row in ended(events)["cache"]["files"])


def ended(events: list[Json]) -> Json:
    return next(event["summary"] for event in events if event["event"] == "finished")


@pytest.mark.parametrize("how", HOW, ids=lambda how: " ".join(map(str, how.values())) or "plain")
def test_together_every_seed_ends_in_the_bits_that_it_ends_in_alone(
    workspace: Workspace, dataset: Dataset, trained: list[int], how: dict[str, object]
) -> None:
    runs = waiting(workspace, dataset, **how)
    told = [events_of(workspace, run) for run in runs]
    assert trained == [], "no run took a step by itself"
    assert len({str(left(workspace, run)[1]) for run in runs}) == len(runs), "seeds differ"
    for run, events in zip(runs, told, strict=True):
        other, expected = alone(workspace, dataset, run.config.seed, **how)
        assert left(workspace, run) == left(workspace, other)
        norms = [[event["grad_norm"], event["lr"]] for event in events if event["event"] == "epoch"]
        assert norms == [[event["grad_norm"], event["lr"]] for event in expected if event["event"] == "epoch"]
        assert saved(events) == saved(expected), "what a run read counts as its own"
    assert len(trained) == len(runs) * 4


def test_one_that_stops_early_holds_nobody_up(workspace: Workspace, dataset: Dataset, trained: list[int]) -> None:
    how = {"epochs": 12, "patience": 1, "lr": 0.3, "optimizer": "sgd"}
    runs = waiting(workspace, dataset, (0, 1, 2, 3, 4, 5), **how)
    epochs = [ended(events_of(workspace, run))["epochs"] for run in runs]
    assert trained == [] and len(set(epochs)) > 1, "they stop at different times"
    assert all(left(workspace, run) == left(workspace, alone(workspace, dataset, run.config.seed, **how)[0]) for run in runs)


def test_a_run_that_is_closed_and_resumed_goes_on_by_itself(workspace: Workspace, dataset: Dataset, trained: list[int]) -> None:
    first, second, third = waiting(workspace, dataset)
    RunStore(workspace).claim("cpu", "tests")
    for event in (events := execute(first, workspace, device="cpu")):
        if event["event"] == "epoch" and event["epoch"] == 2:
            break
    events.close()  # type: ignore[attr-defined]
    events_of(workspace, second)
    assert trained == []
    list(execute(first, workspace, device="cpu"))
    assert trained == [first.config.seed] * 2
    events_of(workspace, third)
    for run in (first, second, third):
        assert left(workspace, run) == left(workspace, alone(workspace, dataset, run.config.seed)[0])


def test_when_memory_runs_out_the_run_goes_on_by_itself_and_the_others_try_again(
    workspace: Workspace, dataset: Dataset, trained: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, real, calls = waiting(workspace, dataset), cohort.forward_loss, []

    def short(*given: object) -> object:
        calls.append(1)
        if len(calls) == 30:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(cohort, "forward_loss", short)
    for run in runs:
        events_of(workspace, run)
    assert trained == [3] and len(calls) == 30 + 2 * 3 * 4, "its last epoch; then all steps of the two others"
    monkeypatch.undo()
    assert all(left(workspace, run) == left(workspace, alone(workspace, dataset, run.config.seed)[0]) for run in runs)


def test_a_loss_that_breaks_is_told_by_the_run_it_belongs_to(workspace: Workspace, dataset: Dataset) -> None:
    how = {"optimizer": "sgd", "lr": 9.0, "momentum": 0.99, "weight_decay": 0.9, "epochs": 400, "batch_size": 4}
    messages = []
    for run in [*waiting(workspace, dataset, (3, 4), **how), *waiting(workspace, dataset, (3, 4), **how)]:
        with pytest.raises(TrainingError, match="The loss became") as caught:
            events_of(workspace, run)
        messages.append(str(caught.value))
        RunStore(workspace).finish(run.id, "failed")
    assert messages[:2] == messages[2:]


def test_only_so_many_as_memory_allows(workspace: Workspace, dataset: Dataset, trained: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cohorts, "room_for", lambda training: 2)
    runs = waiting(workspace, dataset, (1, 2, 3, 4, 5))
    for run in runs:
        events_of(workspace, run)
    assert set(trained) == {5}, "two, two, and one that is left"


@pytest.mark.parametrize(
    "other",
    [{"lr": 0.5}, {"strategy": "last_block"}, {"ema": 0.9}, {"max_minutes": 5}, {"mix": "mixup"}, {"tune": 2}],
    ids=lambda other: next(iter(other)),
)
def test_who_differs_in_more_than_the_seed_trains_alone(
    workspace: Workspace, dataset: Dataset, trained: list[int], other: dict[str, object]
) -> None:
    """Or does what a cohort cannot: averaging, mixing, a budget of time, trying rates."""
    both = {"ema", "max_minutes", "mix", "tune"} & set(other)
    weights = brought(workspace, "resnet18")
    one = {"weights": weights, "strategy": "linear_probe", "lr": 0.02, **(other if both else {})}
    runs = [queued(workspace, dataset, **one), queued(workspace, dataset, **{**one, **other, "seed": 1})]
    for run in runs:
        events_of(workspace, run)
    assert {run.config.seed for run in runs} <= set(trained)


def test_nobody_is_lent_what_another_start_has_learnt(workspace: Workspace, dataset: Dataset, trained: list[int]) -> None:
    """The same configuration again: what was learnt has been asked for, so it is learnt anew."""
    for _ in range(2):
        runs = waiting(workspace, dataset)
        for run in runs:
            events_of(workspace, run)
    assert trained == []
