"""Where batches come from: the order of an epoch, its cut into batches, and a source that fills them.

The loop cannot tell pixels from cached activations. Not here: decoding.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch

from engine import devices
from engine.data.pixel_cache import Pixels
from engine.data.preprocessing import Preprocessing
from engine.training.gpu_images import Resident


class Source(Protocol):
    """Images of one split, or something computed from them, ready for some block of the chain."""

    targets: torch.Tensor
    """int64 [N], on the device."""

    def start(self, reach: int, epoch: int | None) -> int:
        """The deepest block, at most `reach`, whose inputs are at hand; epoch None means the deterministic crop."""
        ...

    def instant(self, epoch: int | None, start: int) -> bool:
        """Whether a batch lies in memory, so that a thread that makes it ahead does not pay."""
        ...

    def batch(self, rows: np.ndarray, epoch: int | None, start: int = 0) -> torch.Tensor:
        """Inputs [len(rows), ...] of block `start` on the device, in memory of their own."""
        ...


class PixelSource:
    """Pixels of one split, normalised on the device as the weights expect."""

    def __init__(
        self,
        pixels: Pixels,
        images: np.ndarray,
        labels: Sequence[int],
        *,
        preprocessing: Preprocessing,
        device: torch.device,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> None:
        self._pixels, self._images, self._format = pixels, images, memory_format
        self.targets = torch.as_tensor(labels, dtype=torch.int64, device=device)
        self._moments = moments(preprocessing, device)
        self._device, self._resident = device, None
        if device.type == "cuda":  # a Mac's GPU reads the memory of the machine
            self._resident = Resident(len(images), device, devices.memory_free(device))

    def start(self, reach: int, epoch: int | None) -> int:
        return 0

    def instant(self, epoch: int | None, start: int) -> bool:
        return False

    def batch(self, rows: np.ndarray, epoch: int | None, start: int = 0) -> torch.Tensor:
        def decode(rows: np.ndarray) -> torch.Tensor:
            return self._pixels.batch(self._images[rows], epoch)

        if self._resident is None:
            raw = devices.sent(decode(rows), self._device)
        else:
            raw = self._resident.batch(rows, self._pixels.view_of(epoch), lambda rows: decode(rows).pin_memory())
        return normalise(raw, *self._moments).contiguous(memory_format=self._format)


def moments(preprocessing: Preprocessing, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation, each [1, 3, 1, 1], to normalise by."""
    mean, deviation = torch.tensor([preprocessing.mean, preprocessing.std], device=device).view(2, 1, 3, 1, 1)
    return mean, deviation


def normalise(raw: torch.Tensor, mean: torch.Tensor, deviation: torch.Tensor) -> torch.Tensor:
    """float32 [N, 3, H, W] from uint8, in the operations of torchvision's convert_image_dtype and normalize."""
    return raw.to(torch.float32).div_(255).sub_(mean).div_(deviation)


def epoch_order(targets: torch.Tensor, *, seed: int, epoch: int, balanced: bool = False) -> np.ndarray:
    """Rows of one epoch: a pure function of (seed, epoch) and, when `balanced`, of the class numbers `targets` [N].

    A permutation, or N draws with replacement in which classes come equally often on average.
    """
    random, count = np.random.default_rng([seed, epoch]), len(targets)
    if not balanced:
        return random.permutation(count)
    classes = targets.cpu().numpy()
    rarity = 1.0 / np.bincount(classes)[classes]
    return random.choice(count, size=count, p=rarity / rarity.sum())


def cut(order: np.ndarray, size: int) -> list[np.ndarray]:
    """Batches of `size` rows. A last one of a single image joins that before: BatchNorm of one image is noise."""
    starts = list(range(0, len(order), size))
    if len(starts) > 1 and len(order) - starts[-1] == 1:
        starts.pop()
    return [order[start:stop] for start, stop in pairwise([*starts, len(order)])]


def filled(
    source: Source, batches: Sequence[np.ndarray], *, epoch: int | None, start: int = 0
) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
    """(rows, inputs of block `start`) of every batch; the next ones are made in a thread while the caller computes.

    Not where that thread would only take cores from the computation, whose threads wait for each other.
    """
    if source.instant(epoch, start) or (source.targets.device.type == "cpu" and not devices.spare_cores()):
        yield from ((rows, source.batch(rows, epoch, start)) for rows in batches)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as ahead:
        waiting = [ahead.submit(source.batch, rows, epoch, start) for rows in batches[:2]]
        for index, rows in enumerate(batches):
            inputs = waiting.pop(0).result()
            if index + 2 < len(batches):
                waiting.append(ahead.submit(source.batch, batches[index + 2], epoch, start))
            yield rows, inputs
