"""Workers: the threads that see to it that runs and jobs get done: one clerk for jobs, one trainer per device.

Each drives a child, writes down what it says, passes on what people ask, and says what happened when it dies. The
error boundary is here and in the child. Not here: the work itself (pipeline, tasks).
"""

import atexit
import logging
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import cast

from engine.errors import EngineError
from engine.runs import jobs, run, store
from engine.runs.child import Wiring, write_log
from engine.runs.database import Json
from engine.runs.errand import POLL_SECONDS, Errand, Seat
from engine.runs.link import ChildDied
from engine.runs.owners import this_process
from engine.workspace import Workspace

_SWEEP_SECONDS = 10.0
_DEAF = "The work did not answer and was ended; what was saved before is kept."
_LOG = logging.getLogger("thaw.worker")


def start(workspace: Workspace, wiring: Wiring | None = None) -> "Workers":
    """The workers of this workspace in this process, started by whoever asks first. Cheap to call again."""
    registry = _registry()
    with registry.lock:
        workers = registry.by_root.get(workspace.root)
        if workers is None or workers.stopped:
            workers = registry.by_root[workspace.root] = Workers(workspace, wiring or Wiring())
        return workers


class Workers:
    """The threads of one workspace. Threads are daemons: they never keep a server from ending, and children notice that."""

    def __init__(self, workspace: Workspace, wiring: Wiring) -> None:
        self._workspace, self._wiring, self._owner = workspace, wiring, this_process()
        self._runs, self._jobs = store.RunStore(workspace), jobs.JobStore(workspace)
        self._leaving = threading.Event()
        self._threads: list[threading.Thread] = []
        self._begin("clerk", self._clerk)
        atexit.register(self.stop)

    @property
    def stopped(self) -> bool:
        return self._leaving.is_set()

    def stop(self, patience: float = 15.0) -> None:
        """End all children; what they were at becomes interrupted and can be resumed. Waits until that is written down."""
        self._leaving.set()
        deadline = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        atexit.unregister(self.stop)

    def wait(self) -> None:
        """Block until somebody stops the workers: for a worker without a dashboard."""
        self._leaving.wait()

    def _begin(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name=f"thaw-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _clerk(self) -> None:
        seat = Seat(self._workspace, self._wiring, self._leaving)
        swept = -_SWEEP_SECONDS

        def once() -> bool:
            nonlocal swept
            if time.monotonic() - swept >= _SWEEP_SECONDS:  # a command line beside us may have been killed
                swept = time.monotonic()
                self._runs.sweep()
                self._jobs.sweep()
            if len(self._threads) == 1:
                self._hire(seat)
            job = self._jobs.claim(self._owner)
            if job is not None:
                self._do_job(seat, job)
            return job is not None

        self._repeat(once, seat)

    def _hire(self, seat: Seat) -> None:
        """Ask the child what devices there are, tell everyone, and start a trainer for each."""
        try:
            seat.child()
            devices = seat.devices
        except ChildDied as death:
            seat.dismiss()
            if self._leaving.is_set():
                return
            devices = [{"device": "cpu", "name": "CPU", "memory_bytes": 0, "why": str(death)}]
        self._runs.announce(devices)
        for about in devices:
            self._begin(about["device"], partial(self._trainer, about["device"], warm=about is devices[0]))

    def _trainer(self, device: str, *, warm: bool) -> None:
        seat = Seat(self._workspace, self._wiring, self._leaving)

        def once() -> bool:
            if warm:  # where most runs go; the others cost no memory before they are used
                seat.warm()
            claimed = self._runs.claim(device, self._owner)
            if claimed is not None:
                self._do_run(seat, claimed, device)
            return claimed is not None

        self._repeat(once, seat)

    def _repeat(self, once: Callable[[], bool], seat: Seat) -> None:
        """Do `once` until leaving, resting when there was nothing to do. A fault in it is logged and never ends the thread."""
        try:
            while not self._leaving.is_set():
                try:
                    busy = once()
                except Exception:
                    _LOG.exception("The worker hit a fault and goes on")
                    busy = False
                if not busy:
                    self._leaving.wait(POLL_SECONDS)
        finally:
            seat.dismiss()

    def _do_run(self, seat: Seat, claimed: run.Run, device: str) -> None:
        def record(event: Json) -> None:
            self._runs.record(claimed.id, event)

        if claimed.error:  # its configuration cannot be read by this version
            return self._surely(lambda: self._runs.finish(claimed.id, "failed", claimed.error))
        errand = Errand({"do": "run", "run": claimed.id, "device": device}, record, lambda: self._runs.requested(claimed.id))
        ending = self._drive(seat, errand)
        if ending["event"] == "died":
            write_log(self._workspace, claimed.id, ending["message"])
        status = {"left": "interrupted", "done": "stopped" if ending.get("stopped") else "finished"}.get(ending["event"], "failed")
        error = run.INTERRUPTED if status == "interrupted" else ending.get("message")
        self._surely(lambda: self._runs.finish(claimed.id, status, error))

    def _do_job(self, seat: Seat, job: jobs.Job) -> None:
        results: list[Json] = [{}]

        def record(event: Json) -> None:
            body = {key: value for key, value in event.items() if key != "event"}
            if event["event"] == "result":
                results.append(body)
            elif event["event"] == "progress":
                self._jobs.record(job.id, body)

        command = {"do": "job", "kind": job.kind, "arguments": job.arguments}
        ending = self._drive(seat, Errand(command, record, lambda: self._jobs.get(job.id).requested))
        error = jobs.INTERRUPTED if ending["event"] == "left" else ending.get("message")
        cancelled = bool(ending.get("stopped"))
        self._surely(lambda: self._jobs.finish(job.id, result=results[-1], error=error, cancelled=cancelled))

    def _drive(self, seat: Seat, errand: Errand) -> Json:
        """Have the child do the errand. Returns how it ended: done, error (with a message), died (likewise) or left."""
        try:
            ending = self._converse(seat, errand)
        except ChildDied as death:
            ending = {"event": "left"} if self._leaving.is_set() else {"event": "died", "message": str(death)}
        except Exception as error:  # the list of runs cannot be written, or a fault of ours
            _LOG.exception("The worker gave up on %s", errand.command)
            message = str(error) if isinstance(error, EngineError) else f"Thaw hit a defect: {type(error).__name__}: {error}."
            ending = {"event": "error", "message": message, "healthy": False}
        if ending["event"] != "done" and not ending.get("healthy"):
            seat.dismiss()  # a native library may be in any state after a fault; the next errand gets a fresh child
        return ending

    def _converse(self, seat: Seat, errand: Errand) -> Json:
        child = seat.child()
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
                seat.dismiss()
                return {"event": "done", "stopped": True, "message": _DEAF}
        return {"event": "left"}

    def _surely(self, finish: Callable[[], None]) -> None:
        """Write an ending down, again and again while the disk is full: a run must not be left running with nobody at it."""
        while True:
            try:
                return finish()
            except Exception:
                _LOG.exception("An ending could not be written down; trying again")
                if self._leaving.wait(1.0):
                    return None


class _Registry(ModuleType):
    """Lives in sys.modules, so that reloading this file, as a dashboard may, starts no second set of workers."""

    def __init__(self) -> None:
        super().__init__("thaw_workers")
        self.lock = threading.Lock()
        self.by_root: dict[Path, Workers] = {}


def _registry() -> _Registry:
    return cast(_Registry, sys.modules.setdefault("thaw_workers", _Registry()))
