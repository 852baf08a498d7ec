"""Work in several threads at once, and owners that live or are dead."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from engine.store.process_identity import this_process

T = TypeVar("T")
ME = this_process()
PID, START, BOOT = ME.split(":")
DEAD = f"{PID}:{int(START) - 1}:{BOOT}"  # our own number, worn by an earlier process


def racing(work: Callable[[], T]) -> list[T]:
    """What `work` gives in each of eight threads that begin together; what it raises is raised here."""
    gate = threading.Barrier(8)

    def begin() -> T:
        gate.wait()
        return work()

    with ThreadPoolExecutor(8) as pool:
        return [future.result() for future in [pool.submit(begin) for _ in range(8)]]
