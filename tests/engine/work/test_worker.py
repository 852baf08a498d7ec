"""Runs and jobs get done, in a child process or in a thread; whatever happens to the child, a row says so and work goes
on."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from engine.events import Device, Summary
from engine.jobs.records import ImportImages
from engine.runconfig import RunConfig
from engine.store.job_store import Job, JobStore
from engine.store.process_identity import alive
from engine.store.run_record import ENDED, Run
from engine.store.run_store import RunStore
from engine.work import conversation, worker
from engine.work.child import Wiring
from engine.work.worker import Workers
from engine.workspace import Workspace
from tests.engine.store.racing import DEAD, racing
from tests.engine.work.fake_work import SESSIONS_SHARE

FAKE = "tests.engine.work.fake_work"
FAKES = Wiring(executor=FAKE, tasks=FAKE, devices=FAKE)
GPUS = Wiring(executor=FAKE, tasks=FAKE, devices="tests.engine.work.fake_gpus")
SERVER = """
import sys
from engine.work import worker
from engine.work.child import Wiring
from engine.workspace import open_workspace
fake = "tests.engine.work.fake_work"
worker.start(open_workspace(sys.argv[1]), Wiring(executor=fake, tasks=fake, devices=fake)).wait()
"""
Start = Callable[..., Workers]
T = TypeVar("T")


@pytest.fixture
def start(workspace: Workspace) -> Iterator[Start]:
    """Starts workers and ends them after the test."""
    started: list[Workers] = []

    def begin(wiring: Wiring = FAKES) -> Workers:
        started.append(worker.start(workspace, wiring))
        return started[-1]

    yield begin
    for workers in started:
        workers.stop()
        assert not any(thread.is_alive() for thread in workers._threads)


@pytest.fixture(params=["process", "thread"])
def isolation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("THAW_ISOLATION", request.param)
    return request.param


@pytest.fixture
def runs(workspace: Workspace) -> RunStore:
    return RunStore(workspace)


@pytest.fixture
def jobs(workspace: Workspace) -> JobStore:
    return JobStore(workspace)


def queue(runs: RunStore, does: str, device: str = "auto") -> Run:
    return runs.enqueue(RunConfig(dataset=does, backbone="fake", device=device))


def until(look: Callable[[], T], seconds: float = 30.0) -> T:
    """What `look` returns as soon as it is true; fails when that takes too long."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, "this never came true"
        threading.Event().wait(0.01)
    return seen


def ended(runs: RunStore, run: Run) -> Run:
    return until(lambda: now if (now := runs.get(run.id)).status in ENDED else None)


def done(jobs: JobStore, job: Job) -> Job:
    return until(lambda: now if (now := jobs.get(job.id)).ended else None)


def at_work(runs: RunStore, run: Run) -> None:
    until(lambda: runs.get(run.id).progress.step)


def working(runs: RunStore, start: Start, does: str) -> Run:
    """A run that workers have begun."""
    run = queue(runs, does)
    start()
    at_work(runs, run)
    return run


def log(workspace: Workspace, run: Run) -> str:
    return (workspace.run(run.id) / "log.txt").read_text()


def child_of(workspace: Workspace, run: Run) -> int:
    return int(log(workspace, run).partition(" pid ")[2].split()[0])


def test_a_run_from_queue_to_summary(isolation: str, start: Start, runs: RunStore, workspace: Workspace):
    run = queue(runs, "short")
    start()
    now = ended(runs, run)
    assert (now.status, now.error, now.device, now.summary) == ("finished", None, "cpu", Summary(best_epoch=1))
    assert [epoch.train_loss for epoch in runs.epochs(run.id)] == [1.0, 0.5]
    assert now.started is not None and now.started.train_images == 2
    lines = log(workspace, run).splitlines()
    assert [line[20:] for line in lines if "Epoch" in line] == [
        "Epoch 1 of 2: train_loss 1.0000, val_loss 1.0000, val_accuracy 0.5000 (best so far)",
        "Epoch 2 of 2: train_loss 0.5000, val_loss 1.0000, val_accuracy 0.5000",
    ]
    assert lines[-1].endswith("Finished.")
    assert runs.devices() == (Device(device="cpu", name="Fake", memory_bytes=1, why="It is a fake."),)
    if isolation == "process":  # the work gives way to the pages
        assert child_of(workspace, run) != os.getpid() and "nice 2" in log(workspace, run)
        assert "nice 2 among sessions" in log(workspace, run) or not SESSIONS_SHARE.exists()


