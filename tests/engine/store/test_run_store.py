"""Runs are claimed once, end once, and say the truth about owners that died."""

import json
import subprocess
import sys

import pytest

from engine.errors import ConfigError, EngineError, RunError
from engine.events import Device, Epoch, Finished, Paused, Started, Step, Summary
from engine.runconfig import RunConfig
from engine.store import database
from engine.store.run_record import Run, RunProgress
from engine.store.run_store import RunStore
from engine.workspace import Workspace
from tests.engine.store.racing import DEAD, ME, racing

CPU = Device(device="cpu", name="CPU", memory_bytes=1, why="No driver.")
GPUS = [Device(device=f"cuda:{index}", name="GPU", memory_bytes=2, why="") for index in range(2)]
CLAIM = """
import sys
from engine.store.process_identity import this_process
from engine.store.run_store import RunStore
from engine.workspace import open_workspace
store = RunStore(open_workspace(sys.argv[1]))
print("ready", flush=True)
input()
for _ in range(40):
    if run := store.claim(sys.argv[2], this_process()):
        print(run.id, flush=True)
        store.finish(run.id, "finished")
"""


@pytest.fixture
def store(workspace: Workspace) -> RunStore:
    return RunStore(workspace)


def config(device: str = "auto", seed: int = 0) -> RunConfig:
    return RunConfig(dataset="flowers", backbone="resnet18", device=device, seed=seed)


def claim(store: RunStore, device: str = "cpu") -> str | None:
    """Id of the run that we were given."""
    run = store.claim(device, ME)
    return run and run.id


def running(store: RunStore, owner: str = ME) -> Run:
    return store.enqueue(config(), owner=owner)


def test_a_run_comes_back_as_it_was_queued(store: RunStore):
    wanted = RunConfig(dataset="꽃 '; DROP TABLE runs;--", backbone="resnet18", lr=0.003, patterns="layer4*, head")
    run = store.enqueue(wanted, name="  첫 번째\n**run** ")
    assert store.get(run.id) == run
    assert (run.config, run.name, run.status, run.progress) == (wanted, "첫 번째 **run**", "queued", RunProgress())
    assert [listed.id for listed in store.list()] == [run.id]


def test_eight_threads_and_one_run_make_one_owner(store: RunStore):
    for _ in range(10):
        run = store.enqueue(config())
        assert [got.id for got in racing(lambda: store.claim("cpu", ME)) if got] == [run.id]
        store.finish(run.id, "finished")


