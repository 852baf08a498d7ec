"""Seeds of one linear probe that wait together: one loop trains them all, and each ends in the bits that it would end
in alone."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from engine.data.records import Dataset
from engine.errors import TrainingError
from engine.models.registry import build
from engine.models.weights_reader import bring
from engine.runs.pipeline import execute
from engine.store.database import Json
from engine.store.run import Run
from engine.store.run_store import RunStore
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
STEPS = 4 * 3
"""Of a run: epochs times batches of eight among the training images."""
PLAIN = ("epoch", "phase", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "best")


@pytest.fixture
def dataset(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dataset]:
    """Images on which computing counts for everything and reading for nothing, so that a small model is worth
    keeping."""
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


@pytest.fixture
def forwards(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One for every batch that went through a head in a loop for many."""
    real: Callable[..., object] = cohort.forward_loss
    seen: list[int] = []

    def watched(*given: object) -> object:
        seen.append(1)
        return real(*given)

    monkeypatch.setattr(cohort, "forward_loss", watched)
    return seen


def brought(workspace: Workspace, backbone: str) -> str:
    """Weights that are the same for every seed, so that only the head differs."""
    path = workspace.root / f"{backbone}.pt"
    torch.save(build(backbone, 32, 0).state_dict(), path)
    return f"file:{bring(workspace, path, path.name)}"


