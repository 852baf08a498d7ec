"""Cohorts: which waiting runs train together with the one at work, and where what they have learnt lies until their turn comes.

Part of the pipeline. Not here: training them (training.cohort).
"""

import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from torch import Tensor

from engine.config import RunConfig
from engine.models.chain import Chain
from engine.models.head import is_new_head, new_head
from engine.runs.sharing import Shared
from engine.training.batches import Source
from engine.training.cohort import Cohort, room_for, suits
from engine.training.kept import FeatureSource
from engine.training.loop import Ahead


class _Kept(threading.local):
    """The cohort of this thread, which trains one run at a time, and what its members agree in."""

    cohort: Cohort | None = None
    agreed: tuple[object, ...] = ()


_kept = _Kept()


def ahead_of(shared: Shared, train: Source) -> tuple[Ahead | None, str]:
    """What gives this run its epochs when it is, or becomes, one of a cohort, and a sentence on it; (None, "") when it trains alone."""
    training, config = shared.session.training, shared.session.config
    if not isinstance(train, FeatureSource) or not suits(training, train):
        return None, ""
    agreed = _agreed(shared)
    if agreed != _kept.agreed or _kept.cohort is None or not _kept.cohort.holds(training):
        alike = [other.seed for other in shared.waiting if _seedless(other) == _seedless(config)]
        seeds = tuple(dict.fromkeys((config.seed, *alike)))[: room_for(training)]
        _kept.agreed, _kept.cohort = agreed, None
        if len(seeds) > 1:
            _kept.cohort = Cohort(training, {seed: _start(training.chain, config.seed, seed) for seed in seeds})
    if _kept.cohort is None:
        return None, ""
    others = _kept.cohort.size - 1
    note = f"One loop trains {others} other seed{'s' * (others > 1)} along with this one; each gets the bits that it would get alone."
    return partial(_kept.cohort.epoch, training, train), note


def _agreed(shared: Shared) -> tuple[object, ...]:
    """Everything besides the seed that decides what is learnt: the files of activations stand for images and frozen weights."""
    session = shared.session
    files = tuple(sorted(str(kept.path) for slot, kept in shared.cache.kept.items() if slot.split == "train"))
    return (_seedless(session.config), session.training.plan, session.numerics.name, session.dataset.fingerprint, files)


def _seedless(config: RunConfig) -> RunConfig:
    return replace(config, seed=0)


def _start(chain: Chain, known: int, seed: int) -> Mapping[str, Tensor]:
    """The head, by name, as the run with `seed` starts with it; a head that came from a file is the same for all."""
    new = is_new_head(chain.model, chain.head, chain.backbone, known)
    head = new_head(chain.model, chain.head, chain.backbone, seed) if new else chain.model.get_submodule(chain.head)
    return {f"{chain.head}.{leaf}": parameter.detach() for leaf, parameter in head.named_parameters()}
