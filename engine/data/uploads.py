"""Upload: files on their way from a browser to disk, chunk by chunk, under names of our own.

Knows nothing of images: what arrives is as untrusted as before. Loads without torch and PIL.
"""

import hmac
import os
import re
import secrets
import shutil
import threading
import time
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine import record_files
from engine.errors import DatasetError, disk_error
from engine.workspace import Workspace, new_id

MANIFEST = "manifest.jsonl"
DEFAULT_LIMIT_MB = 4096
_TOKEN = "token"
_LONGEST_NAME = 1000
_NUMBERED = re.compile(r"\d{6}\.(?:bin|part)")


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A folder in `incoming` that files may be sent to by whoever knows the token."""

    id: str
    token: str


@dataclass(frozen=True, kw_only=True)
class UploadedFile:
    """One complete file; `name` is what the browser called it, such as `class/a.jpg`."""

    path: Path
    name: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A line of the manifest."""

    file: str
    name: str
    bytes: int


def reserve() -> Upload:
    """A place for files that comes into being with the first of them: most people who see an upload area send
    nothing."""
    upload = Upload(id=new_id("upload"), token=secrets.token_hex(16))
    _RESERVED[upload.id] = upload.token
    return upload


def check(workspace: Workspace, upload: Upload) -> Path:
    """The upload's folder if it exists and the token is right; DatasetError otherwise, without telling which."""
    folder, token = _folder(workspace, upload.id), upload.token
    if upload.id in _RESERVED and hmac.compare_digest(_RESERVED[upload.id].encode(), token.encode()):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _TOKEN).write_text(token)
        _RESERVED.pop(upload.id, None)
    try:
        expected = (folder / _TOKEN).read_text()
    except OSError:
        expected = ""
    if not expected or not hmac.compare_digest(expected.encode(), token.encode()):
        raise DatasetError("This upload is over or was started in another window. Choose the files again.")
    return folder


def discard_upload(workspace: Workspace, upload_id: str) -> None:
    """Remove an upload and everything in it; nothing happens when it is already gone."""
    folder = _folder(workspace, upload_id)
    _RESERVED.pop(upload_id, None)
    _LEDGERS.pop(folder, None)
    shutil.rmtree(folder, ignore_errors=True)


def is_upload(path: Path) -> bool:
    """Whether `path` is the folder of an upload (and not one that a person made)."""
    return path.name.startswith("upload-") and path.parent.name == "incoming" and (path / _TOKEN).is_file()


def received(folder: Path) -> tuple[UploadedFile, ...]:
    """The complete files of an upload's folder, in the order in which they were finished."""
    manifest, files = folder / MANIFEST, []
    for line in manifest.read_text(encoding="utf-8").splitlines() if manifest.exists() else []:
        with suppress(DatasetError):  # the last line of a process that was killed
            entry = record_files.decode(line, _Entry, what=MANIFEST, error=DatasetError)
            path = folder / entry.file
            if _NUMBERED.fullmatch(path.name) and path.parent == folder and path.is_file():
                files.append(UploadedFile(path=path, name=entry.name, bytes=entry.bytes))
    return tuple(files)


def limit_bytes() -> int:
    """How much one upload may hold: $THAW_MAX_UPLOAD_MB, else 4 GB."""
    text = os.environ.get("THAW_MAX_UPLOAD_MB", "")
    return (int(text) if text.isdigit() else DEFAULT_LIMIT_MB) * 1024 * 1024


def sweep(workspace: Workspace, older_than_seconds: float = 24 * 3600) -> int:
    """Remove uploads, unaccepted imports and left-overs of crashes that nobody touched for so long; how many went."""
    oldest = time.time() - older_than_seconds
    stale = [folder for folder in workspace.incoming.iterdir() if folder.is_dir() and _touched(folder) < oldest]
    for folder in stale:
        shutil.rmtree(folder, ignore_errors=True)
    return len(stale)


