"""Feature cache: activations of the frozen prefix, computed once for every run that starts from the same weights.

One pass over the images fills all cuts. A file is found by everything that decides its bits: images, preprocessing,
view, weights of the blocks before the cut, number format, versions and machine. Not here: which cuts are worth it
(cuts), the file format (row_file).
"""

import hashlib
import json
import math
import platform
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

from engine import devices
from engine.data import pixel_cache, row_file
from engine.data.dataset_records import SPLITS, Split
from engine.data.pixel_cache import Pixels, Plane
from engine.data.row_file import Building, Contents
from engine.events import CacheFile
from engine.models.sources.source import source_of
from engine.training.batches import Source, filled
from engine.training.frozen.activations import Activations, FeatureSource
from engine.training.frozen.cuts import Cost, Pictures, Slot, order, worth_keeping
from engine.training.frozen.prefix import CHUNK, is_channels_last, through_frozen
from engine.training.numerics import Numerics
from engine.training.state import Training
from engine.workspace import Workspace

DEFAULT_BUDGET_GB = 8.0
_BATCH = 4 * CHUNK
_VERSION = 1
"""Raise it when the same inputs would give other activations."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Whose activations: the images and how they are seen, the model before training, and how it computes."""

    workspace: Workspace
    pixels: Pixels
    training: Training
    numerics: Numerics
    digests: Mapping[str, str]
    """Of every tensor before training, by name (audit.digests)."""
    sources: Mapping[Split, Source]
    """Pixels of every split, whole and in its order."""


@dataclass(kw_only=True)
class FeatureCache:
    """The activations a run reads, and what they cost; to be closed."""

    kept: dict[Slot, Activations] = field(default_factory=dict)
    computed: set[Slot] = field(default_factory=set)
    seconds: float = 0.0
    """Spent on computing them in this run."""

    def source(self, source: Source, split: Split, *, pixels: Pixels, places: np.ndarray) -> FeatureSource:
        """`source`, whose rows stand at `places` [N] of `split`, with what is kept for it."""
        mine = {(slot.view, slot.cut): kept for slot, kept in self.kept.items() if slot.split == split}
        return FeatureSource(source, mine, places=places, view_of=pixels.view_of)

    @property
    def held_bytes(self) -> int:
        return sum(kept.size_bytes for kept in self.kept.values() if kept.held)

    def report(self) -> tuple[CacheFile, ...]:
        """With the seconds that each file has saved so far."""
        return tuple(
            CacheFile(
                split=slot.split,
                view=slot.view,
                cut=slot.cut,
                block=kept.contents.block,
                bytes=kept.size_bytes,
                state="computed" if slot in self.computed else "found",
                saved_seconds=kept.seconds_saved,
            )
            for slot, kept in self.kept.items()
        )

    def close(self) -> None:
        for kept in self.kept.values():
            kept.close()

    def __enter__(self) -> "FeatureCache":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def ensure(origin: Origin, wanted: Mapping[Slot, int]) -> Generator[tuple[int, int], None, FeatureCache]:
    """Find or compute what `wanted` (how often each will be read) makes worth keeping; yields (images done, of all).

    Closing the generator drops what is half done. Blocks before a wanted cut must be as they were before training.
    """
    cache = FeatureCache()
    with ExitStack() as stack:
        stack.callback(cache.close)
        folder = _folder(origin)
        paths = {slot: folder / _file_name(origin, slot) for slot in wanted}
        for slot, path in paths.items():
            if (found := Activations.open(path, origin.training.device, beside=cache.held_bytes)) is not None:
                cache.kept[slot] = found
        if any(slot not in cache.kept for slot in wanted):
            yield from _Filling(origin, cache, wanted=wanted, paths=paths).run()
        stack.pop_all()
    return cache


def budget_bytes() -> int:
    """$THAW_FEATURE_CACHE_GB, else 8 GB."""
    return row_file.cache_budget_bytes("THAW_FEATURE_CACHE_GB", DEFAULT_BUDGET_GB)


