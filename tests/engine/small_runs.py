"""Runs that train in a second, and what several tests ask of them."""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file

from engine.data.dataset_records import Dataset
from engine.events import Event
from engine.runconfig import RunConfig
from engine.runs.pipeline import execute
from engine.store.run import Run
from engine.store.run_store import RunStore
from engine.workspace import Workspace

SMALL = {
    "backbone": "resnet18",
    "weights": "none",
    "epochs": 2,
    "image_size": 32,
    "batch_size": 8,
    "precision": "fp32",
}
T = TypeVar("T")
E = TypeVar("E", bound=Event)


@dataclass(frozen=True, kw_only=True)
class Home:
    """A workspace with a dataset and a trained run. Shared, so leave it as it was."""

    workspace: Workspace
    dataset: Dataset
    source: Path
    run: Run

    @property
    def folder(self) -> Path:
        return self.workspace.run(self.run.id)

    @contextmanager
    def other_weights(self, then: float) -> Iterator[None]:
        """As if the weights had been written at that time (seconds since 1970)."""
        path = self.folder / "best.safetensors"
        before = path.stat()
        os.utime(path, (then, then))
        yield
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def small_config(dataset: Dataset, **options: object) -> RunConfig:
    return RunConfig(**{"dataset": dataset.id, **SMALL, **options})  # type: ignore[arg-type]


def begun(workspace: Workspace, dataset: Dataset, name: str = "", **options: object) -> Run:
    """A run that these tests have taken from the queue."""
    return RunStore(workspace).enqueue(small_config(dataset, **options), name=name, owner="tests")


def events_of(run: Run, workspace: Workspace) -> list[Event]:
    return list(execute(run, workspace, device="cpu"))


def trained(workspace: Workspace, dataset: Dataset, name: str = "", **options: object) -> Run:
    """A run that was trained as a worker would have done it."""
    store, run = RunStore(workspace), begun(workspace, dataset, name, **options)
    for event in events_of(run, workspace):
        store.record(run.id, event)
    store.finish(run.id, "finished")
    return store.get(run.id)


def only(events: Iterator[Event] | list[Event], kind: type[E]) -> E:
    """The one event of its kind."""
    (event,) = [event for event in events if isinstance(event, kind)]
    return event


def close_after(events: Iterator[Event], kind: type[Event], **fields: object) -> None:
    """End the work after its first event of this kind and with these `fields`."""
    for event in events:
        if isinstance(event, kind) and all(getattr(event, name) == value for name, value in fields.items()):
            break
    events.close()  # type: ignore[attr-defined]


def value_of(work: Generator[Any, None, T]) -> T:
    """What the work returns in the end."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def same_weights(workspace: Workspace, one: Run, other: Run) -> bool:
    first, second = (load_file(workspace.run(run.id) / "best.safetensors") for run in (one, other))
    return first.keys() == second.keys() and all(torch.equal(tensor, second[name]) for name, tensor in first.items())
