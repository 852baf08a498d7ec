"""Published weights: the file of an entry of the catalog, on disk or downloaded, and checked against its name.

Files lie where torch.hub keeps them. Not here: reading their tensors, weights of users.
"""

import functools
import hashlib
import http.client
import queue
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from engine.errors import WeightsError
from engine.models.catalog import WeightsInfo, checkpoints_folder
from engine.workspace import atomic_path

CONNECT_SECONDS = 5.0
STALL_SECONDS = 30.0
"""How long a download that has begun may stand still."""
_CHUNK_BYTES = 1 << 20
_HASH = re.compile(r"-([a-f0-9]*)\.")  # the rule of torch.hub: resnet18-f37072fd.pth begins so in SHA-256

Progress = Callable[[int, int], None]
"""Called with (bytes so far, bytes in all; 0 when unknown)."""


def find_published(entry: WeightsInfo, progress: Progress | None = None) -> Path:
    """The intact file of `entry`, downloaded when need be. WeightsError within seconds when it cannot be had."""
    path = checkpoints_folder() / entry.file_name
    if not path.is_file():
        _download(entry, path, progress)
    elif not _intact(path):
        raise WeightsError(
            f"The file {path} is damaged: its checksum is not the one in its name. Delete it so that it is downloaded "
            "anew, or put an intact copy in its place."
        )
    return path


def _download(entry: WeightsInfo, path: Path, progress: Progress | None) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _open(entry.url) as response, atomic_path(path) as temporary:
            digest = _save(response, temporary, progress)
            if not digest.startswith(_expected(path)):
                raise WeightsError(
                    f"{path.name} arrived damaged from {urlsplit(entry.url).netloc}: its checksum is wrong. Try again."
                )
    except (OSError, http.client.HTTPException) as error:  # URLError, HTTPError and TimeoutError are OSErrors
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        raise WeightsError(
            f"The weights {entry.title} are not on this machine and could not be downloaded from "
            f"{urlsplit(entry.url).netloc} ({getattr(cause, 'strerror', None) or cause}). Three ways on: bring a "
            f"weights file of your own; or get {entry.url} elsewhere and put it into {path.parent}; or train from "
            "random weights (weights 'none')."
        ) from error


def _open(url: str) -> http.client.HTTPResponse:
    """The response of `url`, or TimeoutError. In a thread: no time-out of a socket covers looking up the name."""
    answers: queue.SimpleQueue[http.client.HTTPResponse | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(urllib.request.urlopen(url, timeout=STALL_SECONDS))
        except Exception as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it is the response too, and holds the connection
            answers.put(error)

    threading.Thread(target=ask, daemon=True, name="connect").start()
    try:
        answer = answers.get(timeout=CONNECT_SECONDS)
    except queue.Empty:
        raise TimeoutError(f"no answer within {CONNECT_SECONDS:g} seconds") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _save(response: http.client.HTTPResponse, path: Path, progress: Progress | None) -> str:
    """Write the body of `response`; returns its SHA-256."""
    digest, done = hashlib.sha256(), 0
    total = int(response.headers.get("Content-Length") or 0)
    with open(path, "wb") as file:
        while chunk := response.read(_CHUNK_BYTES):
            digest.update(chunk)
            file.write(chunk)
            done += len(chunk)
            if progress:
                progress(done, total)
    return digest.hexdigest()


def _expected(path: Path) -> str:
    """How the SHA-256 of the file must begin; '' when its name does not say."""
    match = _HASH.search(path.name)
    return match[1] if match else ""


def _intact(path: Path) -> bool:
    status = path.stat()
    return _digest(path, status.st_size, status.st_mtime_ns).startswith(_expected(path))


@functools.lru_cache(maxsize=256)
def _digest(path: Path, _size: int, _changed_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