class Receiver:
    """One file on its way in: write chunks, then close to keep it or abort to drop it. The file exists only when
    closed."""

    def __init__(self, workspace: Workspace, upload: Upload, name: str) -> None:
        self._folder = check(workspace, upload)
        self._name = _clean(name)
        self._ledger = _ledger(self._folder)
        self._bytes = 0
        self._kept = False
        number = self._ledger.next_number()
        if number > 999_999:
            raise DatasetError("This upload has a million files. Zip them, or import a folder on this computer.")
        self._part = self._folder / f"{number:06d}.part"
        self._file = open(self._part, "xb")  # noqa: SIM115

    def write(self, chunk: bytes) -> None:
        """Append `chunk`; DatasetError, and nothing is kept, when the upload grows beyond its limit or the disk is
        full."""
        self._bytes += len(chunk)
        if self._ledger.add(len(chunk)) > limit_bytes():
            self.abort()
            raise DatasetError(
                f"This upload is larger than {limit_bytes() // 1024**2} MB. Import a folder on this computer instead, "
                "or raise the limit with the variable THAW_MAX_UPLOAD_MB."
            )
        try:
            self._file.write(chunk)
        except OSError as error:
            self.abort()
            raise disk_error("The upload", self._folder, error) from error

    def close(self) -> UploadedFile:
        """Keep the file: it gets its final name, then its line in the manifest."""
        try:
            self._file.close()
            final = self._part.with_suffix(".bin")
            self._part.rename(final)
            self._kept = True
            entry = _Entry(file=final.name, name=self._name, bytes=self._bytes)
            with open(self._folder / MANIFEST, "ab") as manifest:  # one short append: parallel files cannot mix
                manifest.write((record_files.encode(entry) + "\n").encode())
        except OSError as error:
            self.abort()
            raise disk_error("The upload", self._folder, error) from error
        return UploadedFile(path=final, name=self._name, bytes=self._bytes)

    def abort(self) -> None:
        """Drop the file; harmless when it is already closed or dropped."""
        if self._kept:
            return
        with suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)
        self._ledger.add(-self._bytes)
        self._bytes = 0


class _Ledger:
    """Bytes and file numbers of one upload, counted here so that the ten-thousandth file need not look at the
    others."""

    def __init__(self, stored: int, number: int) -> None:
        self._stored, self._number, self._lock = stored, number, threading.Lock()

    def add(self, count: int) -> int:
        with self._lock:
            self._stored += count
            return self._stored

    def next_number(self) -> int:
        with self._lock:
            self._number += 1
            return self._number


_RESERVED: dict[str, str] = {}
"""Upload id -> token of places that hold no file yet. They end with the process, as the pages that know them do."""
_LEDGERS: dict[Path, _Ledger] = {}
_LEDGERS_LOCK = threading.Lock()


def _folder(workspace: Workspace, upload_id: str) -> Path:
    if not upload_id.startswith("upload-"):
        raise DatasetError(f"{upload_id[:60]!r} is not an upload.")
    return workspace.incoming_item(upload_id)


def _ledger(folder: Path) -> _Ledger:
    with _LEDGERS_LOCK:
        if folder not in _LEDGERS:
            files = [path for path in folder.iterdir() if _NUMBERED.fullmatch(path.name)]
            stored = sum(path.stat().st_size for path in files)
            _LEDGERS[folder] = _Ledger(stored, max((int(path.name[:6]) for path in files), default=0))
        return _LEDGERS[folder]


def _clean(name: str) -> str:
    text = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode()).replace("\\", "/").strip("/")
    if not text or len(text) > _LONGEST_NAME:
        raise DatasetError("A file without a name, or with an endless one, cannot be uploaded. Rename it.")
    return text


def _touched(folder: Path) -> float:
    """When anything in `folder` last changed: a folder's own time stands still while one file grows."""
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except OSError:  # something in it comes or goes at this moment
        return time.time()
