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
    """For training; a quarter as many come on top for validation."""
    epochs: int
    backbone: str = "resnet18"
    image_size: int = 0
    batch_size: int = 32
    device: str = "cpu"
    threads: int = 1
    source: str = ""
    """A folder of real photographs; "" makes them."""
    data_seed: int = 0

    @property
    def data(self) -> str:
        return Path(self.source).name or "generated"

    @property
    def validation_images(self) -> int:
        return max(2, self.images // 4)


@dataclass(frozen=True, kw_only=True)
class Key:
    """What was measured. Equal keys are the same measurement."""

    contender: str
    what: str
    """A workload, a training of one, or a part."""
    repetition: int = 0
    """Also the seed."""
    recipe: Recipe


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Seconds, and what came out in them."""

    key: Key
    seconds: float
    accuracy: float | None = None
    """Of the best epoch on the validation images; the mean where there were several trainings."""
    stages: Mapping[str, float] = field(default_factory=dict)
    """Seconds of parts of the whole, by name."""


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
