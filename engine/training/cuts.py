"""Cuts: between which blocks activations are worth keeping, for which pictures; plain arithmetic, loads without torch.

Not here: computing or storing them (features).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.data.records import SPLITS, Split
from engine.models.outline import Outline
from engine.runconfig import RunConfig
from engine.training.plan import FreezePlan, untouched

READ_BYTES_PER_SECOND = 1e9
"""What a disk cache and the copy into a batch are counted at; a wrong guess costs time, never an answer."""
_CHEAP_BYTES = 16384
"""An activation this small is kept even if only one reading is in sight: people come back to the same images."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """The inputs of block `cut` for one split seen one way; `view` None is the evaluation crop."""

    split: Split
    view: int | None
    cut: int


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What computing the blocks before a cut takes, and what keeping its activation takes: both for one image."""

    seconds: float
    size_bytes: int


def readings(outline: Outline, plan: FreezePlan, config: RunConfig, *, epoch: int = 0) -> Counter[Slot]:
    """How often a run will ask for the inputs of which block from `epoch` on, to train, to validate and for its last predictions."""
    wanted: Counter[Slot] = Counter()
    for number in range(epoch, plan.epochs):
        cut = untouched(outline, plan, number)
        wanted[Slot(split="val", view=None, cut=cut)] += 1
        if config.mix == "none":
            wanted[Slot(split="train", view=number % config.views if config.views else None, cut=cut)] += 1
    last = untouched(outline, plan, plan.epochs - 1)
    wanted.update(Slot(split=split, view=None, cut=last) for split in SPLITS)
    return Counter({slot: count for slot, count in wanted.items() if slot.cut > 0})


def worth_keeping(
    wanted: Mapping[Slot, int], costs: Mapping[int, Cost], images: Mapping[Split, int], *, have: Iterable[Slot] = (), budget: int
) -> tuple[Slot, ...]:
    """The slots to compute and keep, given those that are kept already; the best bargains first, within `budget` bytes.

    A slot is worth it when the seconds it saves are more than those of writing and reading its bytes. What it saves counts from
    the deepest cut before it that is kept.
    """
    kept, chosen = set(have), []
    open_slots = {slot for slot in wanted if slot not in kept}
    while open_slots:
        gains = {slot: _gain(slot, wanted, costs, kept) for slot in open_slots}
        best = max(sorted(open_slots, key=_order), key=lambda slot: gains[slot] / costs[slot.cut].size_bytes)
        open_slots.remove(best)
        size = costs[best.cut].size_bytes * images[best.split]
        if gains[best] > 0 and size <= budget:
            chosen.append(best)
            kept.add(best)
            budget -= size
    return tuple(chosen)


def _gain(slot: Slot, wanted: Mapping[Slot, int], costs: Mapping[int, Cost], kept: set[Slot]) -> float:
    """Seconds an image saved by keeping `slot` beside `kept`."""
    before = max((other.cut for other in kept if _same_pictures(other, slot) and other.cut < slot.cut), default=0)
    after = min((other.cut for other in kept if _same_pictures(other, slot) and other.cut > slot.cut), default=None)
    uses = sum(count for other, count in wanted.items() if _same_pictures(other, slot) and slot.cut <= other.cut < (after or other.cut + 1))
    size = costs[slot.cut].size_bytes
    again = uses if size <= _CHEAP_BYTES else uses - 1
    saved = again * (costs[slot.cut].seconds - (costs[before].seconds if before else 0.0))
    return saved - (uses + 1) * size / READ_BYTES_PER_SECOND


def _same_pictures(one: Slot, other: Slot) -> bool:
    return (one.split, one.view) == (other.split, other.view)


def _order(slot: Slot) -> tuple[str, int, int]:
    return slot.split, -1 if slot.view is None else slot.view, slot.cut
