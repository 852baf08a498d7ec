"""Arithmetic: from measurements to the lines of the table: sums, ratios within one repetition, medians, spreads. Loads
without torch.

A ratio is only ever taken between measurements of the same repetition, so that a slow machine slows both sides.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from engine.bench.measurements import Key, Measurement, Measurements, Recipe
from engine.bench.workloads import AGAIN, CONTENDERS, Workload

TOGETHER = ("bare", "thaw", AGAIN)
"""Contenders that do a whole workload at once; the others are measured training by training, and theirs add up."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A median, or a mean, with the smallest and the largest."""

    middle: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Line:
    """A workload with what was measured: contender -> repetition -> measurement."""

    workload: Workload
    measured: Mapping[str, Mapping[int, Measurement]]

    def seconds(self, contender: str) -> Spread | None:
        return spread([made.seconds for made in self.measured[contender].values()])

    def accuracy(self, contender: str) -> Spread | None:
        """The mean over seeds, and their range."""
        made = self.measured[contender].values()
        return spread([one.accuracy for one in made if one.accuracy is not None], middle=fmean)

    def ratio(self, above: str, below: str) -> Spread | None:
        """How many times as long `above` took as `below`."""
        return ratio(
            {number: made.seconds for number, made in self.measured[above].items()},
            {number: made.seconds for number, made in self.measured[below].items()},
        )


def line(workload: Workload, measurements: Measurements, recipe: Recipe) -> Line:
    """`workload` from everything measured under the conditions of `recipe`."""
    measured = {
        contender: {
            number: whole
            for number in range(repetitions(measurements, recipe))
            if (
                whole := of_workload(
                    workload, measurements, Key(contender=contender, what="", repetition=number, recipe=recipe)
                )
            )
        }
        for contender in (*CONTENDERS, AGAIN)
    }
    return Line(workload=workload, measured=measured)


def of_workload(workload: Workload, measurements: Measurements, key: Key) -> Measurement | None:
    """What `workload` took in the repetition of `key`: as measured, or the sum of its trainings; None while a part is
    missing."""
    if key.contender in TOGETHER:
        return measurements.find(replace(key, what=workload.name))
    parts = [measurements.find(replace(key, what=training)) for training in workload.trainings]
    whole = [part for part in parts if part is not None]
    if len(whole) < len(parts):
        return None
    accuracies = [part.accuracy for part in whole if part.accuracy is not None]
    return Measurement(
        key=replace(key, what=workload.name),
        seconds=workload.seeds * sum(part.seconds for part in whole),
        accuracy=fmean(accuracies) if accuracies else None,
    )


def repetitions(measurements: Measurements, recipe: Recipe) -> int:
    """How many times anything was measured under the conditions of `recipe`."""
    return 1 + max((made.key.repetition for made in measurements if made.key.recipe == recipe), default=0)


def ratio(above: Mapping[int, float], below: Mapping[int, float]) -> Spread | None:
    """Of seconds by repetition."""
    return spread([above[number] / below[number] for number in above if number in below])


def spread(values: Sequence[float], *, middle: Callable[[Sequence[float]], float] = median) -> Spread | None:
    return Spread(middle=middle(values), low=min(values), high=max(values)) if values else None
