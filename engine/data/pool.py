"""Pool: an ordered parallel map with bounded memory, for work that releases the interpreter lock (decoding images).

Closing the generator cancels what has not begun, so a cancelled import stops within one image per thread.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Progress = Callable[[str, int, int], None]
"""progress(stage, done, total), called by whoever works; it may raise to cancel."""
Item = TypeVar("Item")
Result = TypeVar("Result")


def silent(stage: str, done: int, total: int) -> None:
    """A Progress that tells nobody."""


def threads() -> int:
    """Decoding threads that suit this machine."""
    return max(2, min(8, os.cpu_count() or 1))


def ordered(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int | None = None
) -> Generator[Result]:
    """`map(function, items)` computed by threads, in order, never more than two results per thread ahead of the
    consumer."""
    count = workers or threads()
    pending: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(count, thread_name_prefix="decode")
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= 2 * count:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
