"""Comparisons are made, extended, stopped and resumed whole, by whoever asks, and old files learn of them."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.comparisons.comparison import Arm, Comparison, arm, expand
from engine.comparisons.comparison_store import ComparisonStore
from engine.errors import ConfigError, RunError
from engine.runconfig import RunConfig
from engine.store import database
from engine.store.process_identity import this_process
from engine.store.run_record import Run
from engine.store.run_store import RunStore
from engine.workspace import Workspace
from tests.engine.comparisons.outlines import outline

ME = this_process()


@pytest.fixture
def comparisons(workspace: Workspace) -> ComparisonStore:
    return ComparisonStore(workspace)


@pytest.fixture
def runs(workspace: Workspace) -> RunStore:
    return RunStore(workspace)


@pytest.fixture
def made(comparisons: ComparisonStore) -> Comparison:
    """Two strategies with two seeds each."""
    return comparisons.create(wanted())


def claim(comparisons: ComparisonStore, of: Comparison) -> Run:
    claimed = comparisons.claim(of.id, ME)
    assert claimed is not None
    return claimed


def wanted(*arms: Arm, name: str = "") -> Comparison:
    arms = arms or (arm("full_finetune", seeds=2), arm("linear_probe_steps", seeds=2))
    shared = RunConfig(dataset="", backbone="", epochs=4)
    return Comparison(name=name, dataset="flowers", backbones=(("resnet18", "none"),), strategies=arms, shared=shared)


def test_all_runs_are_queued_cheapest_first_and_come_back(comparisons: ComparisonStore, runs: RunStore):
    made = comparisons.create(wanted(), {"resnet18": outline()})
    queued = comparisons.runs_of(made.id)
    assert [run.config.strategy for run in queued] == ["linear_probe_steps"] * 2 + ["full_finetune"] * 2
    assert {run.config for run in queued} == set(expand(made)) and {run.comparison for run in queued} == {made.id}
    assert [run.turn for run in queued] == sorted(run.turn for run in queued)
    assert {run.status for run in queued} == {"queued"}
    assert comparisons.get(made.id) == made == comparisons.list()[0] and made.created_at > 0
    assert runs.enqueue(RunConfig(dataset="flowers", backbone="resnet18")).comparison is None
    assert len(comparisons.runs_of(made.id)) == 4


def test_korean_and_hostile_names_come_back_as_they_are(comparisons: ComparisonStore):
    name = "꽃 '; DROP TABLE comparisons;-- [x](http://evil.example) =1+1"
    made = comparisons.create(wanted(arm("named", seeds=1, settings={"patterns": "층*, \"'"}), name=f"  {name}\n"))
    assert comparisons.get(made.id).name == name
    (run,) = comparisons.runs_of(made.id)
    assert run.name.startswith(f"{name}: resnet18 named") and run.config.patterns == "층*, \"'"
    comparisons.rename(made.id, "새 이름\n둘")
    assert comparisons.get(made.id).name == comparisons.list()[0].name == "새 이름 둘"


def test_nothing_is_kept_when_one_run_cannot_be(comparisons: ComparisonStore, runs: RunStore):
    with pytest.raises(ConfigError, match="layer9"):
        comparisons.create(
            wanted(arm("linear_probe_steps"), arm("named", settings={"patterns": "layer9"})), {"resnet18": outline()}
        )
    assert comparisons.list() == [] and runs.list() == []


def test_new_seeds_and_arms_leave_old_rows_alone(comparisons: ComparisonStore, runs: RunStore, made: Comparison):
    runs.finish(claim(comparisons, made).id, "finished")
    before = comparisons.runs_of(made.id)
    added = comparisons.add_seeds(made.id, 1)
    assert [(run.config.strategy, run.config.seed) for run in added] == [
        ("linear_probe_steps", 2),
        ("full_finetune", 2),
    ]
    more = comparisons.add_arm(made.id, arm("last_block", seeds=2))
    assert [(run.config.strategy, run.config.seed) for run in more] == [("last_block", 0), ("last_block", 1)]
    after = comparisons.runs_of(made.id)
    assert after[:4] == before and after[4:] == [*added, *more]
    assert set(expand(comparisons.get(made.id))) == {run.config for run in after}
    runs.delete(before[1].id)  # who deleted a run does not want it back
    assert len(comparisons.add_seeds(made.id, 1, strategy="last_block")) == 1


def test_stop_and_resume_keep_the_order_and_what_has_finished(
    comparisons: ComparisonStore, runs: RunStore, made: Comparison
):
    done, working = claim(comparisons, made), claim(comparisons, made)
    runs.finish(done.id, "finished")
    assert comparisons.stop(made.id) == 3
    assert [run.status for run in comparisons.runs_of(made.id)] == ["finished", "running", "stopped", "stopped"]
    assert runs.requested(working.id) == "stop" and comparisons.claim(made.id, ME) is None
    runs.finish(working.id, "stopped")
    other = runs.enqueue(RunConfig(dataset="flowers", backbone="resnet18"))
    assert comparisons.resume(made.id) == 3
    after = comparisons.runs_of(made.id)
    assert [run.status for run in after] == ["finished", "queued", "queued", "queued"]
    assert other.turn < after[1].turn < after[2].turn < after[3].turn
    claimed = claim(comparisons, made)
    assert (claimed.id, claimed.owner) == (working.id, ME)


def test_resuming_puts_runs_back_in_the_order_of_their_turns(
    comparisons: ComparisonStore, runs: RunStore, made: Comparison
):
    comparisons.stop(made.id)
    runs.requeue(comparisons.runs_of(made.id)[0].id)
    comparisons.stop(made.id)
    comparisons.resume(made.id)
    first = claim(comparisons, made).config
    assert (first.strategy, first.seed) == ("linear_probe_steps", 1)


def test_deleting_keeps_the_runs_or_takes_them_along(
    comparisons: ComparisonStore, runs: RunStore, workspace: Workspace, made: Comparison
):
    kept, gone = made, comparisons.create(wanted())
    folder = workspace.run(comparisons.runs_of(gone.id)[0].id)
    folder.mkdir(parents=True)
    comparisons.delete(kept.id)
    assert len(runs.list()) == 8 and sum(run.comparison is None for run in runs.list()) == 4
    working = claim(comparisons, gone)
    with pytest.raises(RunError, match="is running"):
        comparisons.delete(gone.id, runs=True)
    assert len(comparisons.runs_of(gone.id)) == 4 and folder.is_dir()
    runs.finish(working.id, "finished")
    comparisons.delete(gone.id, runs=True)
    assert len(runs.list()) == 4 and not folder.exists() and comparisons.list() == []
    with pytest.raises(RunError, match="no comparison"):
        comparisons.get(gone.id)
    for act in (comparisons.stop, comparisons.resume, comparisons.delete):
        with pytest.raises(RunError, match="no comparison"):
            act(gone.id)


def test_creators_and_extenders_at_once_lose_and_mix_nothing(
    comparisons: ComparisonStore, runs: RunStore, made: Comparison
):
    shared, gate = made, threading.Barrier(6)

    def make(_: int) -> None:
        gate.wait()
        comparisons.create(wanted())
        comparisons.add_seeds(shared.id, 1)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(make, range(6)))
    assert len(comparisons.list()) == 7
    for made in comparisons.list():
        turns = [run.turn for run in comparisons.runs_of(made.id)]
        assert made.id == shared.id or turns == list(range(turns[0], turns[0] + 4)), "the runs of another came between"
    seeds = [run.config.seed for run in comparisons.runs_of(shared.id) if run.config.strategy == "linear_probe_steps"]
    assert seeds == list(range(8)) and len({run.turn for run in runs.list()}) == len(runs.list())


def test_a_comparison_of_another_version_hides_no_other(
    comparisons: ComparisonStore, workspace: Workspace, made: Comparison
):
    strange, fine = made, comparisons.create(wanted())
    with database.write(workspace) as db:
        db.execute("UPDATE comparisons SET body = replace(body, '\"epochs\"', '\"aeons\"') WHERE id = ?", (strange.id,))
    assert comparisons.list() == [fine]
    with pytest.raises(ConfigError, match="aeons"):
        comparisons.get(strange.id)


def test_a_file_from_before_there_were_comparisons_keeps_its_runs(
    workspace: Workspace, comparisons: ComparisonStore, runs: RunStore
):
    connection = sqlite3.connect(workspace.database, isolation_level=None)
    for statement in database._MIGRATIONS[0].split(";"):
        connection.execute(statement)
    connection.execute("PRAGMA user_version = 1")
    connection.execute(
        "INSERT INTO runs (id, name, config, wanted, status, turn, created_at) VALUES ('run-00000001', '옛 run', "
        """'{"dataset": "d", "backbone": "resnet18"}', 'auto', 'stopped', 1, 1.0)"""
    )
    connection.close()
    (old,) = runs.list()
    assert (old.name, old.comparison, old.config.backbone) == ("옛 run", None, "resnet18")
    made = comparisons.create(wanted())
    assert len(comparisons.runs_of(made.id)) == 4 and runs.requeue(old.id).turn > 4
