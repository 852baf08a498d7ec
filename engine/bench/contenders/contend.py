"""Contend: the process of a contender that is no part of Thaw: `python -m engine.bench.contenders.contend NAME FOLDER`.

It finds its assignment in the folder and leaves its outcome there. Not here: the contenders, who starts the process
(commands).
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine import record_files
from engine.bench.contenders.assignment import ASSIGNMENT, OUTCOME, Assignment, Outcome, Result

if TYPE_CHECKING:
    from torch import Tensor

Train = Callable[[Assignment, "Watch"], Result]


class Watch:
    """Asks for answers to the test images after every epoch; its clock stands still meanwhile."""

    def __init__(self, given: Assignment) -> None:
        self._started = given.started
        self._labels = [int(path.parent.name) for path in given.images_of("test")]
        self._points: list[tuple[float, float]] = []
        self._seconds = 0.0
        self._probabilities: tuple[tuple[float, ...], ...] = ()

    def epoch(self, answer: "Callable[[], Tensor]") -> None:
        """After an epoch; `answer` gives probabilities [images, classes]."""
        stopped = time.monotonic()
        if self._labels:
            guesses = answer().argmax(1).tolist()
            right = sum(guess == label for guess, label in zip(guesses, self._labels, strict=True))
            self._points.append((stopped - self._started, right / len(self._labels)))
        self._started += time.monotonic() - stopped

    def end(self, answer: "Callable[[], Tensor]") -> None:
        """When nothing trains any more."""
        self._seconds = time.monotonic() - self._started
        if self._labels:
            self._probabilities = tuple(map(tuple, answer().tolist()))

    def outcome(self, accuracy: float) -> Outcome:
        return Outcome(
            seconds=self._seconds,
            accuracy=accuracy,
            points=tuple(self._points),
            probabilities=self._probabilities,
        )


def contend(contender: str, folder: Path) -> None:
    """Train as `contender` does, with what lies in `folder`."""
    given = record_files.read(folder / ASSIGNMENT, Assignment)
    watch, train = Watch(given), _training_of(contender)
    import torch

    torch.set_num_threads(given.threads)
    result = train(given, watch)
    record_files.write(folder / OUTCOME, watch.outcome(result.accuracy))


def _training_of(contender: str) -> Train:
    """Imported only where it is wanted: the imports of one are no time of another."""
    if contender == "sklearn":
        from engine.bench.contenders.logistic import fit_logistic

        return fit_logistic
    if contender == "fastai":
        from engine.bench.contenders.fastai_loop import fine_tune

        return fine_tune
    from engine.bench.contenders.classic import train_classic

    return train_classic


if __name__ == "__main__":
    contend(sys.argv[1], Path(sys.argv[2]))
