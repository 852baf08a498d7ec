"""Supervisor: drives one child through one piece of work after the other, and is the error boundary around it.

It writes down what the child says, passes on what people ask, and says what happened when it dies. The dashboard's
workers have one each; a command has one of its own. Not here: threads (worker), pipes (link), the child's side (child).
"""

import logging
import threading
from collections.abc import Callable

from engine.errors import EngineError
from engine.store import job_store, run, run_store
from engine.store.database import Json
from engine.store.process_identity import this_process
from engine.work.child import Wiring, write_log
from engine.work.conversation import POLL_SECONDS, Errand, Seat
from engine.work.transport import ChildDied
from engine.workspace import Workspace

Watch = Callable[[Json], None]
_DEAF = "The work did not answer and was ended; what was saved before is kept."
_LOG = logging.getLogger("thaw.worker")


def _ignore(event: Json) -> None:
    """Nobody watches."""


class Supervisor:
    """Holds a seat for a child, which starts when there is something to do; leave the context, or dismiss the seat, to
    end it."""

    def __init__(
        self, workspace: Workspace, wiring: Wiring | None = None, leaving: threading.Event | None = None
    ) -> None:
        self.workspace, self.owner = workspace, this_process()
        self._runs, self._jobs = run_store.RunStore(workspace), job_store.JobStore(workspace)
        self._leaving = leaving or threading.Event()
        self.seat = Seat(workspace, wiring or Wiring(), self._leaving)

    def __enter__(self) -> "Supervisor":
        return self

    def __exit__(self, *error: object) -> None:
        self._leaving.set()
        self.seat.dismiss()

    def do_run(self, claimed: run.Run, device: str, watch: Watch = _ignore) -> None:
        """Have a claimed run executed and its ending written down, whatever it is. `watch` hears every recorded
        event."""

        def record(event: Json) -> None:
            self._runs.record(claimed.id, event)
            watch(event)

        if claimed.error:  # its configuration cannot be read by this version
            return self._surely(lambda: self._runs.finish(claimed.id, "failed", claimed.error))
        errand = Errand(
            {"do": "run", "run": claimed.id, "device": device}, record, lambda: self._runs.requested(claimed.id)
        )
        ending = self._drive(errand)
        if ending["event"] == "died":
            write_log(self.workspace, claimed.id, ending["message"])
        status = {"left": "interrupted", "done": "stopped" if ending.get("stopped") else "finished"}.get(
            ending["event"], "failed"
        )
        error = run.INTERRUPTED if status == "interrupted" else ending.get("message")
        self._surely(lambda: self._runs.finish(claimed.id, status, error))

    def do_job(self, job: job_store.Job) -> None:
        """Have a claimed job done and its ending written down."""
        results: list[Json] = [{}]

        def record(event: Json) -> None:
            body = {key: value for key, value in event.items() if key != "event"}
            if event["event"] == "result":
                results.append(body)
            elif event["event"] == "progress":
                self._jobs.record(job.id, body)

        command = {"do": "job", "kind": job.kind, "arguments": job.arguments}
        ending = self._drive(Errand(command, record, lambda: self._jobs.get(job.id).requested))
        error = job_store.INTERRUPTED if ending["event"] == "left" else ending.get("message")
        cancelled = bool(ending.get("stopped"))
        self._surely(lambda: self._jobs.finish(job.id, result=results[-1], error=error, cancelled=cancelled))

    def do_job_here(self, kind: str, arguments: Json, watch: Watch = _ignore) -> Json:
        """Have a job done that nobody else needs to know of, and return its result; EngineError with what went
        wrong."""
        results: list[Json] = []

        def record(event: Json) -> None:
            if event["event"] == "result":
                results.append(event)
            watch(event)

        ending = self._drive(Errand({"do": "job", "kind": kind, "arguments": arguments}, record, lambda: None))
        if ending["event"] == "left":
            raise KeyboardInterrupt
        if not results or ending["event"] != "done":
            raise EngineError(ending.get("message") or "The work ended without a result.")
        return results[-1]

    def _drive(self, errand: Errand) -> Json:
        """Have the child do the errand. Returns how it ended: done, error (with a message), died (likewise) or left."""
        try:
            ending = self._converse(errand)
        except ChildDied as death:
            ending = {"event": "left"} if self._leaving.is_set() else {"event": "died", "message": str(death)}
        except (
            KeyboardInterrupt
        ):  # only a command line meets it; what was under way is kept like a run whose server ends
            self._leaving.set()
            ending = {"event": "left"}
        except Exception as error:  # the list of runs cannot be written, or a fault of ours
            _LOG.exception("The worker gave up on %s", errand.command)
            message = (
                str(error) if isinstance(error, EngineError) else f"Thaw hit a defect: {type(error).__name__}: {error}."
            )
            ending = {"event": "error", "message": message, "healthy": False}
        if ending["event"] != "done" and not ending.get("healthy"):
            self.seat.dismiss()  # a native library may be in any state after a fault; the next work gets a fresh child
        return ending

    def _converse(self, errand: Errand) -> Json:
        child = self.seat.child()
        child.send(errand.command)
        while not self._leaving.is_set():
            event = child.next_event(POLL_SECONDS)
            if event is not None and event["event"] in ("done", "error"):
                errand.end()
                return event
            errand.hear(event)
            if request := errand.new_request():
                child.send({"do": request})
            if errand.deaf():
                self.seat.dismiss()
                return {"event": "done", "stopped": True, "message": _DEAF}
        return {"event": "left"}

    def _surely(self, finish: Callable[[], None]) -> None:
        """Write an ending down, again and again while the disk is full: a run must not be left running with nobody at
        it."""
        while True:
            try:
                return finish()
            except Exception:
                _LOG.exception("An ending could not be written down; trying again")
                if self._leaving.wait(1.0):
                    return None
