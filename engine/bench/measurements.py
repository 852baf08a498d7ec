"""Measurements: what was measured under which conditions, a line of JSON each, appended the moment it is there, so that
a bench that is interrupted goes on. Not here: measuring.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import EngineError
from engine.record_files import decode, encode

RAW, ABOUT, PAGES = "measurements.jsonl", "about.json", "pages.json"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is the same for everyone."""

    images: int
    """For training, a quarter as many come on top for validation; 0 takes all of the source, split as Thaw splits."""
    epochs: int
    backbone: str = "resnet18"
    image_size: int = 0
    batch_size: int = 32
    device: str = "cpu"
    threads: int = 1
    source: str = ""
    """A folder or zip of real photographs; "" makes them."""
    weights: str = ""
    """A file with which everybody starts; "" takes what is published and on this disk, else random ones."""
    processor: str = ""
    """The lesser processor as which this one was measured (machine.PROCESSORS)."""
    data_seed: int = 0

    @property
    def data(self) -> str:
        return Path(self.source).name.removesuffix(".zip") or "generated"

    @property
    def validation_images(self) -> int:
        return max(2, self.images // 4)


@dataclass(frozen=True, kw_only=True)
class Key:
    """What was measured. Equal keys are the same measurement."""

    contender: str
    what: str
    """A workload, a training of one, a part, or what a whole command does."""
    repetition: int = 0
    """Also the seed."""
    recipe: Recipe
    whole: bool = False
    """Whether it was a command of its own, from its start to its end, where nothing had been kept."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a whole command said of the test images."""

    train: int
    """Images it learnt from."""
    images: int
    wrong: tuple[int, ...]
    """Places, among the test images in the order of the dataset, of those it took for something else."""
    log_loss: float
    points: tuple[tuple[float, float], ...]
    """(seconds since the command, accuracy) after every epoch, or once at the end."""

    @property
    def accuracy(self) -> float:
        return 1 - len(self.wrong) / self.images


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Seconds, and what came out in them."""

    key: Key
    seconds: float
    accuracy: float | None = None
    """Of the best epoch on the validation images; the mean where there were several trainings."""
    stages: Mapping[str, float] = field(default_factory=dict)
    """Seconds of parts of the whole, by name."""
    answers: Answers | None = None
    """Of a whole command, where there were images to test."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What a reader needs in order to repeat a bench."""

    command: str
    date: str
    machine: str
    side: int
    """Pixels along an edge of what the backbone saw."""
    recipe: Recipe


@dataclass(frozen=True, kw_only=True)
class PageTimes:
    """How pages answered, and what it cost training that somebody looked."""

    backbone: str
    threads: int
    idle: Mapping[str, float]
    """Page -> milliseconds."""
    training: Mapping[str, float]
    """The same while a run trained."""
    images_per_second: Mapping[str, float]
    """Who looks -> speed of training; nobody comes first."""


class Measurements:
    """Everything measured in one folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / RAW
        self._by_key = {measurement.key: measurement for measurement in _read(self._path)}

    def __iter__(self) -> Iterator[Measurement]:
        return iter(self._by_key.values())

    def find(self, key: Key) -> Measurement | None:
        return self._by_key.get(key)

    def add(self, measurement: Measurement) -> None:
        """Remember it, on the disk first."""
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(f"\n{encode(measurement)}")  # the break comes first: a line cut off must not swallow the next
            file.flush()
            os.fsync(file.fileno())
        self._by_key[measurement.key] = measurement


def _read(path: Path) -> Iterator[Measurement]:
    """Whole lines only: one may have been cut off."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        with suppress(EngineError):
            yield decode(line, Measurement, what=path.name)
