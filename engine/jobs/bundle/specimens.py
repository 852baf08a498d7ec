"""Specimens: the few images on which a bundle has to answer as the dashboard did.

Spread over the classes; drawn ones stand in when the dataset is gone. Not here: the comparison (check).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image as pillow

from engine.data.dataset import open_dataset
from engine.data.dataset_records import Dataset
from engine.errors import DatasetError
from engine.workspace import Workspace

COUNT = 10
_SIDE = 256
_LONGEST = 50
"""Of a strip longer than this times its width, the dashboard resizes only the middle, and the bundle all of it."""


@dataclass(frozen=True, kw_only=True)
class Specimens:
    """Images, and what the dashboard says of them."""

    paths: Sequence[Path]
    rows: pd.DataFrame | None
    """Their rows in the table of predictions, in the same order; None for drawn images."""


def choose_specimens(workspace: Workspace, dataset_id: str, table: pd.DataFrame, *, folder: Path) -> Specimens:
    """Images of the dataset that `table` predicts; drawn ones go to `folder`."""
    try:
        dataset = open_dataset(workspace, dataset_id)
    except DatasetError:
        return Specimens(paths=_drawn(folder), rows=None)
    rows = _spread(_fit(table, dataset))
    return Specimens(paths=[dataset.image_path(dataset.images[index]) for index in rows["image"]], rows=rows)


def _fit(table: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    strips = {
        image.index
        for image in dataset.images
        if max(image.width, image.height) > _LONGEST * min(image.width, image.height)
    }
    return table[(table["error"] == "") & ~table["image"].isin([-1, *strips])]


def _spread(rows: pd.DataFrame) -> pd.DataFrame:
    """The first image of each class, then the second, until there are enough; of many classes, evenly spread ones."""
    turns = rows.groupby("label", sort=False).cumcount()
    first = rows[turns == 0]
    if len(first) > COUNT:
        return first.iloc[np.linspace(0, len(first) - 1, COUNT).round().astype(int)]
    return rows.iloc[turns.to_numpy().argsort(kind="stable")[:COUNT]]


def _drawn(folder: Path) -> list[Path]:
    """Noise of many grains, so that pictures differ in more than their details."""
    paths = []
    for number in range(COUNT):
        pixels = np.random.default_rng(number).integers(0, 256, (2 + number, 2 + number, 3), dtype=np.uint8)
        paths.append(folder / f"{number}.png")
        pillow.fromarray(pixels).resize((_SIDE, _SIDE)).save(paths[-1])
    return paths
