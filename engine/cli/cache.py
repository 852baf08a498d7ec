"""Cache: the verb `cache`: list what is kept of decoded images and frozen activations, or remove it."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from engine.cli.verb import Session, verb
from engine.errors import EngineError
from engine.installation import COMMAND

if TYPE_CHECKING:
    from engine.data.cache_files import CacheFile


@verb(
    "cache",
    "list what is kept of decoded images and frozen activations, or remove it",
    click.option(
        "--clear",
        "which",
        is_flag=False,
        flag_value="all",
        metavar="[WHICH]",
        help="pixels, features or all (the default)",
    ),
)
def cache(session: Session, *, which: str | None) -> None:
    from engine.data.cache_files import KINDS, cache_files, clear  # with NumPy, which no other listing waits for

    if which is None:
        return _list(session, cache_files(session.workspace))
    if which not in ("all", *KINDS):
        raise EngineError(f"There is no cache {which[:40]!r}. Clear pixels, features or all.")
    kinds = KINDS if which == "all" else (which,)
    removed, left = clear(session.workspace, kinds), len(cache_files(session.workspace, kinds))
    sentences = [f"{_megabytes(removed)} removed.", "They are made again when they are needed."]
    if left == 1:
        sentences.append("1 file stays: a run may be filling it.")
    elif left:
        sentences.append(f"{left} files stay: runs may be filling them.")
    session.printer.say({"removed_bytes": removed, "files_left": left}, " ".join(sentences))


def _list(session: Session, files: "Sequence[CacheFile]") -> None:
    rows = [
        {
            **asdict(file),
            "path": str(file.path),
            "size": _megabytes(file.size_bytes),
            "used": time.strftime("%Y-%m-%d %H:%M", time.localtime(file.used_at)),
        }
        for file in files
    ]
    names = ("kind", "dataset", "what", "images", "size", "used")
    session.printer.table(rows, names, empty="The caches are empty.")
    if files and not session.printer.json:
        total = _megabytes(sum(file.size_bytes for file in files))
        print(f"{total} in {len(files)} files. Remove them: {COMMAND} cache --clear")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