def test_stop_keeps_the_best_and_concludes(isolation: str, start: Start, runs: RunStore):
    run = working(runs, start, "endless")
    runs.request(run.id, "stop")
    now = ended(runs, run)
    assert (now.status, now.error, now.requested) == ("stopped", None, None)
    assert now.summary == Summary(best_epoch=1, audit="concluded")


def test_stop_before_anything_was_saved_concludes_nothing(isolation: str, start: Start, runs: RunStore):
    run = working(runs, start, "endless_without_best")
    runs.request(run.id, "stop")
    assert (ended(runs, run).status, runs.get(run.id).summary) == ("stopped", None)


def test_a_paused_run_holds_still_until_it_is_resumed(
    isolation: str, start: Start, runs: RunStore, jobs: JobStore, workspace: Workspace
):
    run = working(runs, start, "endless")
    pulls = workspace.run(run.id) / "pulls"
    runs.request(run.id, "pause")
    until(lambda: runs.get(run.id).paused)
    before = pulls.read_text()
    assert runs.requested(run.id) is None
    assert done(jobs, jobs.submit("import", ImportImages(source="", name="meanwhile"))).status == "finished"
    assert pulls.read_text() == before
    assert runs.get(run.id).paused
    runs.request(run.id, "resume")
    until(lambda: pulls.read_text() != before and not runs.get(run.id).paused)
    runs.request(run.id, "pause")
    until(lambda: runs.get(run.id).paused)
    runs.request(run.id, "stop")
    assert ended(runs, run).status == "stopped"


@pytest.mark.parametrize(
    ("does", "sentence"),
    [
        ("killed", "was killed by the system (signal 9): probably out of memory"),
        ("segfault", "was ended by signal 11 (SIGSEGV): a fault in native code"),
        ("exits", "ended by itself (exit status 7)"),
        ("defect", "Thaw hit a defect: ZeroDivisionError: division by zero. The log has the details."),
        ("no_memory", "Choose a smaller batch size"),
        ("refuses", "The dataset has changed. Import it again."),
    ],
)
def test_what_goes_wrong_fails_its_run_with_the_cause_and_the_next_run_works(
    start: Start, runs: RunStore, workspace: Workspace, does: str, sentence: str
):
    run, following = queue(runs, does), queue(runs, "short")
    start()
    now = ended(runs, run)
    assert now.status == "failed" and sentence in (now.error or "")
    assert sentence in log(workspace, run)
    assert ("in part\n" in log(workspace, run)) == (does in ("defect", "no_memory", "refuses"))
    assert ended(runs, following).status == "finished"
    # only after an error that a person can mend is the child trusted with more work
    assert (child_of(workspace, following) == child_of(workspace, run)) == (does == "refuses")


def test_a_child_that_was_killed_while_idle_costs_no_run(start: Start, runs: RunStore, workspace: Workspace):
    first = queue(runs, "short")
    start()
    ended(runs, first)
    os.kill(child_of(workspace, first), signal.SIGKILL)
    until(lambda: not alive(f"{child_of(workspace, first)}::"))
    following = queue(runs, "short")
    assert ended(runs, following).status == "finished"


def test_leaving_interrupts_what_runs_and_it_can_be_resumed(
    isolation: str, start: Start, runs: RunStore, jobs: JobStore, workspace: Workspace
):
    run, waiting, job = queue(runs, "endless"), queue(runs, "short"), jobs.submit("endless", {})
    workers = start()
    at_work(runs, run)
    until(lambda: jobs.get(job.id).progress.stage)
    workers.stop()
    now = runs.get(run.id)
    assert (now.status, now.owner) == ("interrupted", None)
    assert runs.get(waiting.id).status == "queued"
    assert jobs.get(job.id).status == "failed" and "interrupted" in (jobs.get(job.id).error or "")
    if isolation == "process":
        assert not alive(f"{child_of(workspace, run)}::")
    runs.requeue(run.id)
    start()
    assert ended(runs, waiting).status == "finished"
    at_work(runs, run)


