"""Work for the child to do in tests: what a run does is said in its dataset's name, and files tell what happened."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.errors import DatasetError
from engine.events import Device, Epoch, Event, Finished, Note, Progress, Result, Started, Step, Summary
from engine.jobs.records import ImportImages, Nothing
from engine.store.run_record import Run
from engine.workspace import Workspace

Part = Callable[[Run, Workspace], Iterator[Event]]
SESSIONS_SHARE = Path("/proc/self/autogroup")


def available() -> list[Device]:
    return [Device(device="cpu", name="Fake", memory_bytes=1, why="It is a fake.")]


def set_threads() -> int:
    return 1


def prepare() -> None:
    """There is nothing to load."""


def execute(run: Run, workspace: Workspace, *, device: str) -> Iterator[Event]:
    yield Started(device=device, train_images=2)
    yield Note(text=f"pid {os.getpid()} nice {os.nice(0)}")
    if SESSIONS_SHARE.exists():  # Linux: how the session of this process ranks among the others
        yield Note(text=f"{SESSIONS_SHARE.read_text().strip()} among sessions")
    yield from _PARTS[run.config.dataset](run, workspace)


def conclude(run: Run, workspace: Workspace, *, device: str) -> Iterator[Event]:
    yield Progress(stage="Predicting", done=1, total=1)
    yield Finished(summary=Summary(best_epoch=1, audit="concluded"))


def import_task(workspace: Workspace, arguments: ImportImages) -> Iterator[Event]:
    yield Progress(stage="Reading", done=1, total=2)
    yield Result.of({"draft": "draft-00000001", "name": arguments.name})


def endless_task(workspace: Workspace, arguments: Nothing) -> Iterator[Event]:
    done = 0
    while True:
        done += 1
        yield Progress(stage="Reading", done=done, total=0)
        _breathe()


def dying_task(workspace: Workspace, arguments: Nothing) -> Iterator[Event]:
    yield from ()
    os.kill(os.getpid(), signal.SIGSEGV)


def refusing_task(workspace: Workspace, arguments: Nothing) -> Iterator[Event]:
    yield from ()
    raise DatasetError("The zip is damaged. Make it again.")


TASKS = {
    "import": (ImportImages, import_task),
    "endless": (Nothing, endless_task),
    "dying": (Nothing, dying_task),
    "refusing": (Nothing, refusing_task),
}


def _short(run: Run, workspace: Workspace) -> Iterator[Event]:
    for epoch in (1, 2):
        yield _step(epoch)
        os.write(1, b"a native library prints half a line")
        best = epoch == 1
        yield Epoch(epoch=epoch, epochs=2, train_loss=1 / epoch, val_loss=1.0, val_accuracy=0.5, best=best)
    yield Finished(summary=Summary(best_epoch=1))


def _endless(run: Run, workspace: Workspace) -> Iterator[Event]:
    """Counts in a file how often it was pulled; saves the best weights first."""
    (workspace.run(run.id) / "best.safetensors").write_bytes(b"best")
    yield from _endless_without_best(run, workspace)


def _endless_without_best(run: Run, workspace: Workspace) -> Iterator[Event]:
    pulls = 0
    while True:
        pulls += 1
        (workspace.run(run.id) / "pulls").write_text(str(pulls))
        yield _step(1)
        _breathe()


def _deaf(run: Run, workspace: Workspace) -> Iterator[Event]:
    yield _step(1)
    threading.Event().wait()


def _signalled(number: signal.Signals) -> Part:
    def part(run: Run, workspace: Workspace) -> Iterator[Event]:
        yield _step(1)
        os.kill(os.getpid(), number)

    return part


def _exits(run: Run, workspace: Workspace) -> Iterator[Event]:
    yield _step(1)
    os._exit(7)


def _raises(error: Exception) -> Part:
    def part(run: Run, workspace: Workspace) -> Iterator[Event]:
        yield _step(1)
        raise error

    return part


def _step(epoch: int) -> Event:
    return Step(epoch=epoch, epochs=2, step=1, steps=2)


def _breathe() -> None:
    """Real steps take a while; a flood would only measure the machine."""
    threading.Event().wait(0.005)


_PARTS = {
    "short": _short,
    "endless": _endless,
    "endless_without_best": _endless_without_best,
    "deaf": _deaf,
    "killed": _signalled(signal.SIGKILL),
    "segfault": _signalled(signal.SIGSEGV),
    "exits": _exits,
    "refuses": _raises(DatasetError("The dataset has changed. Import it again.")),
    "defect": _raises(ZeroDivisionError("division\nby zero")),
    "no_memory": _raises(MemoryError()),
}
