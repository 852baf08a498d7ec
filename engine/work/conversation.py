"""Errand: one run or job in the hands of a child, seen from the supervisor; and Seat: the child in whose hands.

Not here: threads and endings (worker), pipes (link).
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from engine.store.database import Json, Rows
from engine.work.child import Wiring
from engine.work.transport import Child, ChildDied, start_child
from engine.workspace import Workspace

POLL_SECONDS = 0.25
PACE_SECONDS = 0.5
GRACE_SECONDS = 60.0
"""A child that says nothing for so long after it was asked to stop is ended."""
CLOSE_SECONDS = 3.0


class Errand:
    """A command, where its events are recorded, and who knows what people ask of it meanwhile."""

    def __init__(
        self,
        command: Json,
        record: Callable[[Json], None],
        requested: Callable[[], str | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.command = command
        self._pace, self._requested, self._clock = Pace(record, clock), requested, clock
        self._forwarded: str | None = None
        self._looked = self._heard = clock()

    def hear(self, event: Json | None) -> None:
        """Take an event, or the news that there is none yet."""
        if event is not None:
            self._heard = self._clock()
            self._pace.take(event)
        self._pace.tick()

    def end(self) -> None:
        """Record what was held back."""
        self._pace.flush()

    def new_request(self) -> str | None:
        """What people ask now and the child has not been told yet; looks twice a second."""
        if self._clock() - self._looked < PACE_SECONDS:
            return None
        self._looked = self._clock()
        request = self._requested()
        news = request if request != self._forwarded else None
        self._forwarded = request
        if news:
            self._heard = self._clock()  # a paused child has been silent for long, and may
        return news

    def deaf(self) -> bool:
        """Whether the child was asked to stop and has been silent for longer than anyone would wait."""
        return self._forwarded in ("stop", "cancel") and self._clock() - self._heard > GRACE_SECONDS


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
        self._greeted = False
        self.devices: Rows = []
        """What the child said it can compute on."""

    def warm(self) -> None:
        """Start a child if there is none, without waiting for it: loading the libraries takes seconds that a run need
        not wait."""
        if self._child is None:
            self._child, self._greeted = start_child(self._workspace, self._wiring), False
        with suppress(
            ChildDied
        ):  # `child` tells whoever wants to use it; one that cannot start must not be started in a loop
            self._greet(self._child, 0)

    def child(self) -> Child:
        """A child that has said hello; ChildDied when it did not live to do so, or everybody is leaving."""
        if self._child is not None and self._greeted and not self._child.alive():
            self.dismiss()  # killed while it had nothing to do
        self.warm()
        assert self._child is not None
        while not self._greeted:
            if self._leaving.is_set():
                raise ChildDied("Thaw is closing.")
            self._greet(self._child, POLL_SECONDS)
        return self._child

    def dismiss(self) -> None:
        """End the child, if there is one; the next call of `child` starts another."""
        if self._child is not None:
            self._child.close(CLOSE_SECONDS)
            self._child = None

    def _greet(self, child: Child, timeout: float) -> None:
        if not self._greeted and (hello := child.next_event(timeout)):
            self.devices, self._greeted = hello["devices"], True
