"""Pixels: decoded crops of a dataset, ready to become batches; each decoded once and kept, or made afresh while training runs.

A kept file holds one split seen one way (the evaluation crop, or one view). It appears in one rename, so it is complete or absent.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL.Image import Image as Decoded

from engine.data.augment import distort
from engine.data.images import Pixels as Crop
from engine.data.images import Preprocessing, decode, eval_crop, view, view_key, view_side
from engine.data.pool import ordered, threads
from engine.data.records import SPLITS, Dataset, Image, Split
from engine.errors import ImageError, TrainingError
from engine.workspace import Workspace, atomic_path

Progress = Callable[[str, int, int], None]
Indices = npt.NDArray[np.int64]

MOST_KEPT_VIEWS = 32
DEFAULT_BUDGET_GB = 8.0
_VERSION = 1
"""Raise it when the same inputs would give other pixels."""
_STALE_SECONDS = 6 * 3600


@dataclass(frozen=True, kw_only=True)
class Plane:
    """One split seen one way: `view` None is the evaluation crop."""

    split: Split
    view: int | None


class Pixels:
    """Batches of one dataset. Holds memory maps and threads; close it, or use it as a context manager."""

    def __init__(self, dataset: Dataset, preprocessing: Preprocessing, *, views: int, data_seed: int, augment: str = "crop") -> None:
        self.dataset, self.preprocessing, self.views, self.data_seed = dataset, preprocessing, views, data_seed
        self.augment = augment
        self._maps: dict[Plane, npt.NDArray[np.uint8]] = {}
        self._rows = np.zeros(len(dataset.images), dtype=np.int64)
        for split in SPLITS:
            for row, image in enumerate(dataset.images_of(split)):
                self._rows[image.index] = row
        self._decoders = ThreadPoolExecutor(threads(), thread_name_prefix="pixels")

    def batch(self, indices: Indices, epoch: int | None) -> torch.Tensor:
        """uint8 [len(indices), 3, crop, crop], contiguous, of the images with these indices.

        `epoch` None gives evaluation crops; otherwise view `epoch % views`, and the evaluation crop when views is 0.
        Raises TrainingError naming an image that cannot be read any more.
        """
        number = None if epoch is None or self.views == 0 else epoch % self.views
        side = self.preprocessing.crop
        batch = np.empty((len(indices), 3, side, side), dtype=np.uint8)
        images = [self.dataset.images[int(index)] for index in indices]
        made = []
        for position, image in enumerate(images):
            kept = self._maps.get(Plane(split=image.split, view=number))
            if kept is None:
                made.append((position, self._decoders.submit(crops_of, self, image, [number])))
            else:
                batch[position] = kept[self._rows[image.index]]
        for position, future in made:
            batch[position] = future.result()[0].transpose(2, 0, 1)
        return torch.from_numpy(batch)

    @property
    def kept(self) -> frozenset[Plane]:
        """What is read from disk; everything else is decoded when asked for."""
        return frozenset(self._maps)

    def keep(self, plane: Plane, path: Path) -> None:
        """Read `plane` from the complete file at `path` from now on."""
        side, rows = self.preprocessing.crop, len(self.dataset.images_of(plane.split))
        self._maps[plane] = np.memmap(path, dtype=np.uint8, mode="r", shape=(rows, 3, side, side))

    def close(self) -> None:
        self._decoders.shutdown(wait=True, cancel_futures=True)
        self._maps.clear()

    def __enter__(self) -> "Pixels":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def ensure(
    workspace: Workspace,
    dataset: Dataset,
    preprocessing: Preprocessing,
    views: int,
    data_seed: int,
    progress: Progress = lambda stage, done, total: None,
    *,
    epochs: int = 0,
    augment: str = "crop",
) -> Pixels:
    """Decode what a run with `views` views under the policy `augment` will ask for, unless an earlier run did, and open it.

    Evaluation crops and up to 32 views are kept on disk within the budget; more views than that, or at least as many views as
    `epochs` (none would be seen twice), and whatever does not fit, are decoded while training runs.
    """
    pixels = Pixels(dataset, preprocessing, views=views, data_seed=data_seed, augment=augment)
    try:
        folder = workspace.pixels / _key(dataset, preprocessing)
        folder.mkdir(parents=True, exist_ok=True)
        wanted = {plane: folder / _file_name(plane, data_seed, augment) for plane in _planes(dataset, views, epochs)}
        chosen = _within_budget(pixels, wanted)
        missing = {plane: path for plane, path in chosen.items() if not _complete(pixels, plane, path)}
        evict(workspace, budget_bytes() - sum(_plane_bytes(pixels, plane) for plane in missing), spare=frozenset(chosen.values()))
        for split, viewed in ((split, viewed) for split in SPLITS for viewed in (False, True)):
            group = {plane: path for plane, path in missing.items() if plane.split == split and (plane.view is not None) == viewed}
            if group:
                _build(pixels, group, progress)
        for plane, path in chosen.items():
            if _complete(pixels, plane, path):
                os.utime(path)  # least recently used goes first
                pixels.keep(plane, path)
    except BaseException:
        pixels.close()
        raise
    return pixels


def crops_of(pixels: Pixels, image: Image, numbers: Sequence[int | None]) -> list[Crop]:
    """[crop, crop, 3] for every number: a view, or the evaluation crop for None. Decodes once; numbers are all views or all None.

    Raises TrainingError naming an image that is gone, unreadable or no longer the one that was imported.
    """
    side = 0 if numbers[0] is None else view_side(pixels.preprocessing)
    try:
        content = pixels.dataset.image_path(image).read_bytes()
        if hashlib.sha256(content).hexdigest() != image.sha256:
            raise ImageError("Its content has changed since the import.")
        decoded = decode(content, side=side)
    except (OSError, ImageError) as error:
        reason = str(error) if isinstance(error, ImageError) else "The file is gone or cannot be read."
        raise TrainingError(f"The image {image.name!r} of dataset {pixels.dataset.name!r}: {reason} Import the dataset again.") from error
    return [eval_crop(decoded, pixels.preprocessing) if number is None else _view(pixels, image, decoded, number) for number in numbers]


def _view(pixels: Pixels, image: Image, decoded: Decoded, number: int) -> Crop:
    key = view_key(image.sha256, number, pixels.data_seed)
    return distort(view(decoded, pixels.preprocessing, key=key), pixels.augment, key)


def budget_bytes() -> int:
    """What all kept pixels together may take: $THAW_PIXEL_CACHE_GB, else 8 GB."""
    try:
        return int(float(os.environ.get("THAW_PIXEL_CACHE_GB", "")) * 2**30)
    except ValueError:
        return int(DEFAULT_BUDGET_GB * 2**30)


def evict(workspace: Workspace, budget: int, *, spare: frozenset[Path] = frozenset()) -> int:
    """Remove kept files, least recently used first, until they take at most `budget` bytes; how many bytes went.

    Files in `spare` stay. A file that another process still reads stays readable to it until it lets go.
    """
    files = []
    for path in workspace.pixels.glob("*/*"):
        with suppress(OSError):
            about = path.stat()
            files.append((about.st_mtime, about.st_size, path))
    now, total, removed = time.time(), sum(size for _, size, _ in files), 0
    for modified, size, path in sorted(files):
        crashed = path.suffix == ".tmp" and now - modified > _STALE_SECONDS
        if crashed or (total - removed > budget and path not in spare and path.suffix != ".tmp"):
            with suppress(OSError):
                path.unlink()
                removed += size
    return removed


def _planes(dataset: Dataset, views: int, epochs: int) -> list[Plane]:
    """What will be asked for more than once, the most useful first."""
    planes = [Plane(split=split, view=None) for split in ("val", "test")]
    if views == 0:
        planes.append(Plane(split="train", view=None))
    elif views <= MOST_KEPT_VIEWS and not 0 < epochs <= views:
        planes += [Plane(split="train", view=number) for number in range(views)]
    return [plane for plane in planes if dataset.images_of(plane.split)]


def _within_budget(pixels: Pixels, wanted: dict[Plane, Path]) -> dict[Plane, Path]:
    """The planes that fit into the budget and, if they are still to be made, onto the disk with a tenth of it left free."""
    disk = shutil.disk_usage(next(iter(wanted.values())).parent) if wanted else None
    left, free = budget_bytes(), disk.free - disk.total // 10 if disk else 0
    chosen = {}
    for plane, path in wanted.items():
        size = _plane_bytes(pixels, plane)
        new = 0 if _complete(pixels, plane, path) else size
        if size <= left and new <= max(0, free):
            chosen[plane] = path
            left, free = left - size, free - new
    return chosen


def _build(pixels: Pixels, missing: dict[Plane, Path], progress: Progress) -> None:
    """Write planes of one split side by side, so that each image is decoded once for all its views.

    A disk that fills up meanwhile means that they are decoded while training runs instead.
    """
    images = pixels.dataset.images_of(next(iter(missing)).split)
    numbers = [plane.view for plane in missing]
    decoding = ordered(lambda image: crops_of(pixels, image, numbers), images)
    with suppress(OSError), ExitStack() as stack:
        stack.callback(decoding.close)
        files = [stack.enter_context(open(stack.enter_context(atomic_path(path)), "wb")) for path in missing.values()]
        for done, crops in enumerate(decoding, start=1):
            for file, crop in zip(files, crops, strict=True):
                file.write(np.ascontiguousarray(crop.transpose(2, 0, 1)).data)
            progress("pixels", done, len(images))


def _complete(pixels: Pixels, plane: Plane, path: Path) -> bool:
    """A copy or a repair tool may have cut a file that once was complete, so its size is checked too."""
    try:
        return path.stat().st_size == _plane_bytes(pixels, plane)
    except OSError:
        return False


def _plane_bytes(pixels: Pixels, plane: Plane) -> int:
    return len(pixels.dataset.images_of(plane.split)) * 3 * pixels.preprocessing.crop**2


def _key(dataset: Dataset, preprocessing: Preprocessing) -> str:
    """Everything that decides the pixels but the view; mean and deviation are applied later and are no part of it."""
    about = {key: value for key, value in asdict(preprocessing).items() if key not in ("mean", "std")}
    rows = [(image.sha256, image.split) for image in dataset.images]  # row order, which the fingerprint leaves open
    text = json.dumps([_VERSION, dataset.fingerprint, rows, about], sort_keys=True)
    return "pixels-" + hashlib.sha256(text.encode()).hexdigest()[:24]


def _file_name(plane: Plane, data_seed: int, augment: str) -> str:
    return f"{plane.split}-eval.u8" if plane.view is None else f"{plane.split}-{augment}-seed{data_seed}-view{plane.view}.u8"
