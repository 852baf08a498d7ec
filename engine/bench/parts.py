"""Parts: what each optimisation of Thaw is worth: the same runs with it and with it switched off, in turns.

Not here: the other contenders (runner), the table (report).
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import torch

from engine import devices
from engine.bench import thaw
from engine.bench.measurements import Measurement, Measurements
from engine.bench.rows import FEW_SEEDS, PART
from engine.bench.runner import Say, key_of
from engine.bench.setting import Recipe, Setting, prepare
from engine.models.reuse import Warm
from engine.runconfig import RunConfig
from engine.runs import checkpointing, session, sharing
from engine.training import activations
from engine.training.numerics import Numerics, numerics


@dataclass(frozen=True, kw_only=True)
class Part:
    """One optimisation, the run in which it counts, and how to do without it."""

    name: str
    """In rows.TITLES."""
    trainings: tuple[str, ...]
    without: Callable[[], AbstractContextManager[object]]
    seeds: int = 1


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    with patch.dict(os.environ, {name: value}):
        yield


def _alone(*_: object) -> tuple[()]:
    return ()


def _fp32(*_: object, **__: object) -> Numerics:
    return numerics("fp32", torch.device("cpu"))


def _always_a_core() -> int:
    return 1


def _features_off() -> AbstractContextManager[object]:
    return _environment("THAW_FEATURE_CACHE_GB", "0")


PARTS: tuple[Part, ...] = (
    Part(name="activations", trainings=("linear_probe",), without=_features_off),
    Part(name="deep_activations", trainings=("last_block",), without=_features_off),
    Part(
        name="siblings",
        trainings=("linear_probe", "last_block", "last_stage"),
        without=lambda: patch.object(sharing, "siblings", _alone),
    ),
    Part(
        name="pixels",
        trainings=("full_finetune",),
        without=lambda: _environment("THAW_PIXEL_CACHE_GB", "0"),
    ),
    Part(
        name="format",
        trainings=("full_finetune",),
        without=lambda: patch.object(session, "choose", _fp32),
    ),
    Part(
        name="in_turn",
        trainings=("full_finetune",),
        without=lambda: patch.object(devices, "spare_cores", _always_a_core),
    ),
    Part(
        name="model",
        trainings=("linear_probe",),
        seeds=FEW_SEEDS,
        without=lambda: patch.object(Warm, "take", lambda *_: None),
    ),
    Part(
        name="memory",
        trainings=("linear_probe",),
        seeds=FEW_SEEDS,
        without=lambda: patch.object(activations.FeatureSource, "instant", lambda *_: False),
    ),
    Part(
        name="saving",
        trainings=("linear_probe",),
        seeds=FEW_SEEDS,
        without=lambda: patch.object(checkpointing, "SHARE", 0),
    ),
)


def measure_parts(folder: Path, recipe: Recipe, repetitions: int, say: Say) -> Measurements:
    """Everything that is missing in `folder`: every part on and off, who begins changing from repetition to
    repetition."""
    measurements, setting = Measurements(folder), prepare(folder, recipe)
    for repetition in range(repetitions):
        for part in PARTS:
            for off in (False, True) if repetition % 2 else (True, False):
                key = key_of(recipe, PART, f"{part.name}, {'off' if off else 'on'}", repetition)
                if measurements.find(key) is None:
                    seconds = _seconds(setting, part, off, repetition)
                    measurements.add(Measurement(key=key, seconds=seconds))
                    say(f"{key.what}: {seconds:.2f} s")
    return measurements


def _seconds(setting: Setting, part: Part, off: bool, repetition: int) -> float:
    configs: list[RunConfig] = [
        setting.config(training, part.seeds * repetition + seed)
        for training in part.trainings
        for seed in range(part.seeds)
    ]
    with setting.fresh_workspace() as workspace, part.without() if off else nullcontext():
        return thaw.run_queue(setting, workspace, configs).seconds
