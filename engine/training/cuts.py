"""Cuts: between which blocks activations are worth keeping, for which pictures; plain arithmetic, loads without torch.

Not here: computing or storing them (features).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from engine.data.dataset_records import SPLITS, Split
from engine.data.row_file import MOST_KEPT_VIEWS
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
    """How often a run will ask for the inputs of which block from `epoch` on, to train, to validate and for its last
    predictions.

    Of the first 32 views only: no more are kept.
    """
    wanted: Counter[Slot] = Counter()
    for number in range(epoch, plan.epochs):
        cut = untouched(outline, plan, number)
        wanted[Slot(split="val", view=None, cut=cut)] += 1
        view = number % config.views if config.views else None
        if config.mix == "none" and (view is None or view < MOST_KEPT_VIEWS):
            wanted[Slot(split="train", view=view, cut=cut)] += 1
    last = untouched(outline, plan, plan.epochs - 1)
    wanted.update(Slot(split=split, view=None, cut=last) for split in SPLITS)
    return Counter({slot: count for slot, count in wanted.items() if slot.cut > 0})


def worth_keeping(
    wanted: Mapping[Slot, int],
    costs: Mapping[int, Cost],
    images: Mapping[Split, int],
    *,
    have: Iterable[Slot] = (),
    budget: int,
) -> tuple[Slot, ...]:
    """The slots to compute and keep, given those that are kept already; the best bargains first, within `budget` bytes.

    A slot is worth it when the seconds it saves are more than those of writing and reading its bytes. What it saves
    counts from the deepest cut before it that is kept.
    """
    kept, reads, chosen = _cuts_of(have), _cuts_of(wanted), []
    unknown = sorted(
        (slot for slot in wanted if slot.cut not in kept[_pictures(slot)]), key=_order
    )  # of equal bargains the first
    gains = {
        slot: _gain(slot, wanted, costs, reads=reads[_pictures(slot)], kept=kept[_pictures(slot)]) for slot in unknown
    }
    while gains:
        best = max(gains, key=lambda slot: gains[slot] / costs[slot.cut].size_bytes)
        gain, size, pictures = gains.pop(best), costs[best.cut].size_bytes * images[best.split], _pictures(best)
        if gain > 0 and size <= budget:
            chosen.append(best)
            kept[pictures].add(best.cut)
            budget -= size
            for other in (
                replace(best, cut=cut) for cut in reads[pictures]
            ):  # what is kept of one plane says nothing of another
                if other in gains:
                    gains[other] = _gain(other, wanted, costs, reads=reads[pictures], kept=kept[pictures])
    return tuple(chosen)


def _gain(
    slot: Slot, wanted: Mapping[Slot, int], costs: Mapping[int, Cost], *, reads: Iterable[int], kept: Iterable[int]
) -> float:
    """Seconds an image saved by keeping `slot` beside the cuts `kept` of the same pictures, of which the cuts `reads`
    are wanted."""
    before = max((cut for cut in kept if cut < slot.cut), default=0)
    after = min((cut for cut in kept if cut > slot.cut), default=math.inf)
    uses = sum(wanted[replace(slot, cut=cut)] for cut in reads if slot.cut <= cut < after)
    size = costs[slot.cut].size_bytes
    again = uses if size <= _CHEAP_BYTES else uses - 1
    saved = again * (costs[slot.cut].seconds - (costs[before].seconds if before else 0.0))
    return saved - (uses + 1) * size / READ_BYTES_PER_SECOND


def _cuts_of(slots: Iterable[Slot]) -> defaultdict[tuple[Split, int | None], set[int]]:
    cuts: defaultdict[tuple[Split, int | None], set[int]] = defaultdict(set)
    for slot in slots:
        cuts[_pictures(slot)].add(slot.cut)
    return cuts


def _pictures(slot: Slot) -> tuple[Split, int | None]:
    return slot.split, slot.view


def _order(slot: Slot) -> tuple[str, int, int]:
    return slot.split, -1 if slot.view is None else slot.view, slot.cut
