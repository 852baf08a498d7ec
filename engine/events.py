"""Events, what a child tells while it works, and commands, what it is told: one JSON object a line on its pipe.

The list of runs keeps some of them as they came, so every field that some version did not write has a default.
Not here: who tells whom (work), who remembers it (store).
"""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Literal

import msgspec

from engine import record_files


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an event."""


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag=str.lower):
    """What has happened; every direct subclass can cross the pipe."""


class Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="do", tag=str.lower):
    """What is to be done; every direct subclass can cross the pipe."""


class TrainRun(Command, frozen=True, kw_only=True):
    run: str
    device: str


class DoJob(Command, frozen=True, kw_only=True):
    kind: str
    arguments: str
    """The JSON of a record that this kind of job defines."""


class Prepare(Command, frozen=True, kw_only=True):
    """Nothing is to be done now: load what runs will need."""


class Ask(Command, frozen=True, kw_only=True):
    """A wish of a person for the work under way: to "stop", "pause", "resume" or "cancel"."""

    what: str


class Device(Record, frozen=True, kw_only=True):
    """Something that can train; `why` says why it is not a GPU."""

    device: str
    name: str
    memory_bytes: int
    why: str


class Hello(Event, frozen=True, kw_only=True):
    devices: tuple[Device, ...]


class StartedBlock(Record, frozen=True, kw_only=True):
    """A block of a backbone: `size` values, and whether some of them train, by phase."""

    name: str
    stage: str
    size: int
    trains: tuple[bool, ...]


class StartedPhase(Record, frozen=True, kw_only=True):
    epochs: int
    lr: float = 0.0
    body_share: float = 1.0
    lr_decay: float = 1.0
    how: Literal["steps", "solved", "interpolated"] = "steps"


class DatasetVersion(Record, frozen=True, kw_only=True):
    id: str
    name: str
    fingerprint: str


class CacheFile(Record, frozen=True, kw_only=True):
    """Kept activations of a split: what block `cut` reads of the evaluation crop, or of a `view`."""

    split: str
    view: int | None
    cut: int = 0
    block: str
    bytes: int
    state: str
    """"computed" by this run or "found"."""
    saved_seconds: float


class Cache(Record, frozen=True, kw_only=True):
    """What was computed once instead of in every epoch, and the seconds that took and saved so far."""

    files: tuple[CacheFile, ...] = ()
    seconds: float = 0.0
    saved_seconds: float = 0.0
    shared_with: int = 0
    """Waiting runs that the same pass was for."""


class Started(Event, frozen=True, kw_only=True):
    """Data and model are ready; training is about to begin or to go on."""

    device: str
    device_name: str = ""
    precision: str = ""
    trainable_parameters: int = 0
    """In the phase in which most train."""
    total_parameters: int = 0
    blocks: tuple[StartedBlock, ...] = ()
    phases: tuple[StartedPhase, ...] = ()
    train_images: int = 0
    val_images: int = 0
    test_images: int = 0
    dataset: DatasetVersion | None = None
    preprocessing: Mapping[str, str | int | list[int | float]] = {}
    patience: int = 0
    """Epochs of the last phase without a better score that end the run; 0 never does."""
    epochs_done: int | None = None
    """Epochs that it goes on from."""
    cache: Cache | None = None
    solved: bool = False
    """Whether the head is solved to its optimum, and nothing is stepped."""

    @property
    def epochs(self) -> int:
        """How many the plan has in all phases."""
        return sum(phase.epochs for phase in self.phases)

    @property
    def solves(self) -> bool:
        """Whether it solves the head, at first or altogether."""
        return self.solved or any(phase.how == "solved" for phase in self.phases)


class Step(Event, frozen=True, kw_only=True):
    """One optimisation step is done; `step` and `epoch` count from 1."""

    epoch: int
    epochs: int = 0
    step: int
    steps: int
    images: int = 0
    images_per_second: float = 0.0
    """Since the last epoch ended."""
    memory_bytes: int = 0


class Penalty(Record, frozen=True, kw_only=True):
    """A penalty |weight|^2 / (2 C) of a head that is solved, by cross-validation inside the training images: log loss
    of images held out with its standard error, and accuracy."""

    c: float
    loss: float
    error: float
    accuracy: float
    chosen: bool = False


class Mixture(Record, frozen=True, kw_only=True):
    """Weights between two ends, `share` of them from the second: loss and accuracy on the validation images."""

    share: float
    loss: float
    accuracy: float
    chosen: bool = False


class Epoch(Event, frozen=True, kw_only=True):
    """One pass over the training images is done and judged. Losses are means per image, None where not finite;
    validation is unweighted, None without images."""

    epoch: int
    epochs: int = 0
    phase: int = 0
    train_loss: float | None = None
    train_accuracy: float | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None
    lr: Mapping[str, float] = {}
    """Learning rate of each optimizer group in the last step."""
    grad_norm: Mapping[str, float] = {}
    """L2 norm of the gradient of each block in the last step; frozen blocks are absent."""
    seconds: float = 0.0
    """Training alone, without validation and pauses."""
    images_per_second: float = 0.0
    best: bool = False
    memory_bytes: int = 0
    penalties: tuple[Penalty, ...] = ()
    """What was tried, where the head was solved instead of stepped."""
    mixtures: tuple[Mixture, ...] = ()
    """What was tried, where weights were interpolated."""

    def score(self, split: Literal["train", "val"], metric: Literal["accuracy", "loss"]) -> float | None:
        value: float | None = getattr(self, f"{split}_{metric}")
        return value

    @property
    def scores(self) -> tuple[str, ...]:
        """Loss and accuracy by their names, those that there are: `val_loss 0.1234`."""
        scores = {"train_loss": self.train_loss, "val_loss": self.val_loss, "val_accuracy": self.val_accuracy}
        return tuple(f"{name} {value:.4f}" for name, value in scores.items() if value is not None)

    def __hash__(self) -> int:
        return hash((self.epoch, self.train_loss, self.val_loss, self.seconds))


class Progress(Event, frozen=True, kw_only=True):
    """A stage of the work: `done` of `total`, which is 0 where unknown."""

    stage: str = ""
    done: int = 0
    total: int = 0


class Paused(Event, frozen=True, kw_only=True):
    """The answer to a wish: the run holds still, or goes on."""

    paused: bool


class Note(Event, frozen=True, kw_only=True):
    """A sentence for the person who watches."""

    text: str


class Summary(Record, frozen=True, kw_only=True):
    """Accuracies of the best epoch, the test one with its 95 % interval; seconds of training."""

    best_epoch: int = 0
    epochs: int = 0
    val_accuracy: float | None = None
    val_loss: float | None = None
    test_accuracy: float | None = None
    test_accuracy_low: float | None = None
    test_accuracy_high: float | None = None
    seconds: float = 0.0
    peak_memory_bytes: int = 0
    frozen_unchanged: bool = False
    moved_tensors: int = 0
    unchanged_tensors: int = 0
    idle_tensors: int = 0
    audit: str = ""
    cache: Cache | None = None


class Finished(Event, frozen=True, kw_only=True):
    summary: Summary


class Result(Event, frozen=True, kw_only=True):
    """What a job has made: the JSON of a record that its kind defines."""

    value: str

    @classmethod
    def of(cls, record: object) -> "Result":
        return cls(value=record_files.encode(record))


class Done(Event, frozen=True, kw_only=True):
    """A run or a job has ended; `stopped`: early, on request."""

    stopped: bool = False
    message: str = ""


class Failed(Event, frozen=True, kw_only=True):
    """It has ended with an error: what a person is told, and what the log keeps."""

    message: str
    traceback: str = ""
    healthy: bool = False
    """Whether the child may be trusted with more work."""


EVENTS: type[Event] = reduce(or_, Event.__subclasses__())
COMMANDS: type[Command] = reduce(or_, Command.__subclasses__())
"""What a line of the pipe is read as, each way."""