def test_two_processes_share_a_queue_and_no_run_is_done_twice(workspace: Workspace, store: RunStore):
    queued = [store.enqueue(config(seed=seed)).id for seed in range(30)]
    command = [sys.executable, "-c", CLAIM, str(workspace.root)]
    pipe = subprocess.PIPE
    workers = [
        subprocess.Popen([*command, device], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        for device in ("cuda:0", "cuda:1")
    ]
    for worker in workers:
        assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    outputs = [worker.communicate() for worker in workers]
    assert [errors for _, errors in outputs] == ["", ""]
    assert sorted("".join(lines for lines, _ in outputs).split()) == sorted(queued)


def test_the_queue_is_in_order_and_one_run_holds_a_device(store: RunStore):
    first, second = store.enqueue(config()), store.enqueue(config())
    assert claim(store) == first.id
    claimed = store.get(first.id)
    assert (claimed.status, claimed.device, claimed.owner) == ("running", "cpu", ME)
    assert claim(store) is None
    store.finish(first.id, "finished")
    assert claim(store) == second.id


def test_auto_waits_for_the_gpu_when_there_is_one(store: RunStore):
    store.announce([*GPUS, CPU])
    run = store.enqueue(config("auto"))
    assert (claim(store), claim(store, "cuda:1")) == (None, run.id)


def test_a_run_goes_to_the_device_it_names(store: RunStore):
    store.announce([*GPUS, CPU])
    second, cpu, any_gpu = store.enqueue(config("cuda:1")), store.enqueue(config("cpu")), store.enqueue(config("cuda"))
    claimed = [claim(store, device) for device in ("cuda:0", "cuda:1", "cpu")]
    assert claimed == [any_gpu.id, second.id, cpu.id]


def test_a_run_for_a_device_nobody_has_fails_with_the_devices_there_are(store: RunStore):
    store.announce([CPU])
    run = store.enqueue(config("cuda:7"))
    assert claim(store) is None
    refused = store.get(run.id)
    assert refused.status == "failed"
    assert refused.error == "There is no device 'cuda:7' on this machine. Choose auto or one of: cpu."


def test_sweep_interrupts_runs_of_the_dead_and_of_them_only(store: RunStore):
    mine, theirs, queued = running(store), running(store, DEAD), store.enqueue(config())
    assert store.sweep() == 1
    assert [store.get(run.id).status for run in (mine, theirs, queued)] == ["running", "interrupted", "queued"]
    assert "Resume" in (store.get(theirs.id).error or "")
    assert store.sweep() == 0


def test_a_dead_owner_does_not_hold_the_device_for_ever(store: RunStore):
    store.enqueue(config("cpu"), owner=DEAD)
    waiting = store.enqueue(config("cpu"))
    assert claim(store) == waiting.id


def test_events_become_progress_epochs_and_summary(store: RunStore):
    run, started, summary = running(store), Started(device="cpu", train_images=4), Summary(best_epoch=2)
    store.record(run.id, started)
    store.record(run.id, Step(epoch=1, epochs=2, step=3, steps=4))
    assert store.get(run.id).progress == RunProgress(epoch=1, epochs=2, step=3, steps=4)
    for epoch, loss in ((1, 0.5), (2, 0.4), (2, 0.3)):
        store.record(run.id, Epoch(epoch=epoch, epochs=2, val_loss=loss))
    store.record(run.id, Finished(summary=summary))
    store.finish(run.id, "finished")
    # an epoch done again after a resume counts once
    assert [epoch.val_loss for epoch in store.epochs(run.id)] == [0.5, 0.3]
    ended = store.get(run.id)
    assert (ended.status, ended.device, ended.summary, ended.owner) == ("finished", "cpu", summary, None)
    assert ended.started == started


def test_a_run_that_starts_over_forgets_the_epochs_of_its_former_life(store: RunStore):
    run = running(store)
    for epoch in (1, 2, 3):
        store.record(run.id, Epoch(epoch=epoch))
    store.record(run.id, Started(device="cpu", epochs_done=1))
    assert [epoch.epoch for epoch in store.epochs(run.id)] == [1]


def test_an_ended_run_takes_no_more_events_and_ends_only_once(store: RunStore):
    run = running(store)
    store.finish(run.id, "stopped")
    store.record(run.id, Epoch(epoch=1))
    store.finish(run.id, "failed", "too late")
    assert (store.epochs(run.id), store.get(run.id).status, store.get(run.id).error) == ((), "stopped", None)


def test_a_pause_is_answered_swallows_no_newer_request_and_takes_no_stop_back(store: RunStore):
    run = running(store)
    store.record(run.id, Step(epoch=1, step=3, steps=9))
    store.request(run.id, "pause")
    assert store.requested(run.id) == "pause"
    store.request(run.id, "resume")
    store.record(run.id, Paused(paused=True))
    assert store.requested(run.id) == "resume"
    assert store.get(run.id).paused and store.get(run.id).progress.step == 3
    store.record(run.id, Paused(paused=False))
    assert store.requested(run.id) is None and not store.get(run.id).paused
    store.request(run.id, "stop")
    store.request(run.id, "pause")
    assert store.requested(run.id) == "stop"


def test_a_queued_run_stops_at_once_and_cannot_pause(store: RunStore):
    run = store.enqueue(config())
    with pytest.raises(RunError, match="is queued, so it cannot pause"):
        store.request(run.id, "pause")
    store.request(run.id, "stop")
    assert store.get(run.id).status == "stopped"
    assert claim(store) is None
    with pytest.raises(RunError, match="'explode'"):
        store.request(run.id, "explode")


def test_requeue_puts_an_ended_run_at_the_end_of_the_queue(store: RunStore):
    run = running(store)
    store.request(run.id, "stop")
    with pytest.raises(RunError, match="is running"):
        store.requeue(run.id)
    store.finish(run.id, "failed", "no memory")
    waiting = store.enqueue(config())
    again = store.requeue(run.id)
    assert again.status == "queued"
    assert (again.error, again.requested, again.owner, again.ended_at) == (None, None, None, None)
    assert again.turn > waiting.turn and claim(store) == waiting.id
    store.finish(waiting.id, "stopped")
    assert store.requeue(waiting.id, owner=ME).status == "running"  # an owner takes it out of the queue


def test_a_running_run_cannot_be_deleted_and_an_ended_one_takes_its_folder_along(store: RunStore, workspace: Workspace):
    run = running(store)
    folder = workspace.run(run.id)
    folder.mkdir()
    (folder / "log.txt").write_text("kept")
    store.record(run.id, Epoch(epoch=1))
    with pytest.raises(RunError, match="Stop it first"):
        store.delete(run.id)
    assert (folder / "log.txt").exists()
    store.finish(run.id, "stopped")
    store.delete(run.id)
    assert not folder.exists()
    with pytest.raises(RunError, match="may have been deleted"):
        store.get(run.id)
    assert store.epochs(run.id) == ()


def test_a_run_of_another_version_is_listed_with_a_sentence_and_not_resumed(store: RunStore, workspace: Workspace):
    run = running(store)
    store.finish(run.id, "interrupted")
    raw = json.dumps({"dataset": "flowers", "backbone": "resnet18", "sparkle": 3})
    with database.write(workspace) as db:
        db.execute("UPDATE runs SET config = ?", (raw,))
    listed = store.list()[0]
    assert listed.config.dataset == "flowers" and "sparkle" in (listed.error or "")
    with pytest.raises(ConfigError, match="sparkle"):
        store.requeue(run.id)


def test_what_an_earlier_version_left_is_read_and_what_is_damaged_hides_nothing(store: RunStore, workspace: Workspace):
    old, damaged = running(store), running(store)
    event = '{"event": "epoch", "epoch": 1, "epochs": 2, "phase": 0, "val_loss": NaN, "lr": {"head": 0.1}}'
    with database.write(workspace) as db:
        db.executemany("INSERT INTO epochs VALUES (?, ?, ?)", [(old.id, 1, event), (old.id, 2, "[]"), (old.id, 3, "{")])
        db.execute("UPDATE runs SET progress = '{\"paused\": true}', summary = '{\"best_epoch\": 1}'")
        started = '{"event": "started", "device": "cpu", "dataset": 3}'
        db.execute("UPDATE runs SET started = ?, progress = '3' WHERE id = ?", (started, damaged.id))
    (epoch,) = store.epochs(old.id)
    assert epoch.lr == {"head": 0.1} and str(epoch.val_loss) == "nan"
    assert store.get(old.id).paused and store.get(old.id).summary == Summary(best_epoch=1)
    assert store.get(damaged.id).started is None and not store.get(damaged.id).paused


def test_rename_and_devices(store: RunStore):
    run = store.enqueue(config(), name="one")
    store.rename(run.id, "두 번째")
    assert store.get(run.id).name == "두 번째"
    store.rename(run.id, " ")
    assert store.get(run.id).name == "resnet18 linear_probe"
    store.announce([*GPUS, CPU])
    store.announce([CPU])
    assert store.devices() == (CPU,)


def test_an_id_that_is_a_path_reaches_no_folder(store: RunStore, workspace: Workspace):
    with pytest.raises(EngineError):
        store.delete("../../etc")
    assert workspace.runs.exists()
