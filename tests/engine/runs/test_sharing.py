"""Runs that wait behind each other: the first computes the frozen part for all of them, and says so."""

from dataclasses import dataclass, replace

import pytest

from engine.events import Cache, Epoch, Finished, Started, Step
from engine.runconfig import RunConfig
from engine.runs.siblings import siblings
from engine.store.run_record import Run
from engine.store.run_store import RunStore
from engine.training.frozen import cuts
from tests.engine.small_runs import Lab, only

STRATEGIES = ("linear_probe_steps", "last_block", "last_stage", "gradual_unfreeze", "full_finetune")


@dataclass(frozen=True, kw_only=True)
class Queue(Lab):
    def config(self, **options: object) -> RunConfig:
        return super().config(**{"epochs": 4, "views": 0, **options})

    def queued(self, **options: object) -> Run:
        """A run that waits."""
        return RunStore(self.workspace).enqueue(self.config(**options))

    def siblings(self, **options: object) -> tuple[RunConfig, ...]:
        return siblings(self.workspace, self.config(**options))

    def done(self, run: Run) -> tuple[Cache, Cache]:
        """Execute `run`, whose turn it is, as the worker would: (what it began with, what it ended with)."""
        store = RunStore(self.workspace)
        if store.get(run.id).status == "queued":
            claimed = store.claim("cpu", "tests")
            assert claimed is not None and claimed.id == run.id
        events = self.execute(run)
        store.finish(run.id, "finished")
        return only(events, Started).cache, only(events, Finished).summary.cache

    def forget(self) -> None:
        for path in self.workspace.features.glob("*/*"):
            path.unlink()


@pytest.fixture
def lab(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Queue:
    """Images on which computing counts for everything and reading for nothing, so that a small model is worth
    keeping."""
    monkeypatch.setattr(cuts, "READ_BYTES_PER_SECOND", 1e30)
    monkeypatch.setattr(cuts, "_CHEAP_BYTES", 1 << 40)
    return Queue(**vars(lab))


def states(report: Cache) -> set[str]:
    return {row.state for row in report.files}


def test_the_first_of_five_computes_for_all_and_all_end_in_the_same_bits(
    lab: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [lab.queued(strategy=strategy) for strategy in STRATEGIES]
    first, ended = lab.done(runs[0])
    assert states(first) == {"computed"} and first.shared_with == 4 and first.seconds > 0
    assert {"fc", "layer4.1", "layer4.0"} <= {row.block for row in first.files if row.split == "train"}
    assert all(row.bytes > 0 and row.saved_seconds == 0 for row in first.files) and ended.saved_seconds > 0
    later = [lab.done(run)[0] for run in runs[1:]]
    assert [states(report) for report in later] == [{"found"}, {"found"}, {"found"}, set()]
    assert [report.seconds for report in later] == [0, 0, 0, 0]
    monkeypatch.setenv("THAW_FEATURE_CACHE_GB", "0")
    lab.forget()
    for run, strategy in zip(runs[:4], STRATEGIES, strict=False):
        alone = lab.queued(strategy=strategy)
        _, report = lab.done(alone)
        assert report.files == () and list(lab.workspace.features.glob("*/*")) == []
        assert lab.same_weights(alone, run), strategy


def test_the_views_of_those_who_wait_are_kept_when_they_are_the_same(lab: Queue) -> None:
    """As many views as epochs are seen once by each, and by two runs twice."""
    first, second = (lab.queued(strategy=strategy, views=4) for strategy in ("linear_probe_steps", "last_block"))
    report, _ = lab.done(first)
    assert {row.view for row in report.files if row.split == "train"} == {0, 1, 2, 3, None}
    assert states(lab.done(second)[0]) == {"found"}


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
def test_siblings_are_those_who_start_in_the_same_place(lab: Queue, options: dict[str, object], shared: bool) -> None:
    RunStore(lab.workspace).enqueue(replace(lab.config(), **options))  # type: ignore[arg-type]
    assert bool(lab.siblings()) is shared


def test_published_weights_are_shared_whatever_the_seed_and_what_is_over_is_not_waiting(lab: Queue) -> None:
    run = lab.queued(weights="default", seed=7)
    asking = {"weights": "default", "strategy": "full_finetune"}
    assert [other.seed for other in lab.siblings(**asking)] == [7]
    assert RunStore(lab.workspace).claim("cpu", "tests") is not None and lab.siblings(**asking) == ()
    RunStore(lab.workspace).finish(run.id, "finished")
    assert lab.siblings(**asking) == ()


def test_a_waiting_run_that_cannot_start_is_nobodys_sibling_and_nobodys_trouble(lab: Queue) -> None:
    lab.queued(strategy="from_run")  # as an earlier version let it into the queue
    lab.queued(strategy="last_block")
    assert [other.strategy for other in lab.siblings()] == ["last_block"]


def test_another_seed_reads_nothing_that_was_computed_for_other_weights(lab: Queue) -> None:
    first, second = (lab.queued(strategy="linear_probe_steps", seed=seed) for seed in (0, 1))
    lab.done(first)
    report, _ = lab.done(second)
    assert states(report) == {"computed"} and report.shared_with == 0


def test_going_on_in_a_later_phase_never_computes_the_inputs_of_blocks_that_have_moved(lab: Queue) -> None:
    plan = {"phases": "head | 1; layer4, head | 2; head | 2", "epochs": 5}
    whole, cut = (lab.begun(**plan) for _ in range(2))
    lab.done(whole)
    lab.forget()
    lab.execute_until(cut, Step, epoch=4)
    lab.forget()
    lab.queued(strategy="linear_probe_steps")  # would like the inputs of the head as they were
    report, _ = lab.done(cut)
    assert {row.block for row in report.files} == {"layer4.0"} and states(report) == {"computed"}
    assert lab.same_weights(cut, whole)


def test_a_sibling_that_cannot_run_does_not_stop_the_one_that_can(lab: Queue) -> None:
    run = lab.queued(strategy="linear_probe_steps")
    lab.queued(phases="no-such-block | 4")
    report, _ = lab.done(run)
    assert states(report) == {"computed"} and report.shared_with == 1


def test_a_stopped_run_is_concluded_without_the_cache(lab: Queue) -> None:
    run = lab.begun(strategy="linear_probe_steps")
    lab.execute_until(run, Epoch)
    lab.forget()
    assert only(lab.conclude(run), Finished).summary.cache == Cache()


def test_a_share_of_the_images_trains_on_those_alone_and_reads_what_was_kept_for_all(lab: Queue) -> None:
    lab.done(lab.queued())
    half = lab.queued(train_share=50)
    assert states(lab.done(half)[1]) == {"found"}
    lab.forget()
    again = lab.queued(train_share=50)
    assert states(lab.done(again)[1]) == {"computed"}
    assert lab.same_weights(half, again)
    started = only(lab.execute(lab.queued(train_share=10)), Started)
    assert 0 < started.train_images < len(lab.dataset.images_of("train")) / 4


def test_a_head_that_reads_every_stage_shares_with_its_like_alone(lab: Queue) -> None:
    """Its blocks are cut elsewhere, so what others read means nothing to it."""
    for strategy in ("multi_layer_probe", "linear_probe", "last_block"):
        lab.queued(strategy=strategy)
    assert [other.strategy for other in lab.siblings(strategy="multi_layer_probe")] == ["multi_layer_probe"]
    assert [other.strategy for other in lab.siblings(strategy="linear_probe")] == ["linear_probe", "last_block"]
