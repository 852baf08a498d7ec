"""Caches: what is kept of decoded pixels and frozen activations, how much it takes, and how to be rid of it.

Everything here is made again when it is needed. Not here: the budgets (pixels, features), weights and runs.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.cli.printing import say, table
from engine.data.row_file import being_filled, read_header
from engine.errors import EngineError
from engine.work.supervisor import Supervisor
from engine.workspace import Workspace

KINDS = ("pixels", "features")


@dataclass(frozen=True, kw_only=True)
class CacheFile:
    """One file of a cache."""

    kind: str
    dataset: str
    """Name of the dataset; empty for a file that cannot be read."""
    what: str
    """Split and view; for activations also the backbone and the block that reads them."""
    images: int
    size_bytes: int
    used_at: float
    """Seconds since 1970."""
    path: Path


def files(workspace: Workspace, kinds: Sequence[str] = KINDS) -> list[CacheFile]:
    """Every file of the caches `kinds`, the most recently used first; files that are being filled are among them."""
    return sorted(_files(workspace, kinds), key=lambda file: -file.used_at)


def clear(workspace: Workspace, kinds: Sequence[str] = KINDS) -> int:
    """Remove the files of the caches `kinds`; how many bytes went. A run that reads one of them reads on.

    What a run is filling stays; what a crash left hours ago goes.
    """
    removed = 0
    for file in files(workspace, kinds):
        if not being_filled(file.path):
            file.path.unlink(missing_ok=True)
            removed += file.size_bytes
    for kind in kinds:
        for folder in (workspace.root / kind).glob("*/"):
            with suppress(OSError):  # not empty
                folder.rmdir()
    return removed


def cache(chosen: argparse.Namespace, supervisor: Supervisor) -> None:
    """The verb: list, or clear one cache or all."""
    if chosen.clear is None:
        rows = [
            {**asdict(file), "path": str(file.path), "size": _said(file.size_bytes), "used": _ago(file)}
            for file in files(supervisor.workspace)
        ]
        table(chosen, rows, ("kind", "dataset", "what", "images", "size", "used"), "The caches are empty.")
        if rows and not chosen.json:
            print(
                f"{_said(sum(int(row['size_bytes']) for row in rows))} in {len(rows)} files. Remove them: python -m "
                f"engine cache --clear"
            )
        return
    if chosen.clear not in ("all", *KINDS):
        raise EngineError(f"There is no cache {chosen.clear[:40]!r}. Clear pixels, features or all.")
    kinds = KINDS if chosen.clear == "all" else (chosen.clear,)
    removed, left = clear(supervisor.workspace, kinds), len(files(supervisor.workspace, kinds))
    stay = (
        f" {left} {'file stays: a run may be filling it' if left == 1 else 'files stay: runs may be filling them'}."
        if left
        else ""
    )
    about = {"removed_bytes": removed, "files_left": left}
    say(chosen, about, f"{_said(removed)} removed. They are made again when they are needed.{stay}")


def _files(workspace: Workspace, kinds: Sequence[str]) -> Iterator[CacheFile]:
    for kind in kinds:
        for path in (workspace.root / kind).glob("*/*"):
            try:
                about = path.stat()
            except OSError:  # gone meanwhile
                continue
            dataset, what, images = _described(path)
            yield CacheFile(
                kind=kind,
                dataset=dataset,
                what=what,
                images=images,
                size_bytes=about.st_size,
                used_at=about.st_mtime,
                path=path,
            )


def _described(path: Path) -> tuple[str, str, int]:
    try:
        header = read_header(path)
    except (OSError, ValueError):
        return "", "being filled, or left by a crash" if path.suffix == ".tmp" else "not readable", 0
    about = header.about
    seen = "evaluation crop" if about.get("view") is None else f"view {about['view']}"
    block = f", {about['backbone']}, inputs of {about['block']}" if "block" in about else ""
    return str(about.get("dataset", "")), f"{about.get('split', '')}, {seen}{block}", header.rows


def _said(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _ago(file: CacheFile) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(file.used_at))
