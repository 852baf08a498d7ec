"""Session: one run with everything it needs in hand. Opening it is the same for a first start, a resume and a
conclusion.

Part of the pipeline; here the wings meet. Not here: training, and what is written afterwards.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np

from engine import devices
from engine.data.dataset import open_dataset
from engine.data.dataset_records import SPLITS, Dataset, Image
from engine.data.pixel_cache import Pixels, ensure
from engine.data.preprocessing import Preprocessing
from engine.data.split import share_of
from engine.errors import DatasetError
from engine.models import registry
from engine.models.chain import Chain
from engine.models.loading import load_backbone, prepare_weights
from engine.runconfig import RunConfig
from engine.runs.recorder import read_fingerprint, read_precision, read_preprocessing, read_rate_factor, write_origin
from engine.runs.siblings import siblings
from engine.store.database import Json
from engine.training.audit import Before, Tensor, base_digest, remember
from engine.training.batches import PixelSource
from engine.training.checkpoints import load_checkpoint
from engine.training.freezing import plan_for, starting_weights
from engine.training.numerics import Numerics, choose, numerics
from engine.training.plan import scaled
from engine.training.state import Training, moving_names
from engine.work.progress import reported
from engine.workspace import Workspace


@dataclass(kw_only=True)
class Session:
    """A run, opened: its data, its model on the device, and what the model was before anything moved.

    `training` alone is ever replaced, when a learning rate has been chosen; the rest stays.
    """

    config: RunConfig
    workspace: Workspace
    folder: Path
    dataset: Dataset
    pixels: Pixels
    preprocessing: Preprocessing
    training: Training
    numerics: Numerics
    before: Before
    base: str
    notes: tuple[str, ...]

    @property
    def checkpoint(self) -> Path:
        return checkpoint_path(self.folder)

    def source(self, images: tuple[Image, ...]) -> PixelSource:
        """A source of these images, in this order."""
        rows = np.array([image.index for image in images], dtype=np.int64)
        labels = [image.label for image in images]
        layout = self.numerics.memory_format
        return PixelSource(
            self.pixels,
            rows,
            labels,
            preprocessing=self.preprocessing,
            device=self.training.device,
            memory_format=layout,
        )

    @property
    def training_images(self) -> tuple[Image, ...]:
        """Those of the training images that training uses."""
        images = self.dataset.images_of("train")
        if self.config.train_share == 100:
            return images
        return tuple(
            images[place]
            for place in share_of([(image.sha256, image.label) for image in images], self.config.train_share)
        )

    @property
    def splits(self) -> dict[str, tuple[Image, ...]]:
        return {split: self.dataset.images_of(split) for split in SPLITS}


_proved: WeakKeyDictionary[Chain, Mapping[str, str]] = WeakKeyDictionary()
"""Digests of frozen tensors of a model that is kept for the next run, as the last audit found them."""


def prove(session: Session, rows: Sequence[Tensor]) -> None:
    """Spare the next run with this model the digests of what `rows`, its audit, shows unmoved. The head is every run's
    own."""
    chain = session.training.chain
    still = [row.name for row in rows if row.verdict == "frozen" and row.name.rpartition(".")[0] != chain.head]
    _proved[chain] = {name: session.before.digests[name] for name in still}


def checkpoint_path(folder: Path) -> Path:
    """Where a run keeps what it needs to go on."""
    return folder / "checkpoint.pt"


def open_session(config: RunConfig, folder: Path, workspace: Workspace, device: str) -> Generator[Json, None, Session]:
    """Yields progress; returns the Session, standing where the checkpoint in the run's `folder` left it if there is
    one."""
    dataset = open_dataset(workspace, config.dataset)
    folder.mkdir(parents=True, exist_ok=True)
    _same_data(folder, dataset)
    place = devices.pick(device)
    devices.arrange(place, reproducible=config.arithmetic == "reproducible")
    preprocessing = preprocessing_of(config, workspace)
    chain, notes = yield from _load(config, workspace, dataset, preprocessing)
    chain.model.to(place)
    outline = chain.outline()
    plan = scaled(plan_for(outline, config), read_rate_factor(folder))
    recorded = read_precision(folder)
    chosen = (
        numerics(recorded, place)
        if recorded
        else choose(chain, config.precision, place, side=preprocessing.crop, workspace=workspace)
    )
    write_origin(folder, config, dataset, preprocessing, chosen.name)
    before = remember(
        chain.model.state_dict(), moving_names(chain, outline, plan, config), known=_proved.pop(chain, {})
    )
    chain.model.to(memory_format=chosen.memory_format)
    training = Training(chain, outline, plan, config, dtype=chosen.dtype)
    base = base_digest(before.digests)
    if checkpoint_path(folder).is_file():
        load_checkpoint(training, checkpoint_path(folder), base=base)
    pixels = _pixels(config, workspace, dataset, preprocessing, plan.epochs)  # last: whoever has them must close them
    return Session(
        config=config,
        workspace=workspace,
        folder=folder,
        dataset=dataset,
        pixels=pixels,
        preprocessing=preprocessing,
        training=training,
        numerics=chosen,
        before=before,
        base=base,
        notes=notes,
    )


def _load(
    config: RunConfig, workspace: Workspace, dataset: Dataset, preprocessing: Preprocessing
) -> Generator[Json, None, tuple[Chain, tuple[str, ...]]]:
    """The backbone with its new head, after a download that can be watched; and what is to be said of its weights."""
    weights = starting_weights(config)
    yield from reported(
        lambda report: prepare_weights(config.backbone, weights, lambda done, total: report("download", done, total))
    )
    chain, notes = load_backbone(
        workspace, config.backbone, weights, dataset.classes, seed=config.seed, image_size=preprocessing.crop
    )
    return chain, notes


def _pixels(
    config: RunConfig, workspace: Workspace, dataset: Dataset, preprocessing: Preprocessing, epochs: int
) -> Pixels:
    """Views that this run sees only once are kept too when others wait that will see them again."""
    seen_again = bool(siblings(workspace, config))
    epochs = 0 if seen_again else epochs
    return ensure(
        workspace, dataset, preprocessing, config.views, config.data_seed, epochs=epochs, augment=config.augment
    )


def preprocessing_of(config: RunConfig, workspace: Workspace) -> Preprocessing:
    """How images become what the backbone sees: from the weights, or from the run whose weights these are."""
    weights = starting_weights(config)
    kind, _, earlier = weights.partition(":")
    if kind == "run" and not config.image_size and config.preprocessing == "weights":
        return read_preprocessing(workspace.run(earlier))
    published = None if kind in ("default", "none", "file", "run") else registry.weights_entry(config.backbone, weights)
    return Preprocessing(
        **registry.preprocessing_of(published, config.backbone, config.image_size, config.preprocessing)
    )


def _same_data(folder: Path, dataset: Dataset) -> None:
    """A run belongs to the data it was started on; resuming it on other data would mix two answers."""
    known = read_fingerprint(folder)
    if known is not None and known != dataset.fingerprint:
        raise DatasetError(f"The dataset {dataset.name} has changed since this run started. Start a new run on it.")
