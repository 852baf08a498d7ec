"""Features: activations of the frozen prefix, computed once and kept on disk for every run that starts from the same
weights.

One pass over the images fills all cuts. A file is found by everything that decides its bits: images, preprocessing,
view, weights of the blocks before the cut, number format, versions and machine. Not here: which cuts are worth it
(cuts), the file format (rows).
"""

import hashlib
import json
import math
import platform
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
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
from engine.training.activations import Activations, FeatureSource
from engine.training.batches import Source, filled
from engine.training.cuts import Cost, Slot, worth_keeping
from engine.training.numerics import Numerics
from engine.training.prefix import CHUNK, is_channels_last, through_frozen
from engine.training.state import Training
from engine.workspace import Workspace

DEFAULT_BUDGET_GB = 8.0
_BATCH = 4 * CHUNK
_VERSION = 1
"""Raise it when the same inputs would give other activations."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Whose activations: the images and how they are seen, the model as it was before training, and how it computes."""

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
    """The activations a run reads, and what they cost. Close it, or use it as a context manager."""

    kept: dict[Slot, Activations] = field(default_factory=dict)
    computed: set[Slot] = field(default_factory=set)
    seconds: float = 0.0
    """Spent on computing them in this run."""

    def source(self, source: Source, split: Split, *, pixels: Pixels, places: np.ndarray) -> FeatureSource:
        """`source`, whose rows stand at `places` [N] of `split`, with the activations that are kept for it."""
        mine = {(slot.view, slot.cut): kept for slot, kept in self.kept.items() if slot.split == split}
        return FeatureSource(source, mine, places=places, view_of=pixels.view_of)

    @property
    def held_bytes(self) -> int:
        """What lies in memory as a whole."""
        return sum(kept.size_bytes for kept in self.kept.values() if kept.held)

    def report(self) -> tuple[CacheFile, ...]:
        """Every file, with the seconds it has saved so far."""
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
    """Find or compute the activations that `wanted` (how often each will be read) makes worth keeping; yields (images
    done, of all).

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
            yield from _Filling(origin, cache, wanted, paths).run()
        stack.pop_all()
    return cache


def budget_bytes() -> int:
    """What all kept activations together may take: $THAW_FEATURE_CACHE_GB, else 8 GB."""
    return row_file.budget_bytes("THAW_FEATURE_CACHE_GB", DEFAULT_BUDGET_GB)


class _Filling:
    """One pass: pixels, or the deepest activations that are there, through the blocks, into one file a slot."""

    def __init__(
        self, origin: Origin, cache: FeatureCache, wanted: Mapping[Slot, int], paths: Mapping[Slot, Path]
    ) -> None:
        self._origin, self._cache, self._wanted, self._paths = origin, cache, wanted, paths
        self._counts = {split: len(origin.sources[split].targets) for split in SPLITS}
        self._chosen: set[Slot] | None = None
        self._costs: dict[int, Cost] = {}
        self._every: list[int] = []
        """All missing cuts: the first batch goes through them to see what each is worth."""
        self._files: dict[Slot, Building] = {}
        self._contents: dict[Slot, Contents] = {}

    def run(self) -> Iterator[tuple[int, int]]:
        started = time.monotonic()
        missing = [slot for slot in self._wanted if slot not in self._cache.kept and self._counts[slot.split]]
        planes = sorted({Plane(split=slot.split, view=slot.view) for slot in missing}, key=_order)
        total, done = sum(self._counts[plane.split] for plane in planes), 0
        self._every = sorted({slot.cut for slot in missing})
        try:
            for plane in planes:
                cuts = sorted(slot.cut for slot in missing if (slot.split, slot.view) == (plane.split, plane.view))
                for count in self._plane(plane, cuts):
                    done += count
                    yield done, total
        finally:
            for file in self._files.values():  # of a plane that was not finished
                file.close()
        self._cache.seconds = time.monotonic() - started

    def _plane(self, plane: Plane, cuts: Sequence[int]) -> Iterator[int]:
        """Fill the chosen ones of `cuts` for one plane, batch by batch."""
        origin, split = self._origin, plane.split
        if not self._chosen_of(plane, cuts):
            yield self._counts[split]
            return
        places = np.arange(self._counts[split])
        source = self._cache.source(origin.sources[split], split, pixels=origin.pixels, places=places)
        start = source.start((self._every if self._chosen is None else cuts)[0], plane.view)
        batches, done = [places[at : at + _BATCH] for at in range(0, len(places), _BATCH)], 0
        for part, inputs in filled(source, batches, epoch=plane.view, start=start):
            for cut, features in self._compute(inputs, start, self._chosen_of(plane, cuts)).items():
                self._keep(self._slot(plane, cut), part, features)
            done += len(part)
            yield len(part)
            if not self._chosen_of(plane, cuts):  # it is not worth it, or the disk is full
                yield self._counts[split] - done
                return
        self._finish()

    def _chosen_of(self, plane: Plane, cuts: Sequence[int]) -> Sequence[int]:
        """Those of `cuts` that are worth keeping; before the first batch has told, every missing one."""
        if self._chosen is None:
            return self._every
        return [cut for cut in cuts if self._slot(plane, cut) in self._chosen]

    def _finish(self) -> None:
        """Make what is filled readable; what cannot be (the disk is full, the file was removed) is computed whenever it
        is needed."""
        for slot in [slot for slot, file in self._files.items() if file.complete]:
            building = self._files.pop(slot)
            try:
                file = building.finish(self._contents[slot])
                self._cache.kept[slot] = Activations(file, self._origin.training.device, beside=self._cache.held_bytes)
                self._cache.computed.add(slot)
            except OSError:
                building.close()

    @torch.no_grad()
    def _compute(self, inputs: torch.Tensor, start: int, cuts: Sequence[int]) -> dict[int, torch.Tensor]:
        """Cut -> activations, from the inputs of block `start`. The first batch goes through all and decides which are
        worth keeping."""
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
        known = {slot.cut: Cost(seconds=one.seconds, size_bytes=one.row_bytes) for slot, one in kept.items()}
        base = known[start].seconds if start else 0.0
        costs = {
            **{cut: Cost(seconds=base + one.seconds, size_bytes=one.size_bytes) for cut, one in costs.items()},
            **known,
        }
        folder = origin.workspace.features
        folder.mkdir(exist_ok=True)
        room = min(budget_bytes() - sum(one.size_bytes for one in kept.values()), row_file.free_bytes(folder))
        wanted = {slot: count for slot, count in self._wanted.items() if slot.cut in costs and self._counts[slot.split]}
        chosen = worth_keeping(wanted, costs, self._counts, have=kept, budget=room)
        planned = sum(costs[slot.cut].size_bytes * self._counts[slot.split] for slot in chosen)
        row_file.evict(folder.glob("*/*"), budget_bytes() - planned, spare=frozenset(one.path for one in kept.values()))
        self._chosen, self._costs = set(chosen), costs

    def _keep(self, slot: Slot, places: np.ndarray, features: torch.Tensor) -> None:
        if self._chosen is None or slot not in self._chosen:
            return
        try:
            if slot not in self._files:
                self._files[slot] = Building(
                    self._paths[slot], rows=self._counts[slot.split], row_bytes=_row_bytes(features)
                )
                self._contents[slot] = _contents(self._origin, slot, features, seconds=self._costs[slot.cut].seconds)
            for place, row in zip(places, _as_bytes(features), strict=True):
                self._files[slot].write(int(place), row)
        except OSError:  # the disk is full: these are computed whenever they are needed
            self._chosen.discard(slot)
            if slot in self._files:
                self._files.pop(slot).close()

    @staticmethod
    def _slot(plane: Plane, cut: int) -> Slot:
        return Slot(split=plane.split, view=plane.view, cut=cut)


def _folder(origin: Origin) -> Path:
    """Where activations lie that differ in nothing but split, view, cut and weights."""
    chain, shown = origin.training.chain, origin.pixels
    device = origin.training.device
    machine = [platform.machine(), devices.name(device), torch.get_num_threads() if device.type == "cpu" else 0]
    about = [_VERSION, CHUNK, pixel_cache.key(shown.dataset, shown.preprocessing)]
    about += [shown.preprocessing.mean, shown.preprocessing.std]
    about += [chain.backbone, origin.numerics.name, device.type, *machine]
    about += [metadata.version("torch"), *source_of(chain.backbone).versions]
    if device.type != "cpu":  # which computes the same either way
        about.append(origin.training.config.arithmetic)
    return origin.workspace.features / ("features-" + hashlib.sha256(json.dumps(about).encode()).hexdigest()[:24])


def _order(plane: Plane) -> tuple[str, int]:
    return plane.split, -1 if plane.view is None else plane.view


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
