"""Runs that train in a second, and what several tests ask of them."""

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file

from engine.data.dataset_records import Dataset
from engine.events import Event
from engine.runconfig import RunConfig
from engine.runs.pipeline import conclude, execute
from engine.store.run_record import Run
from engine.store.run_store import RunStore
from engine.workspace import Workspace

SMALL = {
    "backbone": "resnet18",
    "weights": "none",
    "strategy": "linear_probe_steps",
    "epochs": 2,
    "image_size": 32,
    "batch_size": 8,
    "precision": "fp32",
}
T = TypeVar("T")
E = TypeVar("E", bound=Event)


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A workspace with a dataset, to train small runs in."""

    workspace: Workspace
    dataset: Dataset

    def config(self, **options: object) -> RunConfig:
        return RunConfig(**{"dataset": self.dataset.id, **SMALL, **options})  # type: ignore[arg-type]

    def begun(self, name: str = "", **options: object) -> Run:
        """A run that is taken from the queue."""
        return RunStore(self.workspace).enqueue(self.config(**options), name=name, owner="tests")

    def trained(self, name: str = "", **options: object) -> Run:
        """A run that was trained as a worker would have done it."""
        store, run = RunStore(self.workspace), self.begun(name, **options)
        for event in self.execute(run):
            store.record(run.id, event)
        store.finish(run.id, "finished")
        return store.get(run.id)

    def execute(self, run: Run) -> list[Event]:
        return list(execute(run, self.workspace, device="cpu"))

    def execute_until(self, run: Run, kind: type[Event], **fields: object) -> None:
        """Close it after its first event of this kind and with these `fields`."""
        events = execute(run, self.workspace, device="cpu")
        for event in events:
            if isinstance(event, kind) and all(getattr(event, name) == value for name, value in fields.items()):
                break
        events.close()  # type: ignore[attr-defined]

    def conclude(self, run: Run) -> list[Event]:
        return list(conclude(run, self.workspace, device="cpu"))

    def folder_of(self, run: Run) -> Path:
        return self.workspace.run(run.id)

    def same_weights(self, one: Run, other: Run) -> bool:
        first, second = (load_file(self.folder_of(run) / "best.safetensors") for run in (one, other))
        return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@dataclass(frozen=True, kw_only=True)
class Home(Lab):
    """With a trained run. Shared, so leave it as it was."""

    source: Path
    run: Run

    @property
    def folder(self) -> Path:
        return self.folder_of(self.run)

    @contextmanager
    def other_weights(self, then: float) -> Iterator[None]:
        """As if the weights had been written at that time (seconds since 1970)."""
        path = self.folder / "best.safetensors"
        before = path.stat()
        os.utime(path, (then, then))
        yield
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def only(events: Sequence[Event], kind: type[E]) -> E:
    """The one event of its kind."""
    (event,) = [event for event in events if isinstance(event, kind)]
    return event


def value_of(work: Generator[Any, None, T]) -> T:
    """What the work returns in the end."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
