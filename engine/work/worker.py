"""Workers: the threads that get runs and jobs done: one clerk for jobs, one trainer per device.

Not here: driving a child through one piece of work (supervisor).
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

from engine.events import Device
from engine.store import job_store, run_store
from engine.work.child import Wiring
from engine.work.conversation import POLL_SECONDS, ChildSlot
from engine.work.supervisor import Supervisor
from engine.work.transport import ChildDied
from engine.workspace import Workspace

_SWEEP_SECONDS = 10.0
_LOG = logging.getLogger("thaw.worker")


def start(workspace: Workspace, wiring: Wiring | None = None) -> "Workers":
    """The workers of this workspace in this process, started on the first call."""
    registry = _registry()
    with registry.lock:
        workers = registry.by_root.get(workspace.root)
        if workers is None or workers.stopped:
            workers = registry.by_root[workspace.root] = Workers(workspace, wiring or Wiring())
        return workers


class Workers:
    """The threads of one workspace: daemons, which never keep a server from ending; children notice that."""

    def __init__(self, workspace: Workspace, wiring: Wiring) -> None:
        self._workspace, self._wiring = workspace, wiring
        self._runs, self._jobs = run_store.RunStore(workspace), job_store.JobStore(workspace)
        self._leaving = threading.Event()
        self._threads: list[threading.Thread] = []
        self._swept = -_SWEEP_SECONDS
        self._begin("clerk", self._next_job)
        atexit.register(self.stop)

    @property
    def stopped(self) -> bool:
        return self._leaving.is_set()

    def stop(self, patience: float = 15.0) -> None:
        """End all children and wait until their work is written down as interrupted; it can be resumed."""
        self._leaving.set()
        deadline = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        atexit.unregister(self.stop)

    def wait(self) -> None:
        """Block until the workers are stopped."""
        self._leaving.wait()

    def _begin(self, name: str, once: Callable[[Supervisor], bool]) -> None:
        thread = threading.Thread(target=self._repeat, args=(once,), name=f"thaw-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _repeat(self, once: Callable[[Supervisor], bool]) -> None:
        """Do `once` until leaving, resting when there was nothing to do. A fault never ends the thread."""
        with Supervisor(self._workspace, self._wiring, self._leaving) as supervisor:
            while not self._leaving.is_set():
                busy = False
                try:
                    busy = once(supervisor)
                except Exception:
                    _LOG.exception("The worker hit a fault and goes on")
                if not busy:
                    self._leaving.wait(POLL_SECONDS)

    def _next_job(self, supervisor: Supervisor) -> bool:
        if time.monotonic() - self._swept >= _SWEEP_SECONDS:  # a command line may have been killed
            self._swept = time.monotonic()
            self._runs.sweep()
            self._jobs.sweep()
        if len(self._threads) == 1:
            self._hire(supervisor.slot)
        job = self._jobs.claim(supervisor.owner)
        if job is not None:
            supervisor.do_job(job)
        return job is not None

    def _next_run(self, supervisor: Supervisor, *, device: str, warm: bool) -> bool:
        if warm:  # where most runs go; the others cost no memory before they are used
            supervisor.slot.warm()
        run = self._runs.claim(device, supervisor.owner)
        if run is not None:
            supervisor.do_run(run, device)
        return run is not None

    def _hire(self, slot: ChildSlot) -> None:
        """Announce the devices the child has, and start a trainer for each."""
        try:
            slot.child()
            devices = slot.devices
        except ChildDied as death:
            slot.dismiss()
            if self._leaving.is_set():
                return
            devices = (Device(device="cpu", name="CPU", memory_bytes=0, why=str(death)),)
        self._runs.announce(devices)
        for entry in devices:
            self._begin(entry.device, partial(self._next_run, device=entry.device, warm=entry is devices[0]))


class _Registry(ModuleType):
    """Lives in sys.modules, so that reloading this file, as a dashboard may, starts no second set of workers."""

    def __init__(self) -> None:
        super().__init__("thaw_workers")
        self.lock = threading.Lock()
        self.by_root: dict[Path, Workers] = {}


def _registry() -> _Registry:
    return cast(_Registry, sys.modules.setdefault("thaw_workers", _Registry()))
