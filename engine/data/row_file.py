"""Row files: caches of equally long rows, each with a checksum; one rename makes a file complete, before it is absent.

Read by position and not mapped: mapped pages count as memory of the process, and a file that is cut short under a map
kills it. Not here: what the rows mean (pixels, activations).
"""

import math
import os
import secrets
import shutil
import struct
import threading
import time
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine import record_files
from engine.errors import ConfigError, EngineError

MOST_KEPT_VIEWS = 32
"""Of one dataset in one cache: each is a file that stays open, and a process may have only so many."""
_MAGIC = b"thawrow1"
_TAIL = struct.Struct("<QQQI8s")
"""Rows, bytes a row, bytes and checksum of the JSON before it, and the magic."""
_STALE_SECONDS = 6 * 3600

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What the rows of a file are: images of one split seen one way, as pixels or as the inputs of a block."""

    kind: str = ""
    dataset: str = ""
    split: str = ""
    view: int | None = None
    """None for the evaluation crop."""
    cut: int = 0
    backbone: str = ""
    block: str = ""
    """Empty for pixels."""
    shape: tuple[int, ...] = ()
    dtype: str = ""
    channels_last: bool = False
    seconds: float = 0.0
    """What computing one row took."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a complete file says of itself."""

    rows: int
    row_bytes: int
    contents: Contents


class Rows:
    """A complete file, open for reading from any thread."""

    def __init__(self, path: Path, header: Header, *, file: int, sums: npt.NDArray[np.uint32]) -> None:
        """`file` is open and closed by this from now on; `sums` [rows] are its checksums."""
        self.path, self.header, self._file, self._sums = path, header, file, sums
        self._checked = np.zeros(header.rows, dtype=bool)

    @classmethod
    def open(cls, path: Path) -> "Rows":
        """The file at `path`; ValueError or OSError when it is not a complete one."""
        header = read_header(path)
        file = os.open(path, os.O_RDONLY)
        try:
            sums = np.frombuffer(os.pread(file, 4 * header.rows, header.rows * header.row_bytes), dtype="<u4")
            if len(sums) != header.rows:
                raise ValueError(f"{path.name} has lost a part")
            return cls(path, header, file=file, sums=sums)
        except BaseException:
            os.close(file)
            raise

    def read(self, row: int, out: Bytes) -> bool:
        """Fill `out`, contiguous uint8 [row_bytes], with a row; False, and `out` is void, if it is not what was
        written."""
        if os.preadv(self._file, [out.data], row * self.header.row_bytes) != self.header.row_bytes:
            return False
        if not self._checked[row]:
            self._checked[row] = zlib.crc32(out.data) == self._sums[row]
        return bool(self._checked[row])

    def sound(self) -> bool:
        """Whether every row is what was written; reads them all."""
        out = np.empty(self.header.row_bytes, dtype=np.uint8)
        return all(self.read(row, out) for row in range(self.header.rows))

    def touch(self) -> None:
        """Count as used just now: the least recently used go first."""
        with suppress(OSError):
            os.utime(self.path)

    def drop(self) -> None:
        """Remove the file, so that nobody opens it again; whoever has it open reads on."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing can be read afterwards; closing again does nothing."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


class Building:
    """A file that is being filled, in any order and from any thread; `finish` makes it complete, `close` drops it."""

    def __init__(self, path: Path, *, rows: int, row_bytes: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self._rows, self._row_bytes = path, rows, row_bytes
        self._temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        self._file = os.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        self._finished: Rows | None = None
        self._sums = np.zeros(rows, dtype="<u4")
        self._have = np.zeros(rows, dtype=bool)
        self._lock = threading.Lock()

    def write(self, row: int, content: Bytes) -> None:
        """Keep `content`, contiguous uint8 [row_bytes]. OSError when the disk is full."""
        self._put(content.data, row * self._row_bytes)
        with self._lock:
            self._sums[row], self._have[row] = zlib.crc32(content.data), True

    def _put(self, content: bytes | memoryview, position: int) -> None:
        if os.pwrite(self._file, content, position) != len(content):
            raise OSError("the disk took only a part")

    def has(self, row: int) -> bool:
        return bool(self._have[row])

    def read(self, row: int, out: Bytes) -> bool:
        """As Rows.read; False for a row that was not written yet."""
        if self._finished is not None:
            return self._finished.read(row, out)
        return self.has(row) and os.preadv(self._file, [out.data], row * self._row_bytes) == self._row_bytes

    @property
    def complete(self) -> bool:
        return bool(self._have.all())

    def finish(self, contents: Contents) -> Rows:
        """Make the file complete and hand it over, open; then `close` does nothing. OSError when the disk is full or
        the file was removed: what was written can still be read, until `close`."""
        # no fsync: after a power cut the checksums tell
        text = record_files.encode(contents).encode()
        end = self._sums.tobytes() + text + _TAIL.pack(self._rows, self._row_bytes, len(text), zlib.crc32(text), _MAGIC)
        self._put(end, self._rows * self._row_bytes)
        os.replace(self._temporary, self.path)
        header = Header(rows=self._rows, row_bytes=self._row_bytes, contents=contents)
        # on the open file: opening it anew could fail
        self._finished = Rows(self.path, header, file=self._file, sums=self._sums)
        return self._finished

    def abandon(self) -> None:
        """Give the disk its room back, while other threads may still be writing or reading; `close` is still to
        come."""
        self._have[:] = False
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)
            os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Drop what was never finished; closing again does nothing."""
        if self._finished is None and self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)
            with suppress(OSError):
                self._temporary.unlink(missing_ok=True)


