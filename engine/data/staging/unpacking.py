"""Unpacking: members of an archive written as numbered files, whatever its format; one that cannot be taken is a
problem, and the rest goes on.

Not here: opening an archive and judging it as a whole (zips, tars), and archives within archives (archives).
"""

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine.data.dataset_records import Problem
from engine.data.file_names import system_folder
from engine.data.pool import Progress
from engine.errors import DatasetError, disk_error

CHUNK_BYTES = 1 << 20
SUSPICIOUS_BYTES = 64 << 20
"""Below this a high compression ratio does no harm: flat drawings shrink a thousandfold."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one import may contain."""

    files: int = 200_000
    total_bytes: int = 64 << 30
    file_bytes: int = 512 << 20
    ratio: float = 200.0


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, kw_only=True)
class StagedFile:
    """A file to look at. `name` is what the source calls it, cleaned; `owned` says that we wrote it and may move it."""

    path: Path
    name: str
    owned: bool = False


@dataclass(frozen=True, kw_only=True)
class Staged:
    """What a source holds: files to look at, and what was left aside already."""

    files: tuple[StagedFile, ...]
    problems: tuple[Problem, ...]


class Source(Protocol):
    """What the bytes of a member are read from."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, kw_only=True)
class Member:
    """One file of an archive: its cleaned name (None: one that leads out of it, then `shown` stands for it), why it is
    not even opened (empty: it is), and what opens it."""

    name: str | None
    shown: str
    refusal: str
    open: Callable[[], AbstractContextManager[Source]]


def write_members(members: Iterable[Member], into: Path, *, total: int, progress: Progress) -> Staged:
    """`members` in the new folder `into`. `total` (0: unknown) is only told. DatasetError when the disk is full, or
    when reading a member raises it."""
    into.mkdir(parents=True, exist_ok=True)
    files: list[StagedFile] = []
    problems: list[Problem] = []
    system: Counter[str] = Counter()
    for number, member in enumerate(members):
        progress("unpack", number, total)
        folder = next((part for part in (member.name or "").split("/")[:-1] if system_folder(part)), None)
        if folder:
            system[folder] += 1
            continue
        path = into / f"{number:06d}.bin"
        if reason := member.refusal or _write(member, path):
            path.unlink(missing_ok=True)
            problems.append(Problem(name=member.name or member.shown, reason=reason))
        else:
            files.append(StagedFile(path=path, name=member.name or "", owned=True))
    for folder, count in system.items():
        name = f"{folder}/ ({count} {'file' if count == 1 else 'files'})"
        problems.append(Problem(name=name, reason="system folder", kind="system"))
    return Staged(files=tuple(files), problems=tuple(problems))


def _write(member: Member, path: Path) -> str:
    """Write one member in chunks; the reason when it is damaged."""
    try:
        opened = member.open()
    except DatasetError:
        raise
    except Exception:
        return "It is damaged inside the archive."
    with opened as source, open(path, "wb") as target:
        while True:
            try:
                chunk = source.read(CHUNK_BYTES)
            except DatasetError:
                raise
            except Exception:  # zlib.error, BadZipFile (checksum), EOFError, ...
                return "It is damaged inside the archive."
            if not chunk:
                return ""
            try:
                target.write(chunk)
            except OSError as error:
                raise disk_error("Unpacking", path.parent, error) from error
