"""Record files: typed records as JSON, the only place where one is read or written.

What is read is checked against its type while it is parsed (msgspec): fields of later versions are left aside, fields
that are missing take their default, and whatever else does not fit is refused with a sentence that names the file.
Records are frozen dataclasses or msgspec.Struct. Not here: what the records mean, checkpoints and tables.
"""

import json
from pathlib import Path
from typing import TypeVar

import msgspec

from engine.errors import EngineError
from engine.workspace import atomic_write

T = TypeVar("T")


def encode(record: object, *, indent: int = 0) -> str:
    """`record` as JSON, on one line unless `indent` says otherwise; a value that is not finite becomes null."""
    try:
        content = msgspec.json.encode(record)
    except UnicodeEncodeError:  # a path whose bytes are no text
        content = json.dumps(msgspec.to_builtins(record)).encode()
    return (msgspec.json.format(content, indent=indent) if indent else content).decode()


def decode(content: str | bytes, kind: type[T], *, what: str, error: type[EngineError] = EngineError) -> T:
    """The record in `content`; `error` says that `what` is damaged, or was written by another version, and where."""
    try:
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.DecodeError:
            return msgspec.convert(json.loads(content), kind)  # knows NaN, and paths whose bytes are no text
    except (msgspec.MsgspecError, ValueError, RecursionError) as reason:
        raise _refusal(what, reason, error) from None


def convert(value: object, kind: type[T], *, what: str, error: type[EngineError] = EngineError) -> T:
    """The record in plain lists and mappings, checked as `decode` checks it."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.MsgspecError as reason:
        raise _refusal(what, reason, error) from None


def read(path: Path, kind: type[T], *, error: type[EngineError] = EngineError) -> T:
    """The record in the file at `path`; FileNotFoundError where there is none."""
    return decode(path.read_bytes(), kind, what=f"{path.parent.name}/{path.name}", error=error)


def write(path: Path, record: object) -> None:
    """Write `record` to `path` atomically, indented for people who look."""
    atomic_write(path, encode(record, indent=2))


def _refusal(what: str, reason: Exception, error: type[EngineError]) -> EngineError:
    told = " ".join(str(reason).split())[:200]
    return error(f"{what} is damaged or of another version of Thaw ({told}). Remove it, or make it again.")
