"""Progress: work that reports through a callback, driven as a generator of events.

Closing the generator cancels: the next report raises Cancelled inside the work, which cleans up and ends.
"""

import queue
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import TypeVar

from engine.errors import EngineError
from engine.events import Progress

Result = TypeVar("Result")
Report = Callable[[str, int, int], None]
"""report(stage, done, total)"""


class Cancelled(EngineError):
    """The person who asked for this work has withdrawn the wish."""


def reported(work: Callable[[Report], Result]) -> Generator[Progress, None, Result]:
    """Run `work(report)` in a thread, yield an event for each report, return its result or raise its error."""
    events: queue.Queue[Progress | None] = queue.Queue(maxsize=100)
    cancelled = threading.Event()
    outcome: Future[Result] = Future()

    def report(stage: str, done: int, total: int) -> None:
        if cancelled.is_set():
            raise Cancelled("Cancelled.")
        events.put(Progress(stage=stage, done=done, total=total))

    def run() -> None:
        try:
            outcome.set_result(work(report))
        except BaseException as error:  # raised in the caller's thread
            outcome.set_exception(error)
        events.put(None)

    thread = threading.Thread(target=run, name="reported work", daemon=True)
    thread.start()
    ended = False
    try:
        while (event := events.get()) is not None:
            yield event
        ended = True
    finally:
        cancelled.set()
        while not ended and events.get() is not None:
            pass  # make room, so that the work meets its next report
        thread.join()
    return outcome.result()
