"""Resources: the workspace, its stores, and files of it that are read again only when they have changed.

Not here: any state of a person's session; that lives in widgets and in the address bar.
"""

import os
from collections.abc import Callable
from functools import cache, lru_cache, wraps
from pathlib import Path
from typing import TypeVar

from engine.comparisons.comparison_store import ComparisonStore
from engine.store.job_store import JobStore
from engine.store.run_store import RunStore
from engine.workspace import Workspace, open_workspace

T = TypeVar("T")


def workspace() -> Workspace:
    return _workspace(os.environ.get("THAW_WORKSPACE", ""))


def run_store() -> RunStore:
    return RunStore(workspace())


def comparison_store() -> ComparisonStore:
    return ComparisonStore(workspace())


def job_store() -> JobStore:
    return JobStore(workspace())


def kept_by_file(read: Callable[[Path], T]) -> Callable[[Path], T]:
    """`read`, whose last results are kept until their files change. Callers must not change them."""
    kept = lru_cache(maxsize=16)(lambda path, modified_ns: read(path))
    return wraps(read)(lambda path: kept(path, path.stat().st_mtime_ns))


@cache
def _workspace(root: str) -> Workspace:
    return open_workspace(root or None)
