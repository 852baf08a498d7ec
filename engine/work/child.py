"""The child: does runs and jobs away from the server, told by commands, telling by events, one a line.

Every piece of work ends with Done or Failed. Not here: the list of runs is only read, never written.
"""

import errno
import faulthandler
import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import astuple, dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TextIO

from engine import record_files
from engine.devices import is_out_of_memory, keep_memory, release_memory
from engine.errors import DEFECT, EngineError
from engine.events import (
    COMMANDS,
    Ask,
    Command,
    Device,
    DoJob,
    Done,
    Epoch,
    Event,
    Failed,
    Hello,
    Note,
    Paused,
    Prepare,
    TrainRun,
)
from engine.store.run_store import RunStore
from engine.workspace import Workspace, open_workspace

Commands = SimpleQueue[Command | None]
"""What the child is told; None: nobody needs it any more."""
Emit = Callable[[Event], None]
Events = Generator[Event, None, None]
_NICE = 2
"""Little: Linux halves the share of a session with two busy threads as it is, and pages sleep most of the time."""
_GROUP_PRIORITY = Path("/proc/self/autogroup")
_DISK_FULL_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """Names of the modules that do the work: execute and conclude, TASKS, and what devices there are."""

    executor: str = "engine.runs.pipeline"
    tasks: str = "engine.jobs.tasks"
    devices: str = "engine.devices"


class Leave(BaseException):
    """Nobody needs the child any more."""


def main(root: str, wiring: Wiring) -> None:
    """The child as a process: commands on stdin, events on stdout, end of file ends it at once."""
    _give_way()
    keep_memory()
    faulthandler.enable()
    events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # whatever else prints, natively or not, must not mix with the events

    def emit(event: Event) -> None:
        print(record_files.encode(event), file=events, flush=True)

    commands: Commands = SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin, commands), daemon=True).start()
    ChildLoop(workspace=open_workspace(root), wiring=wiring, commands=commands, emit=emit).serve()


def _give_way() -> None:
    """Pages stay quick while training takes what is left. Linux may share cores between sessions first
    (sched_autogroup): the child leads one, and its niceness alone would only order its own threads."""
    os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            _GROUP_PRIORITY.write_text(str(_NICE))


@dataclass(frozen=True, kw_only=True)
class ChildLoop:
    """What the child works with: `commands` come in, what `emit` is given goes out."""

    workspace: Workspace
    wiring: Wiring
    commands: Commands
    emit: Emit

    def serve(self) -> None:
        """Say hello, then do one piece of work after the other until nobody needs the child any more."""
        self.emit(Hello(devices=self._devices()))
        while (command := self.commands.get()) is not None:
            try:
                match command:
                    case TrainRun():
                        self.emit(self._run(command))
                    case DoJob():
                        self.emit(self._job(command))
                    case Prepare():
                        self._prepare()
            except Leave:
                return
            release_memory()  # other processes use the same device, and what the next run takes is measured

    def _devices(self) -> tuple[Device, ...]:
        try:
            devices = import_module(self.wiring.devices)
            devices.set_threads()
            return tuple(devices.available())
        except Exception as error:  # a torch that cannot be loaded must be said on the page, not end the worker
            return (Device(device="cpu", name="CPU", memory_bytes=0, why=f"PyTorch cannot be loaded: {error}"),)

    def _prepare(self) -> None:
        """In idle time, and as far as nobody has asked for anything else."""
        with suppress(Exception):  # the run that needs it says what is wrong
            work = import_module(self.wiring.executor)
            if self.commands.empty():
                work.prepare()

    def _run(self, command: TrainRun) -> Event:
        """Execute one run, conclude it when it was stopped, and return the event that ends it."""
        log = partial(write_log, self.workspace, command.run)

        def tell(event: Event) -> None:
            if line := _log_line(event):
                log(line)
            self.emit(event)

        try:
            work = import_module(self.wiring.executor)
            import_module(self.wiring.devices).set_threads()  # a resumed run may have asked for those it began with
            run = RunStore(self.workspace).get(command.run)
            log(f"{run.name} begins on {command.device}.")
            stopped = self._pull(work.execute(run, self.workspace, device=command.device), tell)
            folder = self.workspace.run(run.id)
            if stopped and any((folder / name).is_file() for name in ("best.safetensors", "checkpoint.pt")):
                log("Stopped. Predicting with the best weights so far.")
                for event in work.conclude(run, self.workspace, device=command.device):
                    tell(event)
        except Leave:
            log("Interrupted: Thaw is closing.")
            raise
        except Exception as error:
            failed = failure(error, self.workspace)
            log(f"{failed.message}\n{failed.traceback}")
            return failed
        log("Stopped." if stopped else "Finished.")
        return Done(stopped=stopped)

    def _job(self, command: DoJob) -> Event:
        kind = command.kind
        try:
            tasks = import_module(self.wiring.tasks).TASKS
            if kind not in tasks:
                raise EngineError(f"There is no kind of job called {kind!r}. Known: {', '.join(sorted(tasks))}.")
            arguments, work = tasks[kind]
            import_module(self.wiring.devices).set_threads()
            asked = record_files.decode(command.arguments, arguments, what=f"What was asked of a job ({kind})")
            return Done(stopped=self._pull(work(self.workspace, asked), self.emit))
        except Exception as error:
            failed = failure(error, self.workspace, details="The terminal that runs Thaw shows the details.")
            if not failed.healthy:
                print(failed.traceback, file=sys.stderr, flush=True)
            return failed

    def _pull(self, events: Events, tell: Emit) -> bool:
        """Pull `events` to their end, or to a stop, which is True. An event that is not pulled is work that is not
        done: that is the pause."""
        with closing(events):
            for event in events:
                tell(event)
                if self._asked_to_stop():
                    return True
        return False

    def _asked_to_stop(self) -> bool:
        """Takes the commands that have come, and waits for more while somebody wants a pause."""
        paused = False
        while True:
            try:
                command = self.commands.get(block=paused)
            except Empty:
                return False
            match command:
                case None:
                    raise Leave
                case Ask(what="stop" | "cancel"):
                    return True
                case Ask(what="pause" | "resume" as what):
                    paused = what == "pause"
                    self.emit(Paused(paused=paused))


