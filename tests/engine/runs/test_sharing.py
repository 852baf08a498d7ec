"""Runs that wait behind each other: the first computes the frozen part for all of them, and says so."""

from dataclasses import replace

import pytest

from engine.data.dataset_records import Dataset
from engine.events import Cache, Epoch, Finished, Started, Step
from engine.runconfig import RunConfig
from engine.runs.pipeline import conclude, execute
from engine.runs.siblings import siblings
from engine.store.run import Run
from engine.store.run_store import RunStore
from engine.training import cuts
from engine.workspace import Workspace
from tests.engine.small_runs import begun, close_after, events_of, only, same_weights, small_config

STRATEGIES = ("linear_probe", "last_block", "last_stage", "gradual_unfreeze", "full_finetune")


@pytest.fixture
def dataset(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Images on which computing counts for everything and reading for nothing, so that a small model is worth
    keeping."""
    monkeypatch.setattr(cuts, "READ_BYTES_PER_SECOND", 1e30)
    monkeypatch.setattr(cuts, "_CHEAP_BYTES", 1 << 40)
    return dataset


def configured(dataset: Dataset, **options: object) -> RunConfig:
    return small_config(dataset, **{"epochs": 4, "views": 0, **options})


def queued(workspace: Workspace, dataset: Dataset, **options: object) -> Run:
    """A run that waits."""
    return RunStore(workspace).enqueue(configured(dataset, **options))


def done(workspace: Workspace, run: Run) -> tuple[Cache, Cache]:
    """Execute `run`, whose turn it is, as the worker would: (what it began with, what it ended with)."""
    store = RunStore(workspace)
    if store.get(run.id).status == "queued":
        claimed = store.claim("cpu", "tests")
        assert claimed is not None and claimed.id == run.id
    events = events_of(run, workspace)
    store.finish(run.id, "finished")
    return only(events, Started).cache, only(events, Finished).summary.cache


def states(report: Cache) -> set[str]:
    return {row.state for row in report.files}


def forget(workspace: Workspace) -> None:
    for path in workspace.features.glob("*/*"):
        path.unlink()


def test_the_first_of_five_computes_for_all_and_all_end_in_the_same_bits(
    workspace: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [queued(workspace, dataset, strategy=strategy) for strategy in STRATEGIES]
    first, ended = done(workspace, runs[0])
    assert states(first) == {"computed"} and first.shared_with == 4 and first.seconds > 0
    assert {"fc", "layer4.1", "layer4.0"} <= {row.block for row in first.files if row.split == "train"}
    assert all(row.bytes > 0 and row.saved_seconds == 0 for row in first.files) and ended.saved_seconds > 0
    later = [done(workspace, run)[0] for run in runs[1:]]
    assert [states(report) for report in later] == [{"found"}, {"found"}, {"found"}, set()]
    assert [report.seconds for report in later] == [0, 0, 0, 0]
    monkeypatch.setenv("THAW_FEATURE_CACHE_GB", "0")
    forget(workspace)
    for run, strategy in zip(runs[:4], STRATEGIES, strict=False):
        alone = queued(workspace, dataset, strategy=strategy)
        _, report = done(workspace, alone)
        assert report.files == () and list(workspace.features.glob("*/*")) == []
        assert same_weights(workspace, alone, run), strategy


def test_the_views_of_those_who_wait_are_kept_when_they_are_the_same(workspace: Workspace, dataset: Dataset) -> None:
    """As many views as epochs are seen once by each, and by two runs twice."""
    first, second = (
        queued(workspace, dataset, strategy=strategy, views=4) for strategy in ("linear_probe", "last_block")
    )
    report, _ = done(workspace, first)
    assert {row.view for row in report.files if row.split == "train"} == {0, 1, 2, 3, None}
    assert states(done(workspace, second)[0]) == {"found"}


@pytest.mark.parametrize(
    ("options", "shared"),
    [
        ({"lr": 0.1, "views": 3, "batch_size": 4, "optimizer": "sgd"}, True),
        ({"seed": 7}, False),  # random weights: another seed is another backbone
        ({"image_size": 48}, False),
        ({"preprocessing": "half"}, False),
        ({"backbone": "resnet34"}, False),
        ({"precision": "bf16"}, False),
        ({"weights": "default"}, False),
        ({"dataset": "dataset-0000000000"}, False),
    ],
)
def test_siblings_are_those_who_start_in_the_same_place(
    workspace: Workspace, dataset: Dataset, options: dict[str, object], shared: bool
) -> None:
    RunStore(workspace).enqueue(replace(configured(dataset), **options))  # type: ignore[arg-type]
    assert bool(siblings(workspace, configured(dataset))) is shared


def test_published_weights_are_shared_whatever_the_seed_and_what_is_over_is_not_waiting(
    workspace: Workspace, dataset: Dataset
) -> None:
    run = queued(workspace, dataset, weights="default", seed=7)
    asking = configured(dataset, weights="default", strategy="full_finetune")
    assert [other.seed for other in siblings(workspace, asking)] == [7]
    assert RunStore(workspace).claim("cpu", "tests") is not None and siblings(workspace, asking) == ()
    RunStore(workspace).finish(run.id, "finished")
    assert siblings(workspace, asking) == ()


def test_a_waiting_run_that_cannot_start_is_nobodys_sibling_and_nobodys_trouble(
    workspace: Workspace, dataset: Dataset
) -> None:
    queued(workspace, dataset, strategy="from_run")  # as an earlier version let it into the queue
    queued(workspace, dataset, strategy="last_block")
    assert [other.strategy for other in siblings(workspace, configured(dataset))] == ["last_block"]


def test_another_seed_reads_nothing_that_was_computed_for_other_weights(workspace: Workspace, dataset: Dataset) -> None:
    first, second = (queued(workspace, dataset, strategy="linear_probe", seed=seed) for seed in (0, 1))
    done(workspace, first)
    report, _ = done(workspace, second)
    assert states(report) == {"computed"} and report.shared_with == 0


def test_going_on_in_a_later_phase_never_computes_the_inputs_of_blocks_that_have_moved(
    workspace: Workspace, dataset: Dataset
) -> None:
    plan = {"phases": "head | 1; layer4, head | 2; head | 2", "epochs": 5, "views": 0}
    whole, cut = (begun(workspace, dataset, **plan) for _ in range(2))
    done(workspace, whole)
    forget(workspace)
    close_after(execute(cut, workspace, device="cpu"), Step, epoch=4)
    forget(workspace)
    queued(workspace, dataset, strategy="linear_probe")  # would like the inputs of the head as they were
    report, _ = done(workspace, cut)
    assert {row.block for row in report.files} == {"layer4.0"} and states(report) == {"computed"}
    assert same_weights(workspace, cut, whole)


def test_a_sibling_that_cannot_run_does_not_stop_the_one_that_can(workspace: Workspace, dataset: Dataset) -> None:
    run = queued(workspace, dataset, strategy="linear_probe")
    queued(workspace, dataset, phases="no-such-block | 4")
    report, _ = done(workspace, run)
    assert states(report) == {"computed"} and report.shared_with == 1


def test_a_stopped_run_is_concluded_without_the_cache(workspace: Workspace, dataset: Dataset) -> None:
    run = begun(workspace, dataset, strategy="linear_probe", views=0)
    close_after(execute(run, workspace, device="cpu"), Epoch)
    forget(workspace)
    assert only(conclude(run, workspace, device="cpu"), Finished).summary.cache == Cache()


def test_a_share_of_the_images_trains_on_those_alone_and_reads_what_was_kept_for_all(
    workspace: Workspace, dataset: Dataset
) -> None:
    done(workspace, queued(workspace, dataset))
    half = queued(workspace, dataset, train_share=50)
    assert states(done(workspace, half)[1]) == {"found"}
    forget(workspace)
    again = queued(workspace, dataset, train_share=50)
    assert states(done(workspace, again)[1]) == {"computed"}
    assert same_weights(workspace, half, again)
    started = only(events_of(queued(workspace, dataset, train_share=10), workspace), Started)
    assert 0 < started.train_images < len(dataset.images_of("train")) / 4
