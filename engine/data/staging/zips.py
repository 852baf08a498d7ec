"""Zips: members of an untrusted zip written as numbered files, within limits that are checked by us.

Python's own extraction misreads Korean names and gives up at the first bad one. It refuses overlapping members itself
from 3.11.8 and 3.12.2 on, one by one; here an archive that has any is refused as a whole, whatever the version.
"""

import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

from engine.data.file_names import clean_name, decode_names
from engine.data.pool import Progress, silent
from engine.data.staging.magic import kind_of
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

MAX_DIRECTORY_BYTES = 64 << 20
_UTF8_FLAG, _ENCRYPTED_FLAG = 0x800, 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others are rare, and LZMA may demand gigabytes
_UNICODE_PATH = 0x7075


def unzip(archive: StagedFile, into: Path, *, limits: Limits = DEFAULT_LIMITS, progress: Progress = silent) -> Staged:
    """Write the members of `archive` to the new folder `into`; one that cannot be taken is a problem, and the rest goes
    on.

    Raises DatasetError when the archive as a whole is damaged, locked or a bomb.
    """
    with _open(archive) as opened:
        members = _members(opened)
        needed = _check_whole(opened, [info for info, _ in members], archive, limits=limits)
        if needed * 1.05 > (free := shutil.disk_usage(into.parent).free):
            raise DatasetError(
                f"The disk of the workspace is full: {free >> 20} MB free, {needed >> 20} MB needed. Make room and try "
                "again."
            )
        listed = [
            Member(
                name=name,
                shown=ascii(info.orig_filename),
                refusal=_refusal(info, name, limits),
                open=partial(opened.open, info),
            )
            for info, name in members
        ]
        # zipfile stops at the stated size and checks the sum
        return write_members(listed, into, total=len(listed), progress=progress)


def _open(archive: StagedFile) -> zipfile.ZipFile:
    """The archive, its table of contents read; every way in which a hostile one fails becomes one of two sentences."""
    kind = kind_of(archive.path)
    if kind is not None and kind.reader != "zip":
        raise DatasetError(
            f"{archive.name} is {kind.name}, not a zip. Unpack it and make a zip, or import the unpacked folder."
        )
    if _directory_bytes(archive.path) > MAX_DIRECTORY_BYTES:
        raise DatasetError(f"{archive.name} lists far too many files. Split it, or import an unpacked folder.")
    try:
        return zipfile.ZipFile(archive.path)
    # BadZipFile, struct.error, UnicodeDecodeError, RecursionError and what else a hostile table brings up
    except Exception as error:
        raise DatasetError(
            f"{archive.name} is damaged or incomplete and cannot be opened as a zip. Download or make it again."
        ) from error


def _directory_bytes(path: Path) -> int:
    """The size of the table of contents as the archive states it, before Python builds an object for every line of
    it."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        file.seek(max(0, size - 66_000))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or end + 16 > len(tail):
        return 0
    stated = int(struct.unpack_from("<I", tail, end + 12)[0])
    record = tail.rfind(b"PK\x06\x06", 0, end)
    if stated == 0xFFFFFFFF and 0 <= record <= len(tail) - 48:
        stated = int(struct.unpack_from("<Q", tail, record + 40)[0])
    return stated


def _members(opened: zipfile.ZipFile) -> list[tuple[zipfile.ZipInfo, str | None]]:
    """Every member that is not a folder with its cleaned name, or None for a name that leads out of the archive."""
    infos = [info for info in opened.infolist() if not info.is_dir()]
    unflagged = [info for info in infos if not info.flag_bits & _UTF8_FLAG]
    decoded = dict(zip(map(id, unflagged), decode_names([_raw_name(info) for info in unflagged]), strict=True))
    names = (clean_name(_unicode_path(info) or decoded.get(id(info)) or info.orig_filename) for info in infos)
    return list(zip(infos, names, strict=True))


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.partition("\0")[0].encode("cp437", "replace")  # undoes what zipfile assumed


def _unicode_path(info: zipfile.ZipInfo) -> str | None:
    """The UTF-8 name in the extra field that Info-ZIP and some Korean archivers add; used when it belongs to this
    name."""
    extra = info.extra
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        body, extra = extra[4 : 4 + length], extra[4 + length :]
        checksum = zlib.crc32(_raw_name(info)).to_bytes(4, "little")
        if kind == _UNICODE_PATH and len(body) > 5 and body[1:5] == checksum:
            return body[5:].decode("utf-8", "replace")
    return None


def _check_whole(
    opened: zipfile.ZipFile, infos: Sequence[zipfile.ZipInfo], archive: StagedFile, *, limits: Limits
) -> int:
    """How many bytes the members take; DatasetError when that, or how they lie, is beyond reason."""
    size = archive.path.stat().st_size
    total = sum(info.file_size for info in infos)
    if len(infos) > limits.files:
        raise DatasetError(f"{archive.name} holds {len(infos)} files; the limit is {limits.files}. Split it.")
    if infos and all(info.flag_bits & _ENCRYPTED_FLAG for info in infos):
        raise DatasetError(f"{archive.name} is protected by a password. Make a zip without one.")
    if total > limits.total_bytes:
        raise DatasetError(
            f"{archive.name} would unpack to {total >> 20} MB; the limit is {limits.total_bytes >> 20} MB. Split it."
        )
    if total > SUSPICIOUS_BYTES and total > limits.ratio * size:
        raise DatasetError(
            f"{archive.name} would unpack to {total // max(1, size)} times its size. No archive of photographs does "
            f"that."
        )
    ranges = sorted(
        (info.header_offset, info.header_offset + 30 + len(_raw_name(info)) + info.compress_size) for info in infos
    )
    if any(end > start for (_, end), (start, _) in pairwise([*ranges, (opened.start_dir, 0)])):
        raise DatasetError(
            f"{archive.name} contains files that overlap, as a decompression bomb does. Make the zip again."
        )
    return total


def _refusal(info: zipfile.ZipInfo, name: str | None, limits: Limits) -> str:
    """Why a member is not even opened; empty when it is."""
    if name is None:
        return "Its path leads out of the archive."
    if stat.S_ISLNK(info.external_attr >> 16):
        return "It is a link; links are not followed."
    if info.flag_bits & _ENCRYPTED_FLAG:
        return "It is protected by a password."
    if info.compress_type not in _METHODS:
        return "It is compressed in an unusual way. Make the zip again with the normal method (deflate)."
    if info.file_size > limits.file_bytes:
        return f"It has {info.file_size >> 20} MB; the limit for one file is {limits.file_bytes >> 20} MB."
    return ""