def write_log(workspace: Workspace, run_id: str, text: str) -> None:
    """Append lines to the run's log.txt, each with the local time. A log that cannot be written ends nothing."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    try:
        workspace.run(run_id).mkdir(parents=True, exist_ok=True)
        with open(workspace.run(run_id) / "log.txt", "a", encoding="utf-8", errors="backslashreplace") as log:
            log.writelines(f"{stamp} {line}\n" for line in text.splitlines())
    except OSError as error:
        print(f"log.txt of {run_id}: {error}", file=sys.stderr)


def failure(error: Exception, workspace: Workspace, *, details: str = "The log has the details.") -> Failed:
    """The event that ends work with `error`."""
    return Failed(
        message=_sentence(error, workspace, details),
        traceback="".join(traceback.format_exception(error)),
        healthy=isinstance(error, EngineError),
    )


def _sentence(error: Exception, workspace: Workspace, details: str) -> str:
    if isinstance(error, EngineError):
        return str(error)
    if is_out_of_memory(error):
        return "There was not enough memory. Choose a smaller batch size, image size or backbone, and start again."
    free = shutil.disk_usage(workspace.root).free
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    # torch reports a full disk as "unexpected pos"
    if full or (isinstance(error, OSError | RuntimeError) and free < _DISK_FULL_BYTES):
        return f"The disk is full: {free >> 20} MB are free in {workspace.root}. Make room and resume."
    return f"{DEFECT}: {type(error).__name__}: {' '.join(str(error).split())[:300]}. {details}"


def _log_line(event: Event) -> str:
    match event:
        case Note(text=text):
            return text
        case Epoch():
            best = " (best so far)" if event.best else ""
            return f"Epoch {event.epoch} of {event.epochs}: {', '.join(event.scores)}{best}"
    return ""


def _listen(stdin: TextIO, commands: Commands) -> None:
    """The death pact: end of file means that the server is gone, however it went."""
    for line in stdin:
        commands.put(record_files.decode(line, COMMANDS, what="A command"))
    os._exit(0)


def arguments(workspace: Workspace, wiring: Wiring) -> list[str]:
    """The command line that starts this file as a process."""
    return [sys.executable, "-m", "engine.work.child", str(workspace.root), *astuple(wiring)]


if __name__ == "__main__":
    main(sys.argv[1], Wiring(executor=sys.argv[2], tasks=sys.argv[3], devices=sys.argv[4]))
