"""Parts: what each optimisation of Thaw is worth: the same runs with it and with it switched off, in turns.

Not here: the other contenders (runner), the table (report).
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch

from engine import devices
from engine.bench import thaw
from engine.bench.experiment import Experiment, prepare
from engine.bench.measurements import Key, Measurement, Measurements, Recipe
from engine.bench.workloads import FEW_SEEDS, PART, WITHOUT_PART
from engine.models.reuse import Warm
from engine.runs import checkpointing, session
from engine.training.activations import FeatureSource


@dataclass(frozen=True, kw_only=True)
class Part:
    """One optimisation, the runs in which it counts, and how to do without it: by a setting of the runs, by variables
    of the environment, or, where nobody else needs a switch, by another value of an attribute."""

    name: str
    """In workloads.TITLES."""
    trainings: tuple[str, ...] = ("linear_probe",)
    seeds: int = 1
    precision: str = "auto"
    """Of the runs without it."""
    environment: Mapping[str, str] = field(default_factory=dict)
    attribute: tuple[object, str, object] | None = None
    """Owner, name, value."""

    @contextmanager
    def without(self) -> Iterator[None]:
        with (
            patch.dict(os.environ, self.environment),
            patch.object(*self.attribute) if self.attribute else nullcontext(),
        ):
            yield


def _always(value: object) -> Callable[..., object]:
    return lambda *_: value


_NO_FEATURES = {"THAW_FEATURE_CACHE_GB": "0"}
PARTS = (
    Part(name="activations", environment=_NO_FEATURES),
    Part(name="deep_activations", trainings=("last_block",), environment=_NO_FEATURES),
    Part(
        name="siblings",
        trainings=("linear_probe", "last_block", "last_stage"),
        attribute=(session, "siblings", _always(())),
    ),
    Part(name="pixels", trainings=("full_finetune",), environment={"THAW_PIXEL_CACHE_GB": "0"}),
    Part(name="format", trainings=("full_finetune",), precision="fp32"),
    Part(name="in_turn", trainings=("full_finetune",), attribute=(devices, "spare_cores", _always(1))),
    Part(name="model", seeds=FEW_SEEDS, attribute=(Warm, "take", _always(None))),
    Part(name="memory", seeds=FEW_SEEDS, attribute=(FeatureSource, "instant", _always(False))),
    Part(name="saving", seeds=FEW_SEEDS, attribute=(checkpointing, "SHARE", 0)),
)


def measure_parts(folder: Path, recipe: Recipe, *, repetitions: int) -> None:
    """Everything that is missing in `folder`: every part on and off, who begins changing from repetition to
    repetition."""
    measurements, experiment = Measurements(folder), prepare(folder, recipe)
    for repetition in range(repetitions):
        for part in PARTS:
            for contender in (PART, WITHOUT_PART) if repetition % 2 else (WITHOUT_PART, PART):
                key = Key(contender=contender, what=part.name, repetition=repetition, recipe=recipe)
                if measurements.find(key) is None:
                    seconds = _seconds(experiment, part, repetition, off=contender == WITHOUT_PART)
                    measurements.add(Measurement(key=key, seconds=seconds))
                    print(f"{part.name}, {contender}: {seconds:.2f} s", flush=True)


def _seconds(experiment: Experiment, part: Part, repetition: int, *, off: bool) -> float:
    configs = [
        replace(
            experiment.config(training, part.seeds * repetition + seed), precision=part.precision if off else "auto"
        )
        for training in part.trainings
        for seed in range(part.seeds)
    ]
    with experiment.fresh_workspace() as workspace, part.without() if off else nullcontext():
        return thaw.run_queue(experiment, workspace, configs).seconds
