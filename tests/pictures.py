"""Small datasets with something to learn, made in a second, for tests of everything above the data wing."""

from pathlib import Path

import numpy as np
from PIL import Image

from engine.data import uploads
from engine.data.dataset import commit
from engine.data.dataset_records import Dataset
from engine.data.importer import scan
from engine.workspace import Workspace

CLASSES = {"red": (200, 60, 60), "green": (60, 200, 60), "blue 파랑": (60, 60, 200)}


def write_folders(folder: Path, *, each: int = 10, side: int = 48) -> Path:
    """`each` noisy JPEGs a class, in a folder a class; colours tell the classes apart."""
    random = np.random.default_rng(0)
    for label, colour in CLASSES.items():
        (folder / label).mkdir(parents=True)
        for number in range(each):
            pixels = np.clip(random.normal(colour, 50, (side, side, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number:03d}.jpg", quality=90)
    return folder


def make_dataset(workspace: Workspace, folder: Path, *, each: int = 10) -> Dataset:
    """The same as a dataset, with one unreadable file and a system file among its problems."""
    source = write_folders(folder, each=each)
    (source / "red" / "broken.jpg").write_bytes(b"not an image")
    (source / ".DS_Store").write_bytes(b"\0")
    return commit(workspace, scan(workspace, source, name="colours"))


def other_class(dataset: Dataset, image: int) -> str:
    """A class that the image does not have."""
    return next(name for name in dataset.classes if name != dataset.classes[dataset.images[image].label])


def new_upload(workspace: Workspace) -> uploads.Upload:
    """An upload whose folder is there."""
    upload = uploads.reserve()
    uploads.check(workspace, upload)
    return upload
