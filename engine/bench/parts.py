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
from engine.models.reuse import Warm
from engine.runs import checkpointing, session
from engine.training.activations import FeatureSource

PART, WITHOUT_PART = "with part", "without part"
"""The contenders under whose names the parts of Thaw are measured, on and off."""
_SEEDS = 5
"""Of the parts that only count between runs."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One optimisation, the runs in which it counts, and how to do without it: by a setting of the runs, by variables
    of the environment, or, where nobody else needs a switch, by another value of an attribute."""

    name: str
    title: str
    trainings: tuple[str, ...] = ("linear_probe",)
    seeds: int = 1
    precision: str = "auto"
    """Of the runs without it."""
    environment: Mapping[str, str] = field(default_factory=dict)
    attribute: tuple[object, str, object] | None = None
    """Owner, name, value."""

    @contextmanager
    def without(self) -> Iterator[None]:
        attribute = patch.object(*self.attribute) if self.attribute else nullcontext()
        with patch.dict(os.environ, self.environment), attribute:
            yield


def _always(value: object) -> Callable[..., object]:
    return lambda *_: value


_NO_FEATURES = {"THAW_FEATURE_CACHE_GB": "0"}
_FULL = ("full_finetune",)
PARTS = (
    Part(name="activations", title="frozen activations kept: linear probe", environment=_NO_FEATURES),
    Part(
        name="deep_activations",
        title="frozen activations kept: last block",
        trainings=("last_block",),
        environment=_NO_FEATURES,
    ),
    Part(
        name="siblings",
        title="one pass for all waiting runs: linear probe, last block, last stage",
        trainings=("linear_probe", "last_block", "last_stage"),
        attribute=(session, "siblings", _always(())),
    ),
    Part(
        name="pixels",
        title="decoded pixels kept: full fine-tuning",
        trainings=_FULL,
        environment={"THAW_PIXEL_CACHE_GB": "0"},
    ),
    Part(
        name="format",
        title="number format measured instead of fp32: full fine-tuning",
        trainings=_FULL,
        precision="fp32",
    ),
    Part(
        name="in_turn",
        title="no batches made ahead where computing has every core: full fine-tuning",
        trainings=_FULL,
        attribute=(devices, "spare_cores", _always(1)),
    ),
    Part(
        name="model",
        title=f"the built model kept between runs: {_SEEDS} seeds of a linear probe",
        seeds=_SEEDS,
        attribute=(Warm, "take", _always(None)),
    ),
    Part(
        name="memory",
        title=f"small activations read without a thread: {_SEEDS} seeds of a linear probe",
        seeds=_SEEDS,
        attribute=(FeatureSource, "instant", _always(False)),
    ),
    Part(
        name="saving",
        title=f"short epochs saved together: {_SEEDS} seeds of a linear probe",
        seeds=_SEEDS,
        attribute=(checkpointing, "SHARE", 0),
    ),
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
                    seconds = _seconds(experiment, part, key)
                    measurements.add(Measurement(key=key, seconds=seconds))
                    print(f"{part.name}, {contender}: {seconds:.2f} s", flush=True)


def _seconds(experiment: Experiment, part: Part, key: Key) -> float:
    off = key.contender == WITHOUT_PART
    configs = [
        replace(
            experiment.config(training, part.seeds * key.repetition + seed), precision=part.precision if off else "auto"
        )
        for training in part.trainings
        for seed in range(part.seeds)
    ]
    with experiment.fresh_workspace() as workspace, part.without() if off else nullcontext():
        return thaw.run_queue(experiment, workspace, configs).seconds
