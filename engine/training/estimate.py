"""Estimate: what a run will take, from a few measured steps and the plan; plain arithmetic, loads without torch.

Not here: measuring (jobs.forecast).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from engine.data.dataset_records import SPLITS, Split
from engine.models.outline import Outline
from engine.runconfig import RunConfig
from engine.training.frozen.cuts import Cost, Pictures, Slot, views_of
from engine.training.plan import SHARES, FreezePlan, phase_at, untouched

_VALUE_BYTES = 4
_MOMENTS = {"sgd": 1, "adam": 2, "adamw": 2}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds of one image, on this machine."""

    costs: Mapping[int, Cost]
    """Of the blocks before every cut the run may read at, but 0."""
    forward: float
    """Of the whole backbone, without gradients."""
    decode: float
    steps: tuple[float, ...]
    """Of a training step in every phase, from the deepest block on that is still as it was."""


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Of one run, beside what it computes once and may share."""

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
    """Seconds of a run that reads what is in `kept`; `images` counts each split. Only a time budget cuts it short.

    The budget holds for training and the tries before it together, and with fewer epochs there is less to validate.
    """

    def saved(split: Split, view: int | None, cut: int) -> float:
        """Seconds an image that reading the deepest kept activation up to `cut` saves."""
        cuts = [slot.cut for slot in kept if slot.pictures == (split, view) and slot.cut <= cut]
        return _cost(measured, max(cuts, default=0))

    def predict(split: Split, cut: int) -> float:
        return images[split] * (measured.forward - saved(split, None, cut))

    epochs = validation = 0.0
    for number in range(plan.epochs):
        reach = untouched(outline, plan, number)
        for view in views_of(plan, config, number):
            step = measured.steps[phase_at(plan, number)[0]]
            if config.mix == "none":  # mixing blends pixels, so its steps were measured from there
                step += max(0.0, _cost(measured, reach) - saved("train", view, reach))  # timings: at least nothing
            epochs += images["train"] * step
        times = len(SHARES) if plan.phases[phase_at(plan, number)[0]].how == "interpolated" else 1
        validation += times * predict("val", reach)
    last = untouched(outline, plan, plan.epochs - 1)
    answers = sum(predict(split, last) for split in SPLITS)
    trials = 1 + (config.tune if config.tune > 1 and images["val"] and not plan.solved else 0)
    ways_of_seeing = len({view for number in range(plan.epochs) for view in views_of(plan, config, number)})
    epochs += images["train"] * measured.decode * ways_of_seeing
    whole, limit = epochs * trials, 60.0 * config.max_minutes
    share = limit / whole if 0 < limit < whole else 1.0
    return Seconds(epochs=share * whole, validation=share * trials * validation, answers=answers)


def filling(kept: Collection[Slot], costs: Mapping[int, Cost], images: Mapping[Split, int]) -> tuple[float, int]:
    """(seconds, bytes) of computing and keeping `kept` in one pass, which computes the deepest cut of all pictures."""
    deepest: dict[Pictures, int] = {}
    for slot in kept:
        deepest[slot.pictures] = max(slot.cut, deepest.get(slot.pictures, 0))
    seconds = sum(images[split] * costs[cut].seconds for (split, _), cut in deepest.items())
    return seconds, sum(images[slot.split] * costs[slot.cut].size_bytes for slot in kept)


def training_bytes(trainable: int, optimizer: str) -> int:
    """What training takes beside the model and the images: gradients and the moments of the optimizer."""
    return _VALUE_BYTES * trainable * (1 + _MOMENTS[optimizer])


def checkpoint_bytes(outline: Outline, trainable: int, optimizer: str) -> int:
    """Two checkpoints, as the new one stands beside the old one, and the best weights."""
    moving = trainable * (2 + _MOMENTS[optimizer])
    return _VALUE_BYTES * (2 * moving + outline.size)


def parts_needed(free: int, *, standing: int, an_image: int, batch: int) -> int:
    """In how many parts a batch fits into `free` bytes, `standing` of them taken; 0 when not even one image fits."""
    parts = 1
    while free - standing < an_image * -(-batch // parts):
        if parts >= batch:
            return 0
        parts = min(2 * parts, batch)
    return parts


def _cost(measured: Measured, cut: int) -> float:
    return measured.costs[cut].seconds if cut else 0.0
