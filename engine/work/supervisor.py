"""Supervisor: drives one child through one piece of work after the other, and is the error boundary around it.

It writes down what the child says, passes on what people ask, and says what happened when it dies. Not here: threads
(worker), pipes (transport), the child's side.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from engine import record_files
from engine.errors import DEFECT, EngineError
from engine.events import DoJob, Done, Event, Failed, Progress, Result, TrainRun
from engine.store import job_store, run_record, run_store
from engine.store.process_identity import this_process
from engine.work.child import Wiring, write_log
from engine.work.conversation import POLL_SECONDS, Assignment, ChildSlot
from engine.work.transport import ChildDied
from engine.workspace import Workspace

Watch = Callable[[Event], None]
T = TypeVar("T")
_DEAF = "The work did not answer and was ended; what was saved before is kept."
_LOG = logging.getLogger("thaw.worker")


def _ignore(event: Event) -> None:
    """Nobody watches."""


class Supervisor:
    """Its child starts when there is something to do; leave the context, or dismiss the slot, to end it."""

    def __init__(
        self, workspace: Workspace, wiring: Wiring | None = None, leaving: threading.Event | None = None
    ) -> None:
        self.workspace, self.owner = workspace, this_process()
        self._runs, self._jobs = run_store.RunStore(workspace), job_store.JobStore(workspace)
        self._leaving = leaving or threading.Event()
        self.slot = ChildSlot(workspace, wiring or Wiring(), self._leaving)

    def __enter__(self) -> "Supervisor":
        return self

    def __exit__(self, *error: object) -> None:
        self._leaving.set()
        self.slot.dismiss()

    def do_run(self, claimed: run_record.Run, device: str, watch: Watch = _ignore) -> None:
        """Have a claimed run executed and its ending written down. `watch` hears every recorded event."""

        def record(event: Event) -> None:
            self._runs.record(claimed.id, event)
            watch(event)

        if claimed.error:  # its configuration cannot be read by this version
            return self._surely(lambda: self._runs.finish(claimed.id, "failed", claimed.error))
        command = TrainRun(run=claimed.id, device=device)
        match self._drive(Assignment(command, lambda: self._runs.requested(claimed.id)), record):
            case Done(stopped=stopped, message=error):
                status = "stopped" if stopped else "finished"
            case Failed(message=error, traceback=traceback):
                status = "failed"
                if not traceback:  # the child did not live to log it
                    write_log(self.workspace, claimed.id, error)
            case None:
                status, error = "interrupted", run_record.INTERRUPTED
        self._surely(lambda: self._runs.finish(claimed.id, status, error or None))

    def do_job(self, job: job_store.Job) -> None:
        """Have a claimed job done and its ending written down."""
        results: list[str] = ["{}"]

        def record(event: Event) -> None:
            match event:
                case Result(value=value):
                    results.append(value)
                case Progress():
                    self._jobs.record(job.id, event)

        command = DoJob(kind=job.kind, arguments=job.arguments)
        ending = self._drive(Assignment(command, lambda: self._jobs.get(job.id).requested), record)
        error = ending.message or None if ending else job_store.INTERRUPTED
        cancelled = isinstance(ending, Done) and ending.stopped
        self._surely(lambda: self._jobs.finish(job.id, result=results[-1], error=error, cancelled=cancelled))

    def do_job_here(self, kind: str, arguments: object, result: type[T], *, watch: Watch = _ignore) -> T:
        """The result of a job that no list keeps; EngineError with what went wrong."""
        results: list[str] = []

        def record(event: Event) -> None:
            if isinstance(event, Result):
                results.append(event.value)
            watch(event)

        command = DoJob(kind=kind, arguments=record_files.encode(arguments))
        ending = self._drive(Assignment(command, lambda: None), record)
        if ending is None:
            raise KeyboardInterrupt
        if not results or isinstance(ending, Failed):
            raise EngineError(ending.message or "The work ended without a result.")
        return record_files.decode(results[-1], result, what=f"The result of the work ({kind})")

    def _drive(self, assignment: Assignment, record: Callable[[Event], None]) -> Done | Failed | None:
        """Have the child do it and record what it says; how it ended, None when everybody is leaving."""
        healthy = False
        try:
            for event in self._converse(assignment):
                if isinstance(event, Done | Failed):
                    healthy = isinstance(event, Done) or event.healthy
                    return event
                record(event)
        except ChildDied as death:
            return None if self._leaving.is_set() else Failed(message=str(death))
        except KeyboardInterrupt:  # only a command line meets it; the work is kept like that of a server that ends
            self._leaving.set()
        except Exception as error:  # the list of runs cannot be written, or a fault of ours
            _LOG.exception("The worker gave up on %s", assignment.command)
            defect = f"{DEFECT}: {type(error).__name__}: {error}."
            return Failed(message=str(error) if isinstance(error, EngineError) else defect)
        finally:
            if not healthy:
                self.slot.dismiss()  # a native library may be in any state after a fault
        return None

    def _converse(self, assignment: Assignment) -> Iterator[Event]:
        """What is to be recorded, and how it ended at last; nothing more when everybody is leaving."""
        child = self.slot.child()
        child.send(assignment.command)
        while not self._leaving.is_set():
            event = child.next_event(POLL_SECONDS)
            if isinstance(event, Done | Failed):
                yield from assignment.held_back()
                yield event
            else:
                yield from assignment.hear(event)
            if request := assignment.new_request():
                child.send(request)
            if assignment.deaf():
                self.slot.dismiss()
                yield Done(stopped=True, message=_DEAF)

    def _surely(self, finish: Callable[[], None]) -> None:
        """Write an ending down, again and again while the disk is full: no run may be left running."""
        while True:
            try:
                return finish()
            except Exception:
                _LOG.exception("An ending could not be written down; trying again")
                if self._leaving.wait(1.0):
                    return None
