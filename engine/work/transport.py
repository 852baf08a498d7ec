"""The supervisor's end of a child: start it, tell it, hear it, know how it died.

Not here: what is made of the answers (supervisor), and the child's own side (child).
"""

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, TypeVar

from engine import record_files
from engine.errors import EngineError
from engine.events import COMMANDS, EVENTS, Command, Event
from engine.work.child import ChildLoop, Commands, Wiring, arguments
from engine.workspace import Workspace

T = TypeVar("T")
_PROJECT = Path(__file__).resolve().parents[2]
SHORT_WAITS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "2000"}
"""Threads that wait for another spin for a tenth of a millisecond, not for twenty: beside a busy program spinning takes
the time that the other thread waits for. Alone it costs nothing that was measured."""
_CAUSES: dict[int, str] = {
    signal.SIGKILL: "was killed by the system (signal 9): probably out of memory. Close other programs or choose a "
    "smaller batch size",
    signal.SIGBUS: "was ended by signal 7 (SIGBUS): probably no room left on the disk or in shared memory. Make room",
    signal.SIGTERM: "was ended from outside (signal 15)",
}


class ChildDied(Exception):
    """The child is gone; str(error) is a sentence with the probable cause."""


def start_child(workspace: Workspace, wiring: Wiring) -> "Child":
    """A child as $THAW_ISOLATION says: "thread", or else a process, whose crash ends the child only."""
    kind = ThreadChild if os.environ.get("THAW_ISOLATION") == "thread" else ProcessChild
    return kind(workspace, wiring)


class ProcessChild:
    """A child process in a session of its own, so that Ctrl+C in the terminal reaches the server first."""

    def __init__(self, workspace: Workspace, wiring: Wiring) -> None:
        self._process = subprocess.Popen(
            arguments(workspace, wiring),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            cwd=_PROJECT,
            env=SHORT_WAITS | os.environ,
            start_new_session=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin, self._events = self._process.stdin, SimpleQueue[Event | None]()
        self._reader = threading.Thread(target=_pump, args=(self._process.stdout, self._events), daemon=True)
        self._reader.start()

    def send(self, command: Command) -> None:
        """Tell the child something; when it is gone, `next_event` is what says so."""
        with suppress(OSError):
            self._stdin.write(record_files.encode(command) + "\n")
            self._stdin.flush()

    def next_event(self, timeout: float) -> Event | None:
        """The next event, or None when there was none for `timeout` seconds; ChildDied after the last one."""
        return _next(self._events, timeout, self._how_it_died)

    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self, patience: float) -> None:
        """End of file asks it to go; whoever stays longer than `patience` seconds is killed."""
        with suppress(OSError):
            self._stdin.close()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def _how_it_died(self) -> str:
        code = self._process.wait()
        if code >= 0:
            return f"The process that did the work ended by itself (exit status {code}); its output says why."
        name = signal.Signals(-code).name if -code in set(signal.Signals) else "unknown"
        cause = _CAUSES.get(-code) or f"was ended by signal {-code} ({name}): a fault in native code"
        return f"The process that did the work {cause}. What was saved before is kept."


class ThreadChild:
    """The same loop in a thread: quick to start, easy to debug, but a crash takes the server along."""

    def __init__(self, workspace: Workspace, wiring: Wiring) -> None:
        self._commands: Commands = SimpleQueue()
        self._events: SimpleQueue[Event | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, args=(workspace, wiring), daemon=True)
        self._thread.start()

    def send(self, command: Command) -> None:
        self._commands.put(_over_the_pipe(command, COMMANDS))

    def next_event(self, timeout: float) -> Event | None:
        return _next(self._events, timeout, lambda: "The thread that did the work ended.")

    def alive(self) -> bool:
        return self._thread.is_alive()

    def close(self, patience: float) -> None:
        self._commands.put(None)
        self._thread.join(patience)

    def _serve(self, workspace: Workspace, wiring: Wiring) -> None:
        try:
            ChildLoop(workspace=workspace, wiring=wiring, commands=self._commands, emit=self._emit).serve()
        finally:
            self._events.put(None)

    def _emit(self, event: Event) -> None:
        self._events.put(_over_the_pipe(event, EVENTS))


Child = ProcessChild | ThreadChild


def _over_the_pipe(told: T, kind: type[T]) -> T:
    """`told` as a process would hear it."""
    return record_files.decode(record_files.encode(told), kind, what="What is told")


def _next(events: "SimpleQueue[Event | None]", timeout: float, how_it_died: Callable[[], str]) -> Event | None:
    try:
        event = events.get(timeout=timeout)
    except Empty:
        return None
    if event is None:
        events.put(None)  # whoever asks again hears it again
        raise ChildDied(how_it_died())
    return event


def _pump(stdout: IO[str], events: "SimpleQueue[Event | None]") -> None:
    """Move lines to the queue as they come. A line that was cut off by a death is no event."""
    with stdout:
        for line in stdout:
            with suppress(EngineError):
                events.put(record_files.decode(line, EVENTS, what="An event"))
    events.put(None)
