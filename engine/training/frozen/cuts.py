"""Cuts: between which blocks activations are worth keeping, for which pictures; plain arithmetic, loads without torch.

Not here: computing or storing them (feature_cache).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.data.dataset_records import SPLITS, Split
from engine.data.row_file import MOST_KEPT_VIEWS
from engine.models.outline import Outline
from engine.runconfig import RunConfig
from engine.training.plan import FreezePlan, phase_at, untouched

READ_BYTES_PER_SECOND = 1e9
"""Of a disk cache and the copy into a batch; a wrong guess costs time, never an answer."""
_CHEAP_BYTES = 16384
"""An activation this small is kept even for one reading: people come back to the same images."""


Pictures = tuple[Split, int | None]
"""A split seen one way."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """The inputs of block `cut` for one split seen one way; `view` None is the evaluation crop."""

    split: Split
    view: int | None
    cut: int

    @property
    def pictures(self) -> Pictures:
        return self.split, self.view


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one image: computing the blocks before a cut, and keeping its activation."""

    seconds: float
    size_bytes: int


def readings(outline: Outline, plan: FreezePlan, config: RunConfig, *, epoch: int = 0) -> Counter[Slot]:
    """How often a run reads the inputs of which block from `epoch` on: to train, validate and predict at the end.

    Of the first 32 views only: no more are kept.
    """
    wanted: Counter[Slot] = Counter()
    for number in range(epoch, plan.epochs):
        cut = untouched(outline, plan, number)
        wanted[Slot(split="val", view=None, cut=cut)] += 1
        for view in views_of(plan, config, number):
            if config.mix == "none" and (view is None or view < MOST_KEPT_VIEWS):
                wanted[Slot(split="train", view=view, cut=cut)] += 1
    last = untouched(outline, plan, plan.epochs - 1)
    wanted.update(Slot(split=split, view=None, cut=last) for split in SPLITS)
    return Counter({slot: count for slot, count in wanted.items() if slot.cut > 0})


def views_of(plan: FreezePlan, config: RunConfig, epoch: int) -> tuple[int | None, ...]:
    """The views of the training images that an epoch sees; where the head is solved, all at once that may be kept."""
    if not config.views:
        return (None,)
    solved = plan.phases[phase_at(plan, epoch)[0]].how == "solved"
    return tuple(range(min(config.views, MOST_KEPT_VIEWS))) if solved else (epoch % config.views,)


def worth_keeping(
    wanted: Mapping[Slot, int],
    costs: Mapping[int, Cost],
    images: Mapping[Split, int],
    *,
    have: Iterable[Slot] = (),
    budget: int,
) -> tuple[Slot, ...]:
    """The slots to compute and keep beside those in `have`; the best bargains first, within `budget` bytes.

    A slot is worth it when it saves more seconds, counted from the deepest kept cut before it, than writing and reading
    its bytes take.
    """
    kept: defaultdict[Pictures, set[int]] = defaultdict(set)
    reads: defaultdict[Pictures, dict[int, int]] = defaultdict(dict)
    for slot in have:
        kept[slot.pictures].add(slot.cut)
    for slot, count in wanted.items():
        reads[slot.pictures][slot.cut] = count

    def gain(slot: Slot) -> float:
        return _gain(slot.cut, costs, reads=reads[slot.pictures], kept=kept[slot.pictures])

    chosen: list[Slot] = []
    unknown = [slot for slot in wanted if slot.cut not in kept[slot.pictures]]
    gains = {slot: gain(slot) for slot in sorted(unknown, key=order)}  # of equal bargains the first
    while gains:
        best = max(gains, key=lambda slot: gains[slot] / costs[slot.cut].size_bytes)
        size = costs[best.cut].size_bytes * images[best.split]
        if gains.pop(best) > 0 and size <= budget:
            chosen.append(best)
            kept[best.pictures].add(best.cut)
            budget -= size
            # what is kept of these pictures says nothing of others
            gains.update({slot: gain(slot) for slot in gains if slot.pictures == best.pictures})
    return tuple(chosen)


def _gain(cut: int, costs: Mapping[int, Cost], *, reads: Mapping[int, int], kept: Iterable[int]) -> float:
    """Seconds an image saved by keeping `cut` beside the cuts `kept` of the same pictures; `reads` by cut."""
    before = max((other for other in kept if other < cut), default=0)
    after = min((other for other in kept if other > cut), default=math.inf)
    uses = sum(count for other, count in reads.items() if cut <= other < after)
    size = costs[cut].size_bytes
    again = uses if size <= _CHEAP_BYTES else uses - 1
    saved = again * (costs[cut].seconds - (costs[before].seconds if before else 0.0))
    return saved - (uses + 1) * size / READ_BYTES_PER_SECOND


def order(slot: Slot) -> tuple[str, int, int]:
    """A key to sort by: the evaluation crop before the views."""
    return slot.split, -1 if slot.view is None else slot.view, slot.cut
