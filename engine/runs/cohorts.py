"""Cohorts: which waiting runs train together with the one at work, and where what they have learnt lies until their
turn comes.

Part of the pipeline. Not here: training them (training.cohort).
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from torch import Tensor

from engine.models.chain import Chain
from engine.models.head import is_new_head, new_head
from engine.runconfig import RunConfig
from engine.runs.sharing import Shared
from engine.training.activations import FeatureSource
from engine.training.batches import Source
from engine.training.cohort import Cohort, room_for, suits
from engine.training.loop import Ahead

_MOST = 3
"""Cohorts at a time: comparisons wait strategy by strategy, so that more are hardly ever halfway."""


class _Kept(threading.local):
    """The cohorts of this thread, which trains one run at a time, by what their members agree in; the last used
    last."""

    def __init__(self) -> None:
        self.cohorts: OrderedDict[tuple[object, ...], Cohort] = OrderedDict()


_kept = _Kept()


def ahead_of(shared: Shared, train: Source) -> tuple[Ahead | None, str]:
    """What gives this run its epochs when it is, or becomes, one of a cohort, and a sentence on it; (None, "") when it
    trains alone."""
    training = shared.session.training
    if not isinstance(train, FeatureSource) or not suits(training, train) or training.chain.seeded:
        return None, ""
    cohort = _cohort_of(shared, train)
    if cohort is None or not cohort.holds(training):
        return None, ""
    others = cohort.size - 1
    note = (
        f"Takes its steps in one loop with {others} other seed{'s' * (others > 1)}; each gets the bits that it "
        f"would get alone."
    )
    return partial(cohort.epoch, training, train), note


def _cohort_of(shared: Shared, train: FeatureSource) -> Cohort | None:
    """The cohort of the runs that agree with this one; a new one when everybody in the last has had a turn."""
    config, training, agreed = shared.session.config, shared.session.training, _agreed(shared)
    seeds = dict.fromkeys(
        (config.seed, *(other.seed for other in shared.waiting if _seedless(other) == _seedless(config)))
    )
    cohort = _kept.cohorts.pop(agreed, None)
    if cohort is not None:
        cohort.expect(seeds)
    if cohort is None or cohort.spent:
        chosen = tuple(seeds)[: room_for(training, train)]
        cohort = (
            Cohort(training, {seed: _start(training.chain, config.seed, seed) for seed in chosen})
            if len(chosen) > 1
            else None
        )
    if cohort is not None:
        _kept.cohorts[agreed] = cohort
    while len(_kept.cohorts) > _MOST:
        _kept.cohorts.popitem(last=False)
    return cohort


def _agreed(shared: Shared) -> tuple[object, ...]:
    """Everything besides the seed that decides what is learnt: the files of activations stand for images and frozen
    weights."""
    session, head = shared.session, len(shared.session.training.chain.blocks) - 1
    files = tuple(
        sorted(str(kept.path) for slot, kept in shared.cache.kept.items() if (slot.split, slot.cut) == ("train", head))
    )
    return (_seedless(session.config), session.training.plan, session.numerics.name, session.dataset.fingerprint, files)


def _seedless(config: RunConfig) -> RunConfig:
    return replace(config, seed=0)


def _start(chain: Chain, known: int, seed: int) -> Mapping[str, Tensor]:
    """The head, by name, as the run with `seed` starts with it; a head that came from a file is the same for all."""
    new = is_new_head(chain.model, chain.head, chain.backbone, known)
    head = new_head(chain.model, chain.head, chain.backbone, seed) if new else chain.model.get_submodule(chain.head)
    return {f"{chain.head}.{leaf}": parameter.detach() for leaf, parameter in head.named_parameters()}