def waiting(workspace: Workspace, dataset: Dataset, seeds: tuple[int, ...] = SEEDS, **how: object) -> list[Run]:
    weights = brought(workspace, str(how.get("backbone", "resnet18")))
    return [
        queued(workspace, dataset, **{"weights": weights, "lr": 0.02, **how, "strategy": "linear_probe", "seed": seed})
        for seed in seeds
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
    weights = [
        (name, tensor.numpy().tobytes()) for name, tensor in sorted(load_file(folder / "best.safetensors").items())
    ]
    return (
        weights,
        history,
        *((folder / name).read_bytes() for name in ("audit.csv", "predictions.csv", "metrics.json")),
    )


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
    assert all(
        left(workspace, run) == left(workspace, alone(workspace, dataset, run.config.seed, **how)[0]) for run in runs
    )


def test_a_run_that_is_closed_and_resumed_goes_on_by_itself(
    workspace: Workspace, dataset: Dataset, trained: list[int]
) -> None:
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


@pytest.mark.parametrize(("call", "by_itself"), [(30, [3]), (5, [3, 3, 3, 3])])
def test_when_memory_runs_out_the_run_goes_on_by_itself_and_the_others_try_again(
    workspace: Workspace,
    dataset: Dataset,
    trained: list[int],
    monkeypatch: pytest.MonkeyPatch,
    call: int,
    by_itself: list[int],
) -> None:
    """In its last epoch, or in its first; afterwards the two others take all their steps together."""
    runs, real, calls = waiting(workspace, dataset), cohort.forward_loss, []

    def short(*given: object) -> object:
        calls.append(1)
        if len(calls) == call:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(cohort, "forward_loss", short)
    for run in runs:
        events_of(workspace, run)
    assert trained == by_itself and len(calls) == call + 2 * STEPS
    monkeypatch.undo()
    assert all(left(workspace, run) == left(workspace, alone(workspace, dataset, run.config.seed)[0]) for run in runs)


def test_a_run_that_is_stopped_within_an_epoch_leaves_nothing_half_done_to_the_others(
    workspace: Workspace, dataset: Dataset, trained: list[int]
) -> None:
    first, *others = waiting(workspace, dataset)
    RunStore(workspace).claim("cpu", "tests")
    for event in (events := execute(first, workspace, device="cpu")):
        if event["event"] == "step" and (event["epoch"], event["step"]) == (2, 2):
            break
    events.close()  # type: ignore[attr-defined]
    for run in others:
        events_of(workspace, run)
    assert trained == []
    list(execute(first, workspace, device="cpu"))
    assert trained == [first.config.seed] * 3, "from the checkpoint after its first epoch"
    assert all(
        left(workspace, run) == left(workspace, alone(workspace, dataset, run.config.seed)[0])
        for run in (first, *others)
    )


def test_a_loss_that_breaks_is_told_by_the_run_it_belongs_to(
    workspace: Workspace, dataset: Dataset, trained: list[int], forwards: list[int]
) -> None:
    how = {"optimizer": "sgd", "lr": 9.0, "momentum": 0.99, "weight_decay": 0.9, "epochs": 400, "batch_size": 4}

    def broken(run: Run) -> str:
        with pytest.raises(TrainingError, match="The loss became") as caught:
            events_of(workspace, run)
        RunStore(workspace).finish(run.id, "failed")
        return str(caught.value)

    messages = [broken(run) for run in waiting(workspace, dataset, (3, 4), **how)]
    assert forwards and trained == [3, 4], "the epoch that breaks, and no other"
    assert messages == [broken(waiting(workspace, dataset, (seed,), **how)[0]) for seed in (3, 4)]


def test_only_so_many_as_memory_allows(
    workspace: Workspace, dataset: Dataset, trained: list[int], forwards: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three classes of 512 features, four epochs of four tensors each, and four batches of eight images: two runs, and
    a bit."""
    one = 4 * 4 * (3 * 512 + 3) * 4 + 4 * 8 * 512 * 4
    monkeypatch.setattr(cohort, "MEMORY_BYTES", 2 * one + 100)
    runs = waiting(workspace, dataset, (1, 2, 3, 4, 5))
    for run in runs:
        events_of(workspace, run)
    assert set(trained) == {5} and len(forwards) == 4 * STEPS, "two, two, and one that is left"


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


def test_what_has_been_asked_for_is_learnt_anew_for_whoever_asks_again(
    workspace: Workspace, dataset: Dataset, forwards: list[int]
) -> None:
    for _ in range(2):
        for run in waiting(workspace, dataset):
            events_of(workspace, run)
    assert len(forwards) == 2 * len(SEEDS) * STEPS


def test_two_comparisons_that_take_turns_learn_once_each(
    workspace: Workspace, dataset: Dataset, forwards: list[int]
) -> None:
    weights = brought(workspace, "resnet18")
    rates = (0.02, 0.05)
    runs = [
        queued(workspace, dataset, weights=weights, strategy="linear_probe", lr=rate, seed=seed)
        for seed in SEEDS
        for rate in rates
    ]
    for run in runs:
        events_of(workspace, run)
    assert len(forwards) == len(runs) * STEPS


def test_nobody_waits_for_a_run_that_was_cancelled(
    workspace: Workspace, dataset: Dataset, forwards: list[int], trained: list[int]
) -> None:
    first, second, third = waiting(workspace, dataset)
    RunStore(workspace).claim("cpu", "tests")
    for event in (events := execute(first, workspace, device="cpu")):
        if event["event"] == "epoch":
            break
    events.close()  # type: ignore[attr-defined]
    RunStore(workspace).request(third.id, "stop")
    events_of(workspace, second)
    assert len(forwards) == 3 * 3 + 3 * 3 * 1 and trained == [], (
        "one epoch of three runs, three of the only one that is left"
    )


def test_seeds_that_go_on_from_a_head_differ_in_their_order_alone(
    workspace: Workspace, dataset: Dataset, trained: list[int]
) -> None:
    (teacher,) = waiting(workspace, dataset, (9,), epochs=1)
    events_of(workspace, teacher)
    trained.clear()
    how = {"weights": f"run:{teacher.id}", "lr": 0.02, "strategy": "linear_probe"}
    runs = [queued(workspace, dataset, **how, seed=seed) for seed in SEEDS]
    for run in runs:
        events_of(workspace, run)
    assert trained == []
    for run in runs:
        other = queued(workspace, dataset, **how, seed=run.config.seed)
        events_of(workspace, other)
        assert left(workspace, run) == left(workspace, other)


def test_where_a_frozen_layer_comes_from_the_seed_nobody_trains_for_another(
    workspace: Workspace, dataset: Dataset, trained: list[int], forwards: list[int]
) -> None:
    path = workspace.root / "body.pt"
    state = build("mobilenet_v3_small", 32, 0).state_dict()
    torch.save({name: tensor for name, tensor in state.items() if not name.startswith("classifier.0.")}, path)
    weights = f"file:{bring(workspace, path, path.name)}"
    runs = [
        queued(workspace, dataset, backbone="mobilenet_v3_small", weights=weights, strategy="linear_probe", seed=seed)
        for seed in SEEDS
    ]
    for run in runs:
        events_of(workspace, run)
    assert forwards == [] and set(trained) == set(SEEDS)
