"""Pixel cache: crops of a dataset, ready to become batches; each decoded once, when it is first asked for, and kept.

Decoding therefore overlaps with whatever the crops are for. A kept file holds one split seen one way (the evaluation
crop, or one view). What does not fit the budget, or would not be seen twice, is decoded whenever it is asked for.
"""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL
import torch

from engine.data import row_file
from engine.data.augment import distort
from engine.data.dataset_records import SPLITS, Dataset, Image, Split
from engine.data.decoder import decode
from engine.data.pool import threads
from engine.data.preprocessing import Crop, Preprocessing, eval_crop, view, view_key, view_side
from engine.data.row_file import Building, Contents, Rows
from engine.errors import ImageError, TrainingError
from engine.workspace import Workspace

Indices = npt.NDArray[np.int64]
DEFAULT_BUDGET_GB = 8.0
_VERSION = 2
"""Raise it when the same inputs would give other pixels."""


@dataclass(frozen=True, kw_only=True)
class Plane:
    """One split seen one way: `view` None is the evaluation crop."""

    split: Split
    view: int | None


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How training images vary: so many views of each under a policy; none means the evaluation crop every time."""

    views: int
    data_seed: int = 0
    policy: str = "crop"


class Pixels:
    """Batches of one dataset. A context manager that holds files and threads."""

    def __init__(self, dataset: Dataset, preprocessing: Preprocessing, augmentation: Augmentation) -> None:
        self.dataset, self.preprocessing, self.augmentation = dataset, preprocessing, augmentation
        self.row = np.zeros(len(dataset.images), dtype=np.int64)
        """For every image its place among those of its split."""
        for split in SPLITS:
            for place, image in enumerate(dataset.images_of(split)):
                self.row[image.index] = place
        self._files: dict[Plane, Rows | Building] = {}
        self._given_up: list[Building] = []
        """What the disk had no room for. Decoders may be at it still, so it is closed at the end."""
        self._decoders = ThreadPoolExecutor(threads(), thread_name_prefix="pixels")

    def batch(self, indices: Indices, epoch: int | None) -> torch.Tensor:
        """uint8 [len(indices), 3, crop, crop], contiguous, of the images with these indices.

        `epoch` None gives evaluation crops; otherwise view `epoch % views`, and the evaluation crop when views is 0.
        Raises TrainingError naming an image that cannot be read any more.
        """
        number, side = self.view_of(epoch), self.preprocessing.crop
        batch = np.empty((len(indices), 3, side, side), dtype=np.uint8)
        made = []
        for position, index in enumerate(indices):
            image = self.dataset.images[int(index)]
            file = self._files.get(Plane(split=image.split, view=number))
            if file is None or not file.read(int(self.row[image.index]), batch[position].reshape(-1)):
                made.append(self._decoders.submit(self._make, image, number, batch[position]))
        for future in made:
            future.result()
        if made:
            self._finish()
        return torch.from_numpy(batch)

    def view_of(self, epoch: int | None) -> int | None:
        """The view that `epoch` shows; None for the evaluation crop."""
        views = self.augmentation.views
        return None if epoch is None or views == 0 else epoch % views

    @property
    def kept(self) -> frozenset[Plane]:
        """What is decoded once and read from disk afterwards."""
        return frozenset(self._files)

    def keep(self, plane: Plane, file: Rows | Building) -> None:
        self._files[plane] = file

    def _make(self, image: Image, number: int | None, out: npt.NDArray[np.uint8]) -> None:
        """Decode `image` into `out` [3, crop, crop], and at once for every file that still lacks it."""
        row = int(self.row[image.index])
        lacking = [plane.view for plane, file in self._filling() if plane.split == image.split and not file.has(row)]
        numbers = [number, *(other for other in lacking if other != number and (other is None) == (number is None))]
        for made, crop in zip(numbers, crops_of(self, image, numbers), strict=True):
            planar = np.ascontiguousarray(crop.transpose(2, 0, 1))
            if made == number:
                out[...] = planar
            self._write(Plane(split=image.split, view=made), row, planar)

    def _write(self, plane: Plane, row: int, planar: npt.NDArray[np.uint8]) -> None:
        file = self._files.get(plane)
        if isinstance(file, Rows):  # this row of it is damaged: the next run begins it anew
            file.drop()
        elif file is not None:
            try:
                file.write(row, planar.reshape(-1))
            except OSError:  # the disk is full: decode it every time instead
                if self._files.pop(plane, None) is not None:
                    self._given_up.append(file)
                    file.abandon()

    def _filling(self) -> list[tuple[Plane, Building]]:
        return [(plane, file) for plane, file in list(self._files.items()) if isinstance(file, Building)]

    def _finish(self) -> None:
        for plane, file in self._filling():
            if file.complete:
                contents = Contents(kind="pixels", split=plane.split, view=plane.view, dataset=self.dataset.name)
                # the disk is full, or the file was removed meanwhile: this run reads on from what it has written
                with suppress(OSError):
                    self._files[plane] = file.finish(contents)

    def close(self) -> None:
        self._decoders.shutdown(wait=True, cancel_futures=True)
        for file in (*self._files.values(), *self._given_up):
            file.close()
        self._files.clear()
        self._given_up.clear()

    def __enter__(self) -> "Pixels":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def open_pixels(
    workspace: Workspace, dataset: Dataset, preprocessing: Preprocessing, *, augmentation: Augmentation, epochs: int = 0
) -> Pixels:
    """The pixels of a run of so many epochs; nothing is decoded yet.

    Evaluation crops and up to 32 views are kept on disk within the budget; more views than that, or as many as
    `epochs`, are not.
    """
    pixels = Pixels(dataset, preprocessing, augmentation)
    try:
        _open_files(pixels, workspace.pixels, epochs)
    except BaseException:
        pixels.close()
        raise
    return pixels


def _open_files(pixels: Pixels, root: Path, epochs: int) -> None:
    """Let `pixels` read what is there and fill what is missing, once the least recently used have made room for it."""
    folder, row_bytes = root / key(pixels.dataset, pixels.preprocessing), 3 * pixels.preprocessing.crop**2
    folder.mkdir(parents=True, exist_ok=True)
    paths = {
        plane: folder / f"{plane_name(plane, pixels.augmentation)}.rows"
        for plane in _planes(pixels.dataset, pixels.augmentation.views, epochs)
    }
    counts = {plane: len(pixels.dataset.images_of(plane.split)) for plane in paths}
    for plane, path in paths.items():
        if (file := row_file.open_rows(path, rows=counts[plane], row_bytes=row_bytes)) is not None:
            pixels.keep(plane, file)
    room = budget_bytes() - sum(counts[plane] * row_bytes for plane in pixels.kept)
    left, missing = min(room, row_file.free_bytes(root)), []
    for plane in paths:
        if plane not in pixels.kept and (size := counts[plane] * row_bytes) <= left:
            missing.append(plane)
            left -= size
    filling = row_bytes * sum(counts[plane] for plane in missing)
    row_file.evict(root.glob("*/*"), budget_bytes() - filling, spare=frozenset(paths.values()))
    for plane in missing:
        with suppress(OSError):  # no room for even a name, or too many open files: decoded every time instead
            pixels.keep(plane, Building(paths[plane], rows=counts[plane], row_bytes=row_bytes))


def crops_of(pixels: Pixels, image: Image, numbers: Sequence[int | None]) -> list[Crop]:
    """[crop, crop, 3] for every number: a view, or the evaluation crop for None. Decodes once; numbers are all views or
    all None.

    Raises TrainingError naming an image that is gone, unreadable or no longer the one that was imported.
    """
    preprocessing, augmentation = pixels.preprocessing, pixels.augmentation
    side = 0 if numbers[0] is None else view_side(preprocessing)
    try:
        content = pixels.dataset.image_path(image).read_bytes()
        if hashlib.sha256(content).hexdigest() != image.sha256:
            raise ImageError("Its content has changed since the import.")
        decoded = decode(content, side=side, rendering=pixels.dataset.rendering)
    except (OSError, ImageError) as error:
        reason = error if isinstance(error, ImageError) else "The file is gone or cannot be read."
        raise TrainingError(
            f"The image {image.name!r} of dataset {pixels.dataset.name!r}: {reason} Import the dataset again."
        ) from error
    if numbers[0] is None:
        return [eval_crop(decoded, preprocessing)]
    keys = [view_key(image.sha256, number, augmentation.data_seed) for number in numbers if number is not None]
    return [distort(view(decoded, preprocessing, key=key), augmentation.policy, key) for key in keys]


def budget_bytes() -> int:
    """What all kept pixels together may take: $THAW_PIXEL_CACHE_GB, else 8 GB."""
    return row_file.cache_budget_bytes("THAW_PIXEL_CACHE_GB", DEFAULT_BUDGET_GB)


def _planes(dataset: Dataset, views: int, epochs: int) -> list[Plane]:
    """What will be asked for more than once, the most useful first."""
    planes = [Plane(split=split, view=None) for split in ("val", "test")]
    if views == 0:
        planes.append(Plane(split="train", view=None))
    elif views <= row_file.MOST_KEPT_VIEWS and not 0 < epochs <= views:
        planes += [Plane(split="train", view=number) for number in range(views)]
    return [plane for plane in planes if dataset.images_of(plane.split)]


def key(dataset: Dataset, preprocessing: Preprocessing) -> str:
    """Everything that decides the pixels but the view; mean and deviation are applied later and are no part of it.

    Pillow decodes and resizes: another version of it may give other pixels.
    """
    about = {name: value for name, value in asdict(preprocessing).items() if name not in ("mean", "std")}
    order = [(image.sha256, image.split) for image in dataset.images]  # which the fingerprint leaves open
    text = json.dumps([_VERSION, PIL.__version__, dataset.fingerprint, order, about], sort_keys=True)
    return "pixels-" + hashlib.sha256(text.encode()).hexdigest()[:24]


def plane_name(plane: Plane, augmentation: Augmentation) -> str:
    """What a plane is called in a file name; everything that decides a view beside its image."""
    if plane.view is None:
        return f"{plane.split}-eval"
    return f"{plane.split}-{augmentation.policy}-seed{augmentation.data_seed}-view{plane.view}"
