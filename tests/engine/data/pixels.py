"""Pixels of a dataset as tests ask for them, and what the pure functions give."""

import numpy as np
import torch

from engine.data.dataset_records import Dataset
from engine.data.decoder import decode
from engine.data.pixel_cache import Augmentation, Pixels, open_pixels
from engine.data.preprocessing import Preprocessing, eval_crop, view, view_key, view_side
from engine.workspace import Workspace

PRE = Preprocessing(resize=(20,), crop=16)


def opened(
    dataset: Dataset, views: int = 0, *, epochs: int = 0, preprocessing: Preprocessing = PRE, **options: object
) -> Pixels:
    workspace, augmentation = Workspace(dataset.folder.parents[1]), Augmentation(views=views, **options)
    return open_pixels(workspace, dataset, preprocessing, augmentation=augmentation, epochs=epochs)


def everything(dataset: Dataset) -> np.ndarray:
    return np.arange(len(dataset.images))


def training(dataset: Dataset) -> np.ndarray:
    return np.array([image.index for image in dataset.images_of("train")])


def expected(dataset: Dataset, index: int, number: int | None, seed: int) -> np.ndarray:
    image = dataset.images[index]
    if number is None:
        return eval_crop(decode(dataset.image_path(image)), PRE).transpose(2, 0, 1)
    shown = decode(dataset.image_path(image), side=view_side(PRE))
    return view(shown, PRE, key=view_key(image.sha256, number, seed)).transpose(2, 0, 1)


def right(pixels: Pixels, epoch: int | None = None, indices: np.ndarray | None = None) -> bool:
    """Whether the batch of these images (default: all) is what the pure functions give."""
    indices = everything(pixels.dataset) if indices is None else indices
    batch, seed = pixels.batch(indices, epoch), pixels.augmentation.data_seed
    assert batch.dtype == torch.uint8 and batch.is_contiguous() and batch.shape == (len(indices), 3, 16, 16)
    known = [expected(pixels.dataset, int(index), pixels.view_of(epoch), seed) for index in indices]
    return np.array_equal(batch.numpy(), np.stack(known))


def filled(dataset: Dataset) -> None:
    """Have the evaluation crops of every image kept."""
    with opened(dataset) as pixels:
        assert right(pixels)