def read_header(path: Path) -> Header:
    """The end of a complete file. ValueError when it is none, OSError when it cannot be read."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - _TAIL.size))
        tail = file.read()
        if len(tail) != _TAIL.size or not tail.endswith(_MAGIC):
            raise ValueError(f"{path.name} is not a complete cache file")
        rows, row_bytes, length, checksum, _ = _TAIL.unpack(tail)
        if rows * (row_bytes + 4) + length + _TAIL.size != size:
            raise ValueError(f"{path.name} has lost a part")
        file.seek(size - _TAIL.size - length)
        if zlib.crc32(text := file.read(length)) != checksum:
            raise ValueError(f"{path.name} is damaged")
    try:
        contents = record_files.decode(text, Contents, what=path.name)
    except EngineError as error:
        raise ValueError(str(error)) from None
    return Header(rows=rows, row_bytes=row_bytes, contents=contents)


def open_rows(path: Path, *, rows: int, row_bytes: int) -> Rows | None:
    """The complete file at `path`, now the most recently used; None when it is absent, damaged or of another shape."""
    try:
        header = read_header(path)
        if (header.rows, header.row_bytes) != (rows, row_bytes):
            return None
        file = Rows.open(path)
    except (OSError, ValueError):
        return None
    file.touch()
    return file


def free_bytes(folder: Path) -> int:
    """How much a cache may still write to this disk, a tenth of which stays free."""
    disk = shutil.disk_usage(folder)
    return max(0, disk.free - disk.total // 10)


def evict(files: Iterable[Path], budget: int, *, spare: frozenset[Path] = frozenset()) -> int:
    """Remove cache files, least recently used first, until they take at most `budget` bytes; how many bytes went.

    Files in `spare` and those being filled stay, except what a crash left. Whoever has a file open reads on.
    """
    present = []
    for path in files:
        with suppress(OSError):
            stat = path.stat()
            present.append((stat.st_mtime, stat.st_size, path))
    total, removed = sum(size for _, size, _ in present), 0
    for modified, size, path in sorted(present):
        if _crashed(path, modified) or (total - removed > budget and path not in spare and path.suffix != ".tmp"):
            with suppress(OSError):
                path.unlink()
                removed += size
    return removed


def being_filled(path: Path) -> bool:
    """Whether some process is still writing this file, which a crash did not leave long ago."""
    with suppress(OSError):
        return path.suffix == ".tmp" and not _crashed(path, path.stat().st_mtime)
    return False


def _crashed(path: Path, modified: float) -> bool:
    return path.suffix == ".tmp" and time.time() - modified > _STALE_SECONDS


def cache_budget_bytes(variable: str, default_gb: float) -> int:
    """What all files of one cache together may take: the environment variable, in GB, else the default.

    ConfigError when it is no number of GB.
    """
    text = os.environ.get(variable, "").strip()
    try:
        size = float(text or default_gb)
    except ValueError:
        size = math.nan
    if not 0 <= size < math.inf:
        raise ConfigError(
            f"{variable} must be a number of GB, such as {default_gb:g}, or 0 to keep nothing; it is {text[:40]!r}."
        )
    return int(size * 2**30)
