"""Assignment: what a contender that is no part of Thaw is given, and what it hands back.

The process of a contender pays for its own imports only, so this loads without torch. Not here: the contenders, who
gives them what (experiment), the process (contend).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.bench.measurements import Answers
from engine.data.preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import Tensor

ASSIGNMENT, OUTCOME = "assignment.json", "outcome.json"


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """Images, weights and a recipe; paths as text, since it crosses a process as JSON."""

    tree: str
    """train/, val/ and perhaps test/ with a folder a class, called by its number; files by that of the image."""
    start: str
    """A state dict of torchvision's model for so many classes."""
    backbone: str
    classes: int
    trained: tuple[str, ...]
    """Names of the parameters that train."""
    rate: float
    epochs: int
    batch_size: int
    seed: int
    preprocessing: Preprocessing
    augmented: bool = False
    fixed: bool = False
    """Whether BatchNorm of frozen layers keeps its statistics."""
    device: str = "cpu"
    threads: int = 1
    workers: int = 0
    """Processes that decode."""
    started: float = 0.0
    """When the command was given, by time.monotonic, which all processes of a machine share."""

    def images_of(self, split: str) -> tuple[Path, ...]:
        """Sorted as an image folder is; a class that has none in this split has an empty folder."""
        return tuple(sorted((Path(self.tree) / split).glob("*/*")))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the process of a contender leaves; `probabilities` are those of `images_of("test")`."""

    seconds: float
    accuracy: float
    """Of the chosen epoch on the validation images."""
    points: tuple[tuple[float, float], ...]
    """(seconds, accuracy on the test images) after every epoch."""
    probabilities: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Result:
    """One training as it was timed, or several that were done together."""

    seconds: float
    accuracy: float
    """Of the best epoch on the validation images; the mean over trainings."""
    state: Mapping[str, "Tensor"] = field(default_factory=dict, repr=False)
    """What moved, as it was in the best epoch of the last training."""
    stages: Mapping[str, float] = field(default_factory=dict)
    """Seconds of each stage of the pipeline."""
    answers: Answers | None = None
