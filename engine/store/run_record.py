"""Run record: one row of the list of runs as plain data, and how the events of a run change it.

Not here: the database (run_store), and what a run does (pipeline).
"""

import dataclasses
import sqlite3
from dataclasses import dataclass, replace
from typing import TypeVar

from engine import record_files
from engine.config import from_json
from engine.errors import ConfigError, EngineError
from engine.events import Epoch, Event, Finished, Note, Paused, Progress, Started, Step, Summary
from engine.runconfig import RunConfig

ENDED = ("finished", "stopped", "failed", "interrupted")
INTERRUPTED = "Thaw was closed, or its process was ended, while this run was at work. Resume it to go on."
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """The last step, or the stage under way, of a run; what is not known is 0 or empty."""

    epoch: int = 0
    epochs: int = 0
    step: int = 0
    steps: int = 0
    images_per_second: float = 0.0
    memory_bytes: int = 0
    stage: str = ""
    done: int = 0
    total: int = 0
    paused: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One row, as it was when it was read. Times are seconds since 1970."""

    id: str
    name: str
    config: RunConfig
    status: str
    started_at: float | None
    ended_at: float | None
    owner: str | None
    device: str | None
    progress: RunProgress
    requested: str | None
    error: str | None
    started: Started | None
    summary: Summary | None
    turn: int
    """Place in the queue: of two queued runs the one with the smaller turn goes first."""
    comparison: str | None = None
    """The comparison it belongs to, if any."""

    @property
    def paused(self) -> bool:
        return self.status == "running" and self.progress.paused


def from_row(row: sqlite3.Row) -> Run:
    """The Run in a row of the table runs. One of another version must not hide all the others: what cannot be read is
    left out."""
    values = {entry.name: row[entry.name] for entry in dataclasses.fields(Run)}
    values["progress"] = decoded(row["progress"], RunProgress) or RunProgress()
    values["started"], values["summary"] = decoded(row["started"], Started), decoded(row["summary"], Summary)
    try:
        values["config"] = from_json(row["config"])
    except ConfigError as error:
        values["config"] = decoded(row["config"], RunConfig) or RunConfig(dataset="", backbone="")
        values["error"] = values["error"] or f"{error} It was made by another version of Thaw; configure it again."
    return Run(**values)


def decoded(content: str | None, kind: type[T]) -> T | None:
    """The record in a column, or None where there is none, or one of another version."""
    try:
        return record_files.decode(content, kind, what="") if content else None
    except EngineError:
        return None


def changes(event: Event, progress: RunProgress) -> dict[str, str]:
    """The columns that `event` changes, with their values."""
    match event:
        case Started():
            return {"started": record_files.encode(event), "device": event.device, "progress": "{}"}
        case Finished(summary=summary):
            return {"summary": record_files.encode(summary)}
        case Step() | Progress():  # their fields are those of RunProgress
            return {"progress": record_files.encode(event)}
        case Paused(paused=paused):
            progress = replace(progress, paused=paused)
        case Epoch(epoch=epoch, epochs=epochs):
            progress = replace(progress, epoch=epoch, epochs=epochs)
        case Note(text=text):
            progress = replace(progress, note=text)
    return {"progress": record_files.encode(progress)}
