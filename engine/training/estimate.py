"""Foresight: what a run will take, from a few measured steps and the plan; plain arithmetic, loads without torch.

Not here: measuring (runs.forecasting), what was measured in the end (judgement).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from engine.data.dataset_records import SPLITS, Split
from engine.models.outline import Outline
from engine.runconfig import RunConfig
from engine.training.cuts import Cost, Slot
from engine.training.plan import FreezePlan, phase_at, untouched

VALUE_BYTES = 4
_MOMENTS = {"sgd": 1, "adam": 2, "adamw": 2}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds of one image, on this machine."""

    costs: Mapping[int, Cost]
    """Of the blocks before every cut the run may read at; cut 0 costs nothing."""
    forward: float
    """Of the whole backbone, without gradients."""
    decode: float
    steps: tuple[float, ...]
    """Of a training step in every phase, from the deepest block on that is still as it was."""


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """One run, beside what it computes once and may share."""

    epochs: float
    validation: float
    answers: float

    @property
    def total(self) -> float:
        return self.epochs + self.validation + self.answers


def foresee(
    outline: Outline,
    plan: FreezePlan,
    config: RunConfig,
    *,
    measured: Measured,
    kept: Collection[Slot],
    images: Mapping[Split, int],
) -> Seconds:
    """Seconds of a run that reads what is in `kept`; `images` counts each split. As if only a time budget cut training
    short.

    The budget holds for training and the tries before it together, and with fewer epochs there is less to validate.
    """
    epochs = validation = 0.0
    for number in range(plan.epochs):
        reach = untouched(outline, plan, number)
        view = number % config.views if config.views else None
        step = measured.steps[phase_at(plan, number)[0]]
        if config.mix == "none":  # mixing blends pixels, so its steps were measured from there
            step += _cost(measured, reach) - _read(measured, kept, Slot(split="train", view=view, cut=reach))
        epochs += images["train"] * step
        validation += images["val"] * (
            measured.forward - _read(measured, kept, Slot(split="val", view=None, cut=reach))
        )
    last = untouched(outline, plan, plan.epochs - 1)
    answers = sum(
        images[split] * (measured.forward - _read(measured, kept, Slot(split=split, view=None, cut=last)))
        for split in SPLITS
    )
    trials = 1 + (config.tune if config.tune > 1 and images["val"] else 0)
    epochs += images["train"] * measured.decode * _planes(config, plan.epochs)
    whole, limit = epochs * trials, 60.0 * config.max_minutes
    share = limit / whole if 0 < limit < whole else 1.0
    return Seconds(epochs=share * whole, validation=share * trials * validation, answers=answers)


def filling(kept: Collection[Slot], costs: Mapping[int, Cost], images: Mapping[Split, int]) -> tuple[float, int]:
    """(seconds, bytes) of computing and keeping `kept` in one pass: of every plane of pictures only the deepest cut is
    paid for."""
    deepest: dict[tuple[Split, int | None], int] = {}
    for slot in kept:
        deepest[slot.split, slot.view] = max(slot.cut, deepest.get((slot.split, slot.view), 0))
    seconds = sum(images[split] * costs[cut].seconds for (split, _), cut in deepest.items())
    return seconds, sum(images[slot.split] * costs[slot.cut].size_bytes for slot in kept)


def training_bytes(trainable: int, optimizer: str) -> int:
    """What training takes before any image, beside the model itself: a gradient and the moments of the optimizer of
    what trains."""
    return VALUE_BYTES * trainable * (1 + _MOMENTS[optimizer])


def checkpoint_bytes(outline: Outline, trainable: int, optimizer: str) -> int:
    """What a run writes to resume from, twice because the new file stands beside the old one, and its best weights."""
    moving = trainable * (2 + _MOMENTS[optimizer])
    return VALUE_BYTES * (2 * moving + outline.size)


def parts_needed(free: int, *, standing: int, an_image: int, batch: int) -> int:
    """In how many parts a batch has to be computed to fit into `free` bytes, the model there already; 0 when not even
    one image fits."""
    room = free - standing
    parts = 1
    while room < an_image * -(-batch // parts):
        if parts >= batch:
            return 0
        parts = min(2 * parts, batch)
    return parts


def _planes(config: RunConfig, epochs: int) -> int:
    """How many different ways of seeing the training images have to be decoded."""
    return min(config.views, epochs) if config.views else 1


def _cost(measured: Measured, cut: int) -> float:
    return measured.costs[cut].seconds if cut else 0.0


def _read(measured: Measured, kept: Collection[Slot], wanted: Slot) -> float:
    """Seconds of one image that reading the deepest kept activation up to `wanted` saves."""
    same = [
        slot.cut for slot in kept if (slot.split, slot.view) == (wanted.split, wanted.view) and slot.cut <= wanted.cut
    ]
    return _cost(measured, max(same, default=0))