class _Filling:
    """Pixels, or the deepest activations that are there, through the blocks into one file a slot."""

    def __init__(
        self, origin: Origin, cache: FeatureCache, *, wanted: Mapping[Slot, int], paths: Mapping[Slot, Path]
    ) -> None:
        self._origin, self._cache, self._paths = origin, cache, paths
        self._counts = {split: len(origin.sources[split].targets) for split in SPLITS}
        self._wanted = {slot: count for slot, count in wanted.items() if self._counts[slot.split]}
        self._missing = sorted((slot for slot in self._wanted if slot not in cache.kept), key=order)
        self._chosen: set[Slot] | None = None
        self._costs: dict[int, Cost] = {}
        self._every = sorted({slot.cut for slot in self._missing})
        """The first batch goes through all of these cuts to see what each is worth."""
        self._files: dict[Slot, tuple[Building, Contents]] = {}

    def run(self) -> Iterator[tuple[int, int]]:
        started, done = time.monotonic(), 0
        slots: dict[Pictures, list[Slot]] = {}
        for slot in self._missing:
            slots.setdefault(slot.pictures, []).append(slot)
        total = sum(self._counts[split] for split, _ in slots)
        try:
            for same_pictures in slots.values():
                for count in self._fill(same_pictures):
                    done += count
                    yield done, total
        finally:
            for file, _ in self._files.values():  # what was not finished
                file.close()
        self._cache.seconds = time.monotonic() - started

    def _fill(self, slots: Sequence[Slot]) -> Iterator[int]:
        """Fill the chosen ones of `slots`, which are cuts of the same pictures, batch by batch."""
        origin, (split, view) = self._origin, slots[0].pictures
        remaining = self._counts[split]
        places = np.arange(remaining)
        batches = [places[at : at + _BATCH] for at in range(0, remaining, _BATCH)]
        if self._cuts(slots):
            source = self._cache.source(origin.sources[split], split, pixels=origin.pixels, places=places)
            start = source.start(self._every[0] if self._chosen is None else slots[0].cut, view)
            for part, inputs in filled(source, batches, epoch=view, start=start):
                for cut, features in self._compute(inputs, start, self._cuts(slots)).items():
                    self._keep(replace(slots[0], cut=cut), part, features)
                remaining -= len(part)
                yield len(part)
                if not self._cuts(slots):
                    break
        if remaining:  # it is not worth it, or the disk is full
            yield remaining
        else:
            self._finish()

    def _cuts(self, slots: Sequence[Slot]) -> list[int]:
        """Of those of `slots` that are worth keeping; before the first batch has told, every missing cut."""
        return self._every if self._chosen is None else [slot.cut for slot in slots if slot in self._chosen]

    def _finish(self) -> None:
        """Make what is filled readable; what cannot be (a full disk, a removed file) is computed whenever needed."""
        for slot in [slot for slot, (file, _) in self._files.items() if file.complete]:
            building, contents = self._files.pop(slot)
            try:
                file = building.finish(contents)
                self._cache.kept[slot] = Activations(file, self._origin.training.device, beside=self._cache.held_bytes)
                self._cache.computed.add(slot)
            except OSError:
                building.close()

    @torch.no_grad()
    def _compute(self, inputs: torch.Tensor, start: int, cuts: Sequence[int]) -> dict[int, torch.Tensor]:
        """Cut -> activations, from the inputs of block `start`. The first batch decides which are worth keeping."""
        training, began, at = self._origin.training, time.monotonic(), start
        features: dict[int, torch.Tensor] = {}
        costs: dict[int, Cost] = {}
        training.chain.train_blocks(set())
        with training.autocast():
            for cut in cuts:
                inputs = through_frozen(training.chain, inputs, start=at, stop=cut)
                devices.synchronise(training.device)
                features[cut], at = inputs, cut
                seconds = (time.monotonic() - began) / len(inputs)
                costs[cut] = Cost(seconds=seconds, size_bytes=_row_bytes(inputs))
        if self._chosen is None:
            self._choose(costs, start)
        return features

    def _choose(self, costs: dict[int, Cost], start: int) -> None:
        origin, kept = self._origin, self._cache.kept
        known = {
            slot.cut: Cost(seconds=file.contents.seconds, size_bytes=file.row_bytes) for slot, file in kept.items()
        }
        base = known[start].seconds if start else 0.0
        costs = {cut: replace(cost, seconds=base + cost.seconds) for cut, cost in costs.items()} | known
        folder = origin.workspace.features
        folder.mkdir(exist_ok=True)
        room = min(budget_bytes() - sum(file.size_bytes for file in kept.values()), row_file.free_bytes(folder))
        wanted = {slot: count for slot, count in self._wanted.items() if slot.cut in costs}
        chosen = worth_keeping(wanted, costs, self._counts, have=kept, budget=room)
        planned = sum(costs[slot.cut].size_bytes * self._counts[slot.split] for slot in chosen)
        in_use = frozenset(file.path for file in kept.values())
        row_file.evict(folder.glob("*/*"), budget_bytes() - planned, spare=in_use)
        self._chosen, self._costs = set(chosen), costs

    def _keep(self, slot: Slot, places: np.ndarray, features: torch.Tensor) -> None:
        if self._chosen is None or slot not in self._chosen:
            return
        try:
            if slot not in self._files:
                file = Building(self._paths[slot], rows=self._counts[slot.split], row_bytes=_row_bytes(features))
                contents = _contents(self._origin, slot, features, seconds=self._costs[slot.cut].seconds)
                self._files[slot] = file, contents
            for place, row in zip(places, _as_bytes(features), strict=True):
                self._files[slot][0].write(int(place), row)
        except OSError:  # the disk is full: these are computed whenever they are needed
            self._chosen.discard(slot)
            if slot in self._files:
                self._files.pop(slot)[0].close()


