"""Budget: how long a run trains where nobody said so: enough optimisation steps, however few or many images there are.

Everything that makes a plan asks here first. Loads without torch. Not here: how a plan spends its epochs (strategies).
"""

from collections import Counter
from dataclasses import replace
from functools import lru_cache
from math import ceil

from engine.data.dataset import open_dataset
from engine.data.split import share_size
from engine.events import Started
from engine.runconfig import RunConfig
from engine.workspace import Workspace

LEAST_STEPS = 300
LEAST_EPOCHS, MOST_EPOCHS = 5, 50
"""Few images make many short epochs, in which they are learnt by heart rather than better."""
PATIENCE = 10
"""Epochs without a better validation score."""


def automatic(config: RunConfig) -> bool:
    """Whether the number of epochs follows from the images."""
    return config.epochs == 0 and not config.phases.strip()


def epochs_for(images: int, batch_size: int) -> int:
    """Epochs that make LEAST_STEPS steps over so many training images, within their bounds.

    Sampling does not matter: balanced or not, an epoch draws as many images as there are.
    """
    steps = max(1, ceil((images - 1) / batch_size))  # a single last image joins the batch before, see batches.cut
    return min(MOST_EPOCHS, max(LEAST_EPOCHS, ceil(LEAST_STEPS / steps)))


def budgeted(config: RunConfig, workspace: Workspace, *, begun: Started | None = None) -> RunConfig:
    """`config` with numbers for automatic epochs and patience; a run that has begun keeps what it began with.

    DatasetError when the number of images is needed and the dataset is gone.
    """
    if not automatic(config):
        return config
    if begun and begun.phases:
        return replace(config, epochs=begun.epochs, patience=config.patience or begun.patience)
    classes, validation = training_counts(workspace, config.dataset)
    epochs = epochs_for(sum(share_size(count, config.train_share) for count in classes), config.batch_size)
    return replace(config, epochs=epochs, patience=config.patience or (PATIENCE if validation else 0))


def budget_sentence(planned: RunConfig) -> str:
    """What automatic epochs have come to in a `budgeted` configuration."""
    stops = f", fewer where {planned.patience} in a row bring no better validation score" if planned.patience else ""
    return f"Epochs are automatic: {planned.epochs} of these images{stops}."


@lru_cache(maxsize=64)
def training_counts(workspace: Workspace, dataset: str) -> tuple[tuple[int, ...], int]:
    """(training images of every class, validation images); kept, because pages ask for every run that waits.

    DatasetError when the dataset is gone.
    """
    images = open_dataset(workspace, dataset).images
    classes = Counter(image.label for image in images if image.split == "train")
    return tuple(classes.values()), sum(image.split == "val" for image in images)
