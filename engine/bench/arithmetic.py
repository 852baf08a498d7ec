"""Arithmetic: from measurements to the lines of the table: sums, ratios within one repetition, medians, spreads. Loads
without torch.

A ratio is only ever taken between measurements of the same repetition, so that a slow machine slows both sides.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import median

from engine.bench.measurements import Key, Measurement, Measurements
from engine.bench.rows import AGAIN, CONTENDERS, Row

TOGETHER = ("bare", "thaw", AGAIN)
"""Contenders that do a whole row at once; the others are measured training by training, and theirs add up."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A median with the smallest and the largest."""

    middle: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row with what was found; None where nothing was measured."""

    row: Row
    seconds: Mapping[str, Spread | None]
    accuracy: Mapping[str, Spread | None]
    """Mean over seeds as `middle`."""
    classic: Spread | None
    """Times as fast as the classic loop."""
    fastai: Spread | None
    bare: Spread | None
    """Times as long as the bare computation."""
    possible: Spread | None
    """Times as fast as the classic loop the bare computation is: nothing that computes the same can be faster."""
    again: Spread | None
    """Times as fast as the classic loop, on a workspace that has seen this run before."""


def line(row: Row, measurements: Measurements, like: Key, repetitions: Iterable[int]) -> Line:
    """`row` from everything measured under the conditions of `like`, whose contender, what and repetition do not
    matter."""
    found = {
        contender: {
            number: made
            for number in repetitions
            if (made := of_row(row, contender, measurements, replace(like, repetition=number)))
        }
        for contender in (*CONTENDERS, AGAIN)
    }
    return Line(
        row=row,
        seconds={
            contender: spread([made.seconds for made in numbers.values()]) for contender, numbers in found.items()
        },
        accuracy={
            contender: _mean([made.accuracy for made in numbers.values() if made.accuracy is not None])
            for contender, numbers in found.items()
        },
        classic=_ratio(found["classic"], found["thaw"]),
        fastai=_ratio(found["fastai"], found["thaw"]),
        bare=_ratio(found["thaw"], found["bare"]),
        possible=_ratio(found["classic"], found["bare"]),
        again=_ratio(found["classic"], found[AGAIN]),
    )


def of_row(row: Row, contender: str, measurements: Measurements, like: Key) -> Measurement | None:
    """What `row` took in one repetition: as measured, or the sum of its trainings; None while a part is missing."""
    if contender in TOGETHER:
        return measurements.find(replace(like, contender=contender, what=row.name))
    parts = [measurements.find(replace(like, contender=contender, what=training)) for training in row.trainings]
    whole = [part for part in parts if part is not None]
    if len(whole) < len(parts):
        return None
    accuracies = [part.accuracy for part in whole if part.accuracy is not None]
    return Measurement(
        key=replace(like, contender=contender, what=row.name),
        seconds=row.seeds * sum(part.seconds for part in whole),
        accuracy=sum(accuracies) / len(accuracies) if accuracies else None,
    )


def spread(values: list[float]) -> Spread | None:
    return Spread(middle=median(values), low=min(values), high=max(values)) if values else None


def _mean(values: list[float]) -> Spread | None:
    return Spread(middle=sum(values) / len(values), low=min(values), high=max(values)) if values else None


def _ratio(above: Mapping[int, Measurement], below: Mapping[int, Measurement]) -> Spread | None:
    return spread([above[number].seconds / below[number].seconds for number in above if number in below])
