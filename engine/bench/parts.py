"""Parts: what each optimisation of Thaw is worth: the same runs with it and with it switched off, in turns.

Not here: measuring in turns (runner), the table (report).
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from unittest.mock import patch

from engine import devices
from engine.bench.contenders import thaw
from engine.bench.contenders.assignment import Result
from engine.bench.experiment import Experiment
from engine.bench.measurements import Key, Recipe
from engine.models.reuse import Warm
from engine.runs import checkpointing, session
from engine.training.frozen.activations import FeatureSource

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
    *(
        Part(name=name, title=f"{title}: {_SEEDS} seeds of a linear probe", seeds=_SEEDS, attribute=attribute)
        for name, title, attribute in (
            ("model", "the built model kept between runs", (Warm, "take", _always(None))),
            ("memory", "small activations read without a thread", (FeatureSource, "instant", _always(False))),
            ("saving", "short epochs saved together", (checkpointing, "SHARE", 0)),
        )
    ),
)


def part_keys(recipe: Recipe, *, repetitions: int) -> list[Key]:
    """Every part on and off, who begins changing from repetition to repetition."""
    return [
        Key(contender=contender, what=part.name, repetition=repetition, recipe=recipe)
        for repetition in range(repetitions)
        for part in PARTS
        for contender in ((PART, WITHOUT_PART) if repetition % 2 else (WITHOUT_PART, PART))
    ]


def train_part(experiment: Experiment, key: Key) -> Result:
    """The runs of a part, with it or without."""
    (part,) = (part for part in PARTS if part.name == key.what)
    off = key.contender == WITHOUT_PART
    configs = experiment.configs(part.trainings, seeds=part.seeds, repetition=key.repetition)
    configs = [replace(config, precision=part.precision if off else "auto") for config in configs]
    with experiment.fresh_workspace() as workspace, part.without() if off else nullcontext():
        return thaw.run_queue(experiment, workspace, configs)
