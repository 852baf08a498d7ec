"""Errand: one run or job in the hands of a child, seen from the supervisor; and Seat: the child in whose hands.

Not here: threads and endings (worker), pipes (link).
"""

import threading
import time
from collections.abc import Callable

from engine.runs.child import Wiring
from engine.runs.database import Json, Rows
from engine.runs.link import Child, ChildDied, start_child
from engine.workspace import Workspace

POLL_SECONDS = 0.25
PACE_SECONDS = 0.5
GRACE_SECONDS = 60.0
"""A child that says nothing for so long after it was asked to stop is ended."""
CLOSE_SECONDS = 3.0


class Errand:
    """A command, where its events are recorded, and who knows what people ask of it meanwhile."""

    def __init__(self, command: Json, record: Callable[[Json], None], requested: Callable[[], str | None]) -> None:
        self.command = command
        self._pace, self._requested = Pace(record), requested
        self._forwarded: str | None = None
        self._looked = self._heard = time.monotonic()

    def hear(self, event: Json | None) -> None:
        """Take an event, or the news that there is none yet."""
        if event is not None:
            self._heard = time.monotonic()
            self._pace.take(event)
        self._pace.tick()

    def end(self) -> None:
        """Record what was held back."""
        self._pace.flush()

    def new_request(self) -> str | None:
        """What people ask now and the child has not been told yet; looks twice a second."""
        if time.monotonic() - self._looked < PACE_SECONDS:
            return None
        self._looked = time.monotonic()
        request = self._requested()
        news = request if request != self._forwarded else None
        self._forwarded = request
        return news

    def deaf(self) -> bool:
        """Whether the child was asked to stop and has been silent for longer than anyone would wait."""
        return self._forwarded in ("stop", "cancel") and time.monotonic() - self._heard > GRACE_SECONDS


class Pace:
    """Records events in order, but of steps and stages, which only replace one another, at most two a second."""

    def __init__(self, record: Callable[[Json], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._record, self._clock = record, clock
        self._held: Json | None = None
        self._recorded = -PACE_SECONDS

    def take(self, event: Json) -> None:
        if event["event"] in ("step", "progress") and "paused" not in event:
            self._held = event
            return
        if event["event"] != "epoch":  # an epoch says more than the step before it
            self.flush()
        self._held = None
        self._record(event)

    def tick(self) -> None:
        if self._clock() - self._recorded >= PACE_SECONDS:
            self.flush()

    def flush(self) -> None:
        if self._held is not None:
            held, self._held, self._recorded = self._held, None, self._clock()
            self._record(held)


class Seat:
    """One child at a time: started when it is needed, replaced when it died."""

    def __init__(self, workspace: Workspace, wiring: Wiring, leaving: threading.Event) -> None:
        self._workspace, self._wiring, self._leaving = workspace, wiring, leaving
        self._child: Child | None = None
        self.devices: Rows = []
        """What the child said it can compute on."""

    def child(self) -> Child:
        """A child that has said hello; ChildDied when it did not live to do so, or everybody is leaving."""
        if self._child is None:
            self._child = start_child(self._workspace, self._wiring)
            while (hello := self._child.next_event(POLL_SECONDS)) is None:
                if self._leaving.is_set():
                    raise ChildDied("Thaw is closing.")
            self.devices = hello["devices"]
        return self._child

    def dismiss(self) -> None:
        """End the child, if there is one; the next call of `child` starts another."""
        if self._child is not None:
            self._child.close(CLOSE_SECONDS)
            self._child = None