def test_a_server_that_is_killed_takes_its_children_along_and_leaves_runs_to_resume(
    runs: RunStore, workspace: Workspace
):
    run = queue(runs, "deaf")  # it says nothing more, so only the end of its input can tell it
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(workspace.root)])
    at_work(runs, run)
    until(lambda: "pid" in log(workspace, run))
    server.send_signal(signal.SIGKILL)
    server.wait()
    until(lambda: not alive(f"{child_of(workspace, run)}::"))
    assert runs.get(run.id).status == "running"
    assert runs.sweep() == 1
    assert runs.get(run.id).status == "interrupted"


def test_starting_finds_what_a_former_server_left(start: Start, runs: RunStore, jobs: JobStore):
    run = runs.enqueue(RunConfig(dataset="short", backbone="fake"), owner=DEAD)
    job = jobs.submit("import", {"name": "x"})
    jobs.claim(DEAD)
    start()
    assert ended(runs, run).status == "interrupted"
    assert done(jobs, job).status == "failed"


def test_jobs_do_not_wait_behind_training(isolation: str, start: Start, runs: RunStore, jobs: JobStore):
    run = working(runs, start, "endless")
    job = done(jobs, jobs.submit("import", ImportImages(source="", name="꽃 사진")))
    assert job.status == "finished"
    assert job.result_as(dict) == {"draft": "draft-00000001", "name": "꽃 사진"}
    assert runs.get(run.id).status == "running"


def test_jobs_end_in_every_way(start: Start, jobs: JobStore):
    start()
    endless = jobs.submit("endless", {})
    until(lambda: jobs.get(endless.id).progress.stage)
    jobs.cancel(endless.id)
    assert done(jobs, endless).status == "cancelled"
    errors = {kind: done(jobs, jobs.submit(kind, {})).error or "" for kind in ("refusing", "dying", "juggle", "import")}
    assert errors["refusing"] == "The zip is damaged. Make it again."
    assert "signal 11 (SIGSEGV)" in errors["dying"]
    assert errors["juggle"] == "There is no kind of job called 'juggle'. Known: dying, endless, import, refusing."
    assert errors["import"].startswith("What was asked of a job (import) is damaged or of another version of Thaw")
    assert done(jobs, jobs.submit("import", ImportImages(source="", name="after all that"))).status == "finished"


def test_every_gpu_has_a_trainer_and_auto_leaves_the_cpu_alone(start: Start, runs: RunStore):
    endless, named = [queue(runs, "endless") for _ in range(3)], queue(runs, "short", "cpu")
    missing = queue(runs, "short", "cuda:3")
    start(GPUS)
    assert ended(runs, named).device == "cpu"
    assert "There is no device 'cuda:3'" in (ended(runs, missing).error or "")
    for run in endless[:2]:
        at_work(runs, run)
    assert sorted(str(runs.get(run.id).device) for run in endless[:2]) == ["cuda:0", "cuda:1"]
    assert runs.get(endless[2].id).status == "queued"


def test_a_child_that_cannot_be_started_fails_runs_and_jobs_instead_of_keeping_them(
    start: Start, runs: RunStore, jobs: JobStore
):
    missing = "tests.engine.work.no_such_file"
    run, job = queue(runs, "short"), jobs.submit("import", {})
    start(Wiring(executor=missing, tasks=missing, devices=missing))
    assert "no_such_file" in (ended(runs, run).error or "")
    assert "no_such_file" in (done(jobs, job).error or "")
    assert "no_such_file" in runs.devices()[0].why


def test_a_child_that_does_not_answer_a_stop_is_ended(start: Start, runs: RunStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(conversation, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(conversation, "CLOSE_SECONDS", 0.1)
    run, following = queue(runs, "deaf"), queue(runs, "short")
    start()
    at_work(runs, run)
    runs.request(run.id, "stop")
    assert ended(runs, run).status == "stopped"
    assert ended(runs, following).status == "finished"


def test_eight_threads_start_one_set_of_workers(workspace: Workspace, start: Start):
    seen = racing(start)
    assert len({id(workers) for workers in seen}) == 1
    seen[0].stop()
    assert start() is not seen[0]


def test_an_ending_that_cannot_be_written_is_written_later(
    start: Start, runs: RunStore, monkeypatch: pytest.MonkeyPatch
):
    real, refusals = RunStore.finish, [OSError("disk full")]

    def finish(self: RunStore, run_id: str, status: str, error: str | None = None) -> None:
        if refusals:
            raise refusals.pop()
        real(self, run_id, status, error)

    monkeypatch.setattr(RunStore, "finish", finish)
    run = queue(runs, "short")
    start()
    assert ended(runs, run).status == "finished"
