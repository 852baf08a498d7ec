"""Conversation: work in the hands of a child, seen from the supervisor, and the slot that holds the child.

Not here: what is made of the events (supervisor), threads (worker), pipes (transport).
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from engine.events import Ask, Command, Device, Epoch, Event, Hello, Prepare, Progress, Step
from engine.work.child import Wiring
from engine.work.transport import Child, ChildDied, start_child
from engine.workspace import Workspace

POLL_SECONDS = 0.25
PACE_SECONDS = 0.5
GRACE_SECONDS = 60.0
"""A child that says nothing for so long after it was asked to stop is ended."""
CLOSE_SECONDS = 3.0


class Assignment:
    """A command, which of its events are recorded, and what people ask of it meanwhile.

    Events are recorded in order, but of steps and stages, which only replace one another, at most two a second.
    """

    def __init__(
        self, command: Command, requested: Callable[[], str | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.command = command
        self._requested, self._clock = requested, clock
        self._held: Event | None = None
        self._forwarded: str | None = None
        self._recorded = -PACE_SECONDS
        self._looked = self._heard = clock()

    def hear(self, event: Event | None) -> list[Event]:
        """Take an event, or the news that there is none yet; what is to be recorded now."""
        if event is not None:
            self._heard = self._clock()
        if isinstance(event, Step | Progress):
            self._held, event = event, None
        elif isinstance(event, Epoch):  # it says more than the step before it
            self._held = None
        if event is not None:
            return [*self.held_back(), event]
        return self.held_back() if self._clock() - self._recorded >= PACE_SECONDS else []

    def held_back(self) -> list[Event]:
        """The step or stage that was not recorded yet, if there is one."""
        if self._held is None:
            return []
        held, self._held, self._recorded = self._held, None, self._clock()
        return [held]

    def new_request(self) -> Ask | None:
        """What people ask now and the child has not been told yet; looks twice a second."""
        if self._clock() - self._looked < PACE_SECONDS:
            return None
        self._looked = self._clock()
        before, self._forwarded = self._forwarded, self._requested()
        if self._forwarded in (None, before):
            return None
        self._heard = self._clock()  # a paused child has been silent for long, and may
        return Ask(what=self._forwarded)

    def deaf(self) -> bool:
        """Whether the child was asked to stop and has been silent for longer than anyone would wait."""
        return self._forwarded in ("stop", "cancel") and self._clock() - self._heard > GRACE_SECONDS


class ChildSlot:
    """One child at a time: started when needed, replaced when it died."""

    def __init__(self, workspace: Workspace, wiring: Wiring, leaving: threading.Event) -> None:
        self._workspace, self._wiring, self._leaving = workspace, wiring, leaving
        self._child: Child | None = None
        self._greeted = False
        self.devices: tuple[Device, ...] = ()
        """What the child said it can compute on."""

    def warm(self) -> None:
        """Start a child if there is none and have it load what runs need, without waiting for that."""
        if self._child is None:
            self._child = self._start()
            self._child.send(Prepare())
        with suppress(ChildDied):  # `child` tells whoever wants to use it; here it would be started in a loop
            self._greet(self._child, 0)

    def child(self) -> Child:
        """A child that has said hello; ChildDied when it did not live so long, or everybody is leaving."""
        if self._child is not None and self._greeted and not self._child.alive():
            self.dismiss()  # killed while it had nothing to do
        child = self._child = self._child or self._start()
        while not self._greeted:
            if self._leaving.is_set():
                raise ChildDied("Thaw is closing.")
            self._greet(child, POLL_SECONDS)
        return child

    def dismiss(self) -> None:
        """End the child, if there is one; the next call of `child` starts another."""
        if self._child is not None:
            self._child.close(CLOSE_SECONDS)
            self._child = None

    def _start(self) -> Child:
        self._greeted = False
        return start_child(self._workspace, self._wiring)

    def _greet(self, child: Child, timeout: float) -> None:
        if not self._greeted and isinstance(hello := child.next_event(timeout), Hello):
            self.devices, self._greeted = hello.devices, True
