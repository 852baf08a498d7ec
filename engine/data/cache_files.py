"""Cache files: what is kept of decoded pixels and frozen activations, how much it takes, and how to be rid of it.

Everything here is made again when it is needed. Not here: the budgets (pixel_cache, feature_cache), weights and runs.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.data.row_file import being_filled, read_header
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


def cache_files(workspace: Workspace, kinds: Sequence[str] = KINDS) -> list[CacheFile]:
    """Every file of the caches `kinds`, the most recently used first; files that are being filled are among them."""
    files = []
    for kind in kinds:
        for path in (workspace.root / kind).glob("*/*"):
            with suppress(FileNotFoundError):  # gone meanwhile
                files.append(_cache_file(kind, path))
    return sorted(files, key=lambda file: -file.used_at)


def clear(workspace: Workspace, kinds: Sequence[str] = KINDS) -> int:
    """Remove the files of the caches `kinds`; how many bytes went. A run that reads one of them reads on.

    What a run is filling stays; what a crash left hours ago goes.
    """
    removed = 0
    for file in cache_files(workspace, kinds):
        if not being_filled(file.path):
            file.path.unlink(missing_ok=True)
            removed += file.size_bytes
    for kind in kinds:
        for folder in (workspace.root / kind).glob("*/"):
            with suppress(OSError):  # not empty
                folder.rmdir()
    return removed


def _cache_file(kind: str, path: Path) -> CacheFile:
    stat = path.stat()
    dataset, images = "", 0
    what = "being filled, or left by a crash" if path.suffix == ".tmp" else "not readable"
    with suppress(OSError, ValueError):
        header = read_header(path)
        contents, dataset, images = header.contents, header.contents.dataset, header.rows
        what = f"{contents.split}, {'evaluation crop' if contents.view is None else f'view {contents.view}'}"
        what += f", {contents.backbone}, inputs of {contents.block}" if contents.block else ""
    size, used = stat.st_size, stat.st_mtime
    return CacheFile(kind=kind, dataset=dataset, what=what, images=images, size_bytes=size, used_at=used, path=path)
