"""A job done here and now, asked for as a page asks."""

import json
from typing import Any

from engine import record_files
from engine.events import Progress, Result
from engine.jobs.tasks import TASKS
from engine.workspace import Workspace


def run_job(workspace: Workspace, kind: str, **arguments: object) -> dict[str, Any]:
    """What the job gives, as the list of jobs keeps it."""
    asked, work = TASKS[kind]
    record = record_files.decode(record_files.encode(arguments), asked, what="The test's question")
    *progress, last = work(workspace, record)
    assert all(isinstance(event, Progress) for event in progress) and isinstance(last, Result)
    return dict(json.loads(last.value))
