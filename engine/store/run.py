"""Run: one row of the list of runs as plain data, and how the events of a run change it.

Not here: the database (store), and what a run does (pipeline).
"""

import dataclasses
import json
import sqlite3
from dataclasses import dataclass

from engine.config import from_json
from engine.errors import ConfigError
from engine.runconfig import RunConfig
from engine.store.database import Json

STATUSES = ("queued", "running", "finished", "stopped", "failed", "interrupted")
ENDED = ("finished", "stopped", "failed", "interrupted")
INTERRUPTED = "Thaw was closed, or its process was ended, while this run was at work. Resume it to go on."


@dataclass(frozen=True, kw_only=True)
class Run:
    """One row, as it was when it was read. Times are seconds since 1970."""

    id: str
    name: str
    config: RunConfig
    status: str
    created_at: float
    started_at: float | None
    ended_at: float | None
    heartbeat_at: float | None
    owner: str | None
    device: str | None
    progress: Json
    """The last step or stage; `{"paused": True, ...}` while a running run holds still."""
    requested: str | None
    error: str | None
    started: Json | None
    summary: Json | None
    turn: int
    """Place in the queue: of two queued runs the one with the smaller turn goes first."""
    comparison: str | None = None
    """The comparison it belongs to, if any."""

    @property
    def paused(self) -> bool:
        return self.status == "running" and bool(self.progress.get("paused"))


def from_row(row: sqlite3.Row) -> Run:
    """The Run in a row of the table runs."""
    values = {entry.name: row[entry.name] for entry in dataclasses.fields(Run)}
    for name in ("progress", "started", "summary"):
        values[name] = json.loads(values[name]) if values[name] else None
    try:
        values["config"] = from_json(row["config"])
    except ConfigError as error:  # one run of another version must not hide all the others
        values["config"] = _readable_part(row["config"])
        values["error"] = values["error"] or f"{error} It was made by another version of Thaw; configure it again."
    return Run(**values)


def changes(event: Json, progress: Json) -> Json:
    """The columns that `event` changes."""
    body = {key: value for key, value in event.items() if key != "event"}
    match event["event"]:
        case "started":
            return {"started": json.dumps(event), "device": event["device"], "progress": "{}"}
        case "progress" if "paused" in event:
            return {"progress": json.dumps({**progress, **body})}
        case "progress" | "step":
            return {"progress": json.dumps(body)}
        case "epoch":
            return {"progress": json.dumps({**progress, "epoch": event["epoch"], "epochs": event["epochs"]})}
        case "note":
            return {"progress": json.dumps({**progress, "note": event["text"]})}
        case "finished":
            return {"summary": json.dumps(event["summary"])}
    return {}


def _readable_part(text: str) -> RunConfig:
    known = {entry.name for entry in dataclasses.fields(RunConfig)}
    values = {name: value for name, value in json.loads(text).items() if name in known}
    return RunConfig(**{"dataset": "", "backbone": "", **values})
