"""Measurements: one line of JSON each, appended the moment it is there, so that a bench that is interrupted goes on.

Loads without torch. Not here: measuring.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

RAW = "measurements.jsonl"


@dataclass(frozen=True, kw_only=True)
class Key:
    """What was measured. Equal keys are the same measurement."""

    contender: str
    what: str
    """A row, a training of a row, or a step of growth."""
    repetition: int
    """Also the seed."""
    images: int
    epochs: int
    backbone: str
    image_size: int
    threads: int
    batch_size: int
    device: str
    data: str
    """Name of the folder, or `generated`."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    key: Key
    seconds: float
    accuracy: float | None = None
    """Of the best epoch on the validation images; the mean where there were several trainings."""
    about: dict[str, object] = field(default_factory=dict)


class Measurements:
    """Everything measured in one folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / RAW
        self._known = {made.key: made for made in _read(self._path)}
        if self._path.is_file() and not self._path.read_bytes().endswith(b"\n"):
            self._path.write_bytes(self._path.read_bytes() + b"\n")  # a line that was cut off must not swallow the next

    def __iter__(self) -> Iterator[Measurement]:
        return iter(self._known.values())

    def find(self, key: Key) -> Measurement | None:
        return self._known.get(key)

    def add(self, made: Measurement) -> None:
        """Remember it, on the disk first."""
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(made), ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._known[made.key] = made


def _read(path: Path) -> list[Measurement]:
    """Whole lines only: the last one may have been cut off."""
    made = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            values = json.loads(line)
        except ValueError:
            continue
        made.append(Measurement(**{**values, "key": Key(**values["key"])}))
    return made
