"""Jobs are done once, can be called off, and do not outlive their owner unnoticed."""

import pytest

from engine.errors import RunError
from engine.events import Progress
from engine.record_files import encode
from engine.store.job_store import JobStore
from engine.workspace import Workspace
from tests.engine.store.racing import DEAD, ME, racing


@pytest.fixture
def jobs(workspace: Workspace) -> JobStore:
    return JobStore(workspace)


def test_a_job_from_submission_to_result(jobs: JobStore):
    arguments, result = {"source": "upload-00000001", "name": "꽃"}, {"draft": "draft-00000001"}
    job = jobs.submit("import", arguments)
    assert (job.status, job.progress, job.ended) == ("queued", Progress(), False)
    claimed = jobs.claim(ME)
    assert claimed is not None and claimed.id == job.id
    assert claimed.arguments_as(dict) == arguments
    assert claimed.arguments_as(int) is None and claimed.result_as(dict) is None
    reading = Progress(stage="Reading", done=1, total=2)
    jobs.record(job.id, reading)
    assert jobs.get(job.id).progress == reading
    jobs.finish(job.id, result=encode(result))
    assert jobs.get(job.id).status == "finished" and jobs.get(job.id).result_as(dict) == result


def test_the_newest_is_the_latest_of_its_kind_with_these_arguments(jobs: JobStore):
    arguments = {"run": "run-00000001", "class": "꽃"}
    jobs.submit("explain", arguments)
    wanted = jobs.submit("explain", dict(reversed(arguments.items())))
    jobs.submit("explain", {**arguments, "class": "cat"})
    jobs.submit("predict", arguments)
    found = jobs.newest("explain", arguments)
    assert found is not None and found.id == wanted.id
    assert jobs.newest("explain", {}) is None


def test_jobs_are_claimed_oldest_first_and_listed_newest_first(jobs: JobStore):
    first, second, third = jobs.submit("import", {}), jobs.submit("predict", {}), jobs.submit("import", {})
    assert [job.id for job in jobs.list()] == [third.id, second.id, first.id]
    assert [job.id for job in jobs.list("import")] == [third.id, first.id]
    assert [claimed.id for _ in range(3) if (claimed := jobs.claim(ME))] == [first.id, second.id, third.id]
    assert jobs.claim(ME) is None


def test_eight_threads_share_the_jobs_without_doing_one_twice(jobs: JobStore):
    submitted = [jobs.submit("predict", {}).id for _ in range(16)]
    claimed = racing(lambda: [job.id for job in iter(lambda: jobs.claim(ME), None)])
    assert sorted(job for jobs_of_one in claimed for job in jobs_of_one) == sorted(submitted)


def test_cancel_ends_a_queued_job_and_asks_a_running_one(jobs: JobStore):
    queued, running = jobs.submit("import", {}), jobs.submit("import", {})
    jobs.cancel(queued.id)
    assert jobs.get(queued.id).status == "cancelled"
    claimed = jobs.claim(ME)
    assert claimed is not None and claimed.id == running.id
    jobs.cancel(running.id)
    asked = jobs.get(running.id)
    assert (asked.status, asked.requested) == ("running", "cancel")
    jobs.finish(running.id, cancelled=True)
    jobs.cancel(running.id)
    ended = jobs.get(running.id)
    assert (ended.status, ended.requested) == ("cancelled", None)


def test_an_ended_job_keeps_its_end(jobs: JobStore):
    job = jobs.submit("import", {})
    jobs.claim(ME)
    jobs.finish(job.id, error="The zip is damaged.")
    jobs.finish(job.id, result="{}")
    jobs.record(job.id, Progress(stage="late"))
    ended = jobs.get(job.id)
    assert (ended.status, ended.error) == ("failed", "The zip is damaged.")
    assert (ended.result, ended.progress) == (None, Progress())


def test_a_failure_is_unread_until_somebody_has_understood_it(jobs: JobStore):
    failed, fine = jobs.submit("import", {}), jobs.submit("import", {})
    for job in (failed, fine):
        jobs.claim(ME)
        jobs.finish(job.id, error="The zip is damaged." if job is failed else None)
    assert [jobs.get(job.id).unread for job in (failed, fine)] == [True, False]
    for job in (failed, fine):
        jobs.understood(job.id)
    assert not jobs.get(failed.id).unread and jobs.get(fine.id).requested is None


def test_sweep_fails_the_jobs_of_the_dead(jobs: JobStore):
    theirs, mine = jobs.submit("import", {}), jobs.submit("import", {})
    jobs.claim(DEAD)
    jobs.claim(ME)
    assert jobs.sweep() == 1
    assert (jobs.get(theirs.id).status, jobs.get(mine.id).status) == ("failed", "running")
    assert "interrupted" in (jobs.get(theirs.id).error or "")


def test_an_unknown_job_is_named(jobs: JobStore):
    with pytest.raises(RunError, match="'job-x'"):
        jobs.get("job-x")