def _folder(origin: Origin) -> Path:
    """Where activations lie that differ in nothing but split, view, cut and weights."""
    chain, shown, device = origin.training.chain, origin.pixels, origin.training.device
    about = [
        *(_VERSION, CHUNK, pixel_cache.key(shown.dataset, shown.preprocessing)),
        *(shown.preprocessing.mean, shown.preprocessing.std, chain.backbone, origin.numerics.name, device.type),
        *(platform.machine(), devices.name(device), devices.threads(device)),
        *(metadata.version("torch"), *source_of(chain.backbone).versions),
    ]
    about += [side.module for side in chain.side_outputs]
    if device.type != "cpu":  # which computes the same either way
        about.append(origin.training.config.arithmetic)
    return origin.workspace.features / ("features-" + hashlib.sha256(json.dumps(about).encode()).hexdigest()[:24])


def _file_name(origin: Origin, slot: Slot) -> str:
    chain, shown = origin.training.chain, origin.pixels
    names = [name for block in chain.blocks[: slot.cut] for name in (*block.parameters, *block.buffers)]
    weights = hashlib.sha256("".join(f"{name}:{origin.digests[name]};" for name in names).encode()).hexdigest()[:24]
    plane = pixel_cache.plane_name(Plane(split=slot.split, view=slot.view), shown.augmentation)
    return f"{plane}-cut{slot.cut}-{weights}.rows"


def _contents(origin: Origin, slot: Slot, features: torch.Tensor, *, seconds: float) -> Contents:
    chain = origin.training.chain
    return Contents(
        kind="activations",
        **asdict(slot),
        dataset=origin.pixels.dataset.name,
        backbone=chain.backbone,
        block=chain.blocks[slot.cut].name,
        shape=tuple(features.shape[1:]),
        dtype=str(features.dtype).removeprefix("torch."),
        channels_last=is_channels_last(features),
        seconds=seconds,
    )


def _row_bytes(features: torch.Tensor) -> int:
    return math.prod(features.shape[1:]) * features.element_size()


def _as_bytes(features: torch.Tensor) -> np.ndarray:
    """uint8 [N, bytes a row], in the order in which the tensor lies in memory."""
    laid = features.permute(0, 2, 3, 1) if is_channels_last(features) else features
    return laid.cpu().contiguous().view(len(features), -1).view(torch.uint8).numpy()
