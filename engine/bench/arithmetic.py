"""Arithmetic: from measurements to what stands in the table: sums, ratios, medians. Not here: measuring, the page.

A ratio is only ever taken between measurements of the same repetition, so that a slow machine slows both sides.
"""

from collections.abc import Iterable

import pandas as pd

from engine.bench.measurements import Measurement
from engine.bench.workloads import TOGETHER, Workload


def measured(measurements: Iterable[Measurement], contender: str, what: str) -> pd.DataFrame:
    """Columns `seconds` and `accuracy`, a row a repetition."""
    rows = {
        measurement.key.repetition: (measurement.seconds, measurement.accuracy)
        for measurement in measurements
        if (measurement.key.contender, measurement.key.what) == (contender, what)
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["seconds", "accuracy"], dtype=float)


def of_workload(measurements: Iterable[Measurement], contender: str, workload: Workload) -> pd.DataFrame:
    """The same of a whole workload: as measured, or added up over its trainings, where none of them is missing."""
    if contender in TOGETHER:
        return measured(measurements, contender, workload.name)
    trainings = [measured(measurements, contender, training) for training in workload.trainings]
    total = sum(trainings[1:], start=trainings[0]) * [workload.seeds, 1 / len(trainings)]
    return total.dropna(subset=["seconds"])


def ratio(above: pd.DataFrame, below: pd.DataFrame) -> pd.Series:
    """How many times as long `above` took as `below`, by repetition."""
    return (above["seconds"] / below["seconds"]).dropna()


def spread(values: pd.Series, form: str = ".2f", *, middle: str = "median", bold: bool = False) -> str:
    """The median, or another `middle`, with the smallest and the largest; a dash for nothing."""
    if values.empty:
        return "–"
    mark = "**" if bold else ""
    return f"{mark}{values.agg(middle):{form}}{mark} ({values.min():{form}}–{values.max():{form}})"
