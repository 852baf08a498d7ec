"""Sharing: what a run and those that wait behind it will read of the frozen part, computed in one pass for all.

Part of the pipeline. Not here: what is worth keeping (training.cuts), computing it (training.feature_cache).
"""

from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from engine.data.dataset_records import Image, Split
from engine.errors import EngineError
from engine.events import Cache, Progress
from engine.runconfig import RunConfig
from engine.runs.session import Session
from engine.training.batches import Source
from engine.training.budget import budgeted
from engine.training.freezing import plan_for
from engine.training.frozen import feature_cache
from engine.training.frozen.cuts import Slot, readings
from engine.training.frozen.feature_cache import FeatureCache, Origin
from engine.training.plan import untouched

FROZEN_PART = "frozen part"
"""The stage, as Progress calls it."""


@dataclass(frozen=True, kw_only=True)
class Shared:
    """A session with the activations it reads instead of computing them."""

    session: Session
    cache: FeatureCache

    def training(self) -> Source:
        """The images that training uses."""
        return self._source(self.session.training_images)

    def source(self, split: Split) -> Source:
        """All images of `split`, in its order."""
        return self._source(self.session.splits[split])

    def _source(self, images: tuple[Image, ...]) -> Source:
        pixels, split = self.session.pixels, images[0].split if images else "train"
        places = pixels.row[np.array([image.index for image in images], dtype=np.int64)]
        return self.cache.source(self.session.source(images), split, pixels=pixels, places=places)

    def report(self) -> Cache:
        files, others = self.cache.report(), len(self.session.waiting)
        saved = sum(file.saved_seconds for file in files)
        return Cache(files=files, seconds=self.cache.seconds, saved_seconds=saved, shared_with=others)


def share(session: Session) -> Generator[Progress, None, Shared]:
    """Yields progress while the frozen part is computed, as far as it is worth keeping and not there yet."""
    origin = Origin(
        workspace=session.workspace,
        pixels=session.pixels,
        training=session.training,
        numerics=session.numerics,
        digests=session.before.digests,
        sources={split: session.source(images) for split, images in session.splits.items()},
    )
    return Shared(session=session, cache=(yield from filled_cache(origin, _wanted(session))))


def filled_cache(origin: Origin, wanted: Mapping[Slot, int]) -> Generator[Progress, None, FeatureCache]:
    """Yields progress; returns what is kept of `wanted` (how often each is read), empty where nothing may be."""
    if feature_cache.budget_bytes() <= 0:
        return FeatureCache()
    filling = feature_cache.ensure(origin, wanted)
    try:
        while True:
            done, total = next(filling)
            yield Progress(stage=FROZEN_PART, done=done, total=total)
    except StopIteration as end:
        cache: FeatureCache = end.value
        return cache
    finally:
        filling.close()


def _wanted(session: Session) -> Counter[Slot]:
    """How often the run and those that wait will read every slot."""
    training, config = session.training, session.config
    wanted = readings(training.outline, training.plan, config, epoch=training.position.epoch)
    kinds = Counter(replace(other, seed=config.seed) for other in session.waiting)  # seeds read the same
    for other, count in kinds.items():
        views = config.views if _views(other) == _views(config) else 0
        for slot, times in _readings(session, other).items():
            if slot.view is None or slot.view < views:
                wanted[slot] += count * times
    if training.position.epoch or training.position.step:  # deeper blocks have moved since the start
        reach = untouched(training.outline, training.plan, min(training.position.epoch, training.plan.epochs - 1))
        wanted = Counter({slot: count for slot, count in wanted.items() if slot.cut <= reach})
    return wanted


def _views(config: RunConfig) -> tuple[bool, str, int]:
    """Runs that agree in this see the same images in views of one number."""
    return config.views > 0, config.augment, config.data_seed


def _readings(session: Session, config: RunConfig) -> Counter[Slot]:
    outline = session.training.outline
    try:
        return readings(outline, plan_for(outline, budgeted(config, session.workspace)), config)
    except EngineError:  # it will say so when its turn comes
        return Counter()
