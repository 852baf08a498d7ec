"""Tars: members of an untrusted tar (plain, gzip, bzip2, xz) written as numbered files, within the same limits as zips.

A tar lists nothing beforehand, so its limits are held while it is read: what was written until then is removed by the
caller. Not here: zips.
"""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import IO

from engine.data.file_names import clean_name
from engine.data.pool import Progress, silent
from engine.data.staging.unpacking import (
    DEFAULT_LIMITS,
    SUSPICIOUS_BYTES,
    Limits,
    Member,
    Staged,
    StagedFile,
    write_members,
)
from engine.errors import DatasetError

_HEADER_BYTES = 16 << 20
"""Names and attributes of one member are read whole, whatever size the file states for them."""
_Raw = IO[bytes] | gzip.GzipFile


def untar(archive: StagedFile, into: Path, *, limits: Limits = DEFAULT_LIMITS, progress: Progress = silent) -> Staged:
    """Write the members of `archive` to the new folder `into`. What follows a damaged place is lost and named; what
    came before is kept.

    Raises DatasetError when it holds no tar, or more than the limits allow.
    """
    with _stream(archive, limits) as stream:
        try:
            opened = tarfile.TarFile(fileobj=stream, mode="r", encoding="utf-8", errors="surrogateescape")
        except DatasetError:
            raise
        except Exception as error:  # of the decompressor as well
            raise DatasetError(f"{archive.name} holds no tar archive, or it is damaged. Make it again.") from error
        with opened:
            members = _members(opened, archive, limits)
            return write_members(members, into, total=0, progress=progress)


class _Bounded:
    """What a decompressor gives, up to a limit; DatasetError beyond it, and for a header of unreasonable size."""

    def __init__(self, raw: _Raw, *, most: int, refusal: str) -> None:
        self._raw, self._most, self._refusal = raw, most, refusal
        self.tell, self.close = raw.tell, raw.close

    def read(self, size: int, /) -> bytes:
        if size > _HEADER_BYTES or self.tell() > self._most:
            raise DatasetError(self._refusal)
        return self._raw.read(size)

    def seek(self, target: int, /) -> int:
        if target > self._most:
            raise DatasetError(self._refusal)
        return self._raw.seek(target)

    def write(self, content: bytes, /) -> None:
        raise io.UnsupportedOperation("only read from")


@contextmanager
def _stream(archive: StagedFile, limits: Limits) -> Iterator[_Bounded]:
    """The tar itself, decompressed while it is read."""
    most = min(limits.total_bytes, max(SUSPICIOUS_BYTES, int(limits.ratio * archive.path.stat().st_size)))
    refusal = f"{archive.name} would unpack to more than {most >> 20} MB. Split it."
    with open(archive.path, "rb") as file, _decompressed(file) as raw:
        yield _Bounded(raw, most=most, refusal=refusal)


def _decompressed(file: IO[bytes]) -> _Raw:
    head = file.read(6)
    file.seek(0)
    if head.startswith(b"\x1f\x8b"):
        return gzip.open(file)
    if head.startswith(b"BZh"):
        return bz2.open(file)
    return lzma.open(file) if head.startswith(b"\xfd7zXZ") else file


def _members(opened: tarfile.TarFile, archive: StagedFile, limits: Limits) -> Iterator[Member]:
    count = 0
    while True:
        try:
            info = opened.next()
        except DatasetError:
            raise
        except Exception:
            reason = "It is damaged or cut off; what came before that was read."
            yield Member(name=archive.name, shown="", refusal=reason, open=lambda: nullcontext(io.BytesIO()))
            return
        if info is None:
            return
        count += 1
        if count > limits.files:
            raise DatasetError(f"{archive.name} holds more than {limits.files} files. Split it.")
        if not info.isdir():
            yield _member(opened, info, limits)


def _member(opened: tarfile.TarFile, info: tarfile.TarInfo, limits: Limits) -> Member:
    name = clean_name(info.name)
    return Member(
        name=name,
        shown=ascii(info.name),
        refusal=_refusal(info, name, limits),
        open=partial(_opened, opened, info),
    )


def _opened(opened: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = opened.extractfile(info)
    if file is None:
        raise tarfile.ReadError("no regular file")
    return file


def _refusal(info: tarfile.TarInfo, name: str | None, limits: Limits) -> str:
    """Why a member is not even opened; empty when it is."""
    if name is None:
        return "Its path leads out of the archive."
    if info.issym() or info.islnk():
        return "It is a link; links are not followed."
    if not info.isreg() or info.issparse():
        return "It is a device, a pipe or a file with holes."
    if info.size > limits.file_bytes:
        return f"It has {info.size >> 20} MB; the limit for one file is {limits.file_bytes >> 20} MB."
    return ""
