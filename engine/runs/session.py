"""Session: one run with everything it needs. Opening it is the same for a first start, a resume, a conclusion and a
question beside training, and writes nothing.

Part of the pipeline. Not here: training, and what is written.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from engine import devices
from engine.data.dataset import open_dataset
from engine.data.dataset_records import SPLITS, Dataset, Image, Split
from engine.data.pixel_cache import Augmentation, Pixels, open_pixels
from engine.data.preprocessing import Preprocessing
from engine.data.split import share_of
from engine.errors import DatasetError
from engine.events import Progress, Started
from engine.models import registry
from engine.models.chain import Chain
from engine.models.loading import load_backbone, prepare_weights
from engine.models.reuse import WARM
from engine.models.side_outputs import with_side_outputs
from engine.runconfig import RunConfig
from engine.runs.run_files import Origin, has_started, read_origin, read_tuning
from engine.runs.siblings import siblings
from engine.training.audit import Before, base_digest, remember
from engine.training.batches import PixelSource
from engine.training.budget import budgeted
from engine.training.checkpoints import load_checkpoint
from engine.training.freezing import as_begun, plan_for, starting_weights
from engine.training.numerics import Numerics, choose, lay_out, needs_timing, numerics
from engine.training.plan import scaled
from engine.training.solved.solvable import reads_stages, why_stepped
from engine.training.state import Training, moving_names
from engine.training.strategies import STRATEGIES
from engine.work.progress import reported
from engine.workspace import Workspace


@dataclass(kw_only=True)
class Session:
    """A run, opened. `training` alone is ever replaced, when a learning rate has been chosen."""

    config: RunConfig
    workspace: Workspace
    run_folder: Path | None
    """Where it goes on from, and what it leaves is written to; None for a question, of which nothing is left."""
    dataset: Dataset
    pixels: Pixels
    training: Training
    numerics: Numerics
    before: Before
    base: str
    notes: tuple[str, ...]
    waiting: tuple[RunConfig, ...]
    """The queued runs that start where this one does."""

    @property
    def folder(self) -> Path:
        assert self.run_folder is not None, "a question leaves nothing"
        return self.run_folder

    @property
    def checkpoint(self) -> Path:
        return checkpoint_path(self.folder)

    @property
    def preprocessing(self) -> Preprocessing:
        return self.pixels.preprocessing

    def source(self, images: tuple[Image, ...]) -> PixelSource:
        """A source of these images, in this order."""
        return pixel_source(self.pixels, images, device=self.training.device, numerics=self.numerics)

    @property
    def training_images(self) -> tuple[Image, ...]:
        """Those of the training images that training uses."""
        images = self.dataset.images_of("train")
        if self.config.train_share == 100:
            return images
        places = share_of([(image.sha256, image.label) for image in images], self.config.train_share)
        return tuple(images[place] for place in places)

    @property
    def splits(self) -> dict[Split, tuple[Image, ...]]:
        return {split: self.dataset.images_of(split) for split in SPLITS}


def pixel_source(pixels: Pixels, images: Sequence[Image], *, device: torch.device, numerics: Numerics) -> PixelSource:
    """A source of these images, in this order."""
    return PixelSource(
        pixels,
        np.array([image.index for image in images], dtype=np.int64),
        [image.label for image in images],
        preprocessing=pixels.preprocessing,
        device=device,
        memory_format=numerics.memory_format,
    )


def checkpoint_path(folder: Path) -> Path:
    """Where a run keeps what it needs to go on."""
    return folder / "checkpoint.pt"


def open_session(
    config: RunConfig, workspace: Workspace, device: str, *, folder: Path | None = None, begun: Started | None = None
) -> Generator[Progress, None, Session]:
    """Yields progress; returns the Session as the checkpoint in `folder`, if any, left it. Close its pixels.

    A run that has `begun` keeps the epochs and rates it began with.
    """
    dataset = open_dataset(workspace, config.dataset)
    earlier, rate_factor = _earlier(folder, dataset)
    if earlier and earlier.threads:
        devices.set_threads(earlier.threads)  # their number decides the last bits
    place = devices.pick(device)
    devices.set_determinism(place, reproducible=config.arithmetic == "reproducible")
    preprocessing = preprocessing_of(config, workspace)
    chain, notes = yield from _load(config, workspace, dataset.classes, image_size=preprocessing.crop)
    chain.model.to(place)
    numbers = yield from _numbers(chain, config.precision, place, earlier=earlier)
    planned = budgeted(config, workspace, begun=begun)
    training, before = _ready(chain, planned, numbers, rate_factor=rate_factor, begun=begun)
    base = base_digest(before.digests)
    if folder is not None and (checkpoint := checkpoint_path(folder)).is_file():
        load_checkpoint(training, checkpoint, base=base)
    waiting = siblings(workspace, config)
    epochs = 0 if waiting else training.plan.epochs  # of views that this run sees only once, others will see again
    augmentation = Augmentation(views=config.views, data_seed=config.data_seed, policy=config.augment)
    pixels = open_pixels(workspace, dataset, preprocessing, augmentation=augmentation, epochs=epochs)
    return Session(
        config=config,
        workspace=workspace,
        run_folder=folder,
        dataset=dataset,
        pixels=pixels,
        training=training,
        numerics=numbers,
        before=before,
        base=base,
        notes=(*notes, *_steps_noted(training)),
        waiting=waiting,
    )


def _earlier(folder: Path | None, dataset: Dataset) -> tuple[Origin | None, float]:
    """(origin, factor of the learning rates) that an earlier start of the run has decided. A run belongs to the data
    it was started on; resuming it on other data would mix two answers."""
    if folder is None or not has_started(folder):
        return None, 1.0
    origin, tuning = read_origin(folder), read_tuning(folder)
    if origin.dataset.fingerprint != dataset.fingerprint:
        raise DatasetError(f"The dataset {dataset.name} has changed since this run started. Start a new run on it.")
    return origin, tuning.factor if tuning else 1.0


def _numbers(
    chain: Chain, wanted: str, place: torch.device, *, earlier: Origin | None
) -> Generator[Progress, None, Numerics]:
    """What the run has begun in, or what suits this machine: timed once, which is said before it is done."""
    if earlier:
        return numerics(earlier.precision, place)
    side = chain.input_size
    if needs_timing(chain, wanted, place, side=side):
        yield Progress(stage="number format")
    return choose(chain, wanted, place, side=side)


def _ready(
    chain: Chain, config: RunConfig, numbers: Numerics, *, rate_factor: float, begun: Started | None
) -> tuple[Training, Before]:
    """The training of a model that has just been loaded, and what the model was before it."""
    outline = chain.outline()
    stepped = begun is not None and not begun.solves  # whatever its strategy does today
    plan = scaled(plan_for(outline, config, stepped=stepped), rate_factor)
    plan = as_begun(plan, begun) if begun else plan
    moving = moving_names(chain, plan, config)
    before = remember(chain.model.state_dict(), moving, known=WARM.digests(chain))
    WARM.keep_digests(chain, before.digests)
    lay_out(chain, numbers)
    return Training(chain, outline, plan, config=config, dtype=numbers.dtype), before


def _steps_noted(training: Training) -> tuple[str, ...]:
    """What to say where a strategy that is solved has to step."""
    strategy, why = STRATEGIES[training.config.strategy], why_stepped(training.config)
    if training.plan.phases[0].how == "solved" or not (strategy.solved or strategy.probes_first):
        return ()
    because = f"because {why or 'it began so in an earlier version'}."
    if strategy.solved:
        return (f"{strategy.name} trains in steps this time, as linear_probe_steps does, {because}",)
    return (f"The head of {strategy.name} is stepped first this time, not solved, {because}",)


def _load(
    config: RunConfig, workspace: Workspace, classes: Sequence[str], *, image_size: int
) -> Generator[Progress, None, tuple[Chain, tuple[str, ...]]]:
    """The backbone with its new head, after a download that can be watched; and what is to be said of its weights."""
    weights = starting_weights(config)
    yield from reported(
        lambda report: prepare_weights(config.backbone, weights, lambda done, total: report("download", done, total))
    )
    continues = config.head == "auto" and STRATEGIES[config.strategy].start == "checkpoint"
    chain, notes = load_backbone(
        workspace,
        config.backbone,
        weights,
        classes=classes,
        seed=config.seed,
        image_size=image_size,
        head="continue" if continues else config.head,
    )
    return (with_side_outputs(chain) if reads_stages(config) else chain), notes


def preprocessing_of(config: RunConfig, workspace: Workspace) -> Preprocessing:
    """How images become what the backbone sees: from the weights, or from the run whose weights these are."""
    weights = starting_weights(config)
    kind, _, earlier = weights.partition(":")
    if kind == "run" and not config.image_size and config.preprocessing == "weights":
        return read_origin(workspace.run(earlier)).preprocessing
    transforms = registry.preprocessing_of(
        config.backbone, weights, image_size=config.image_size, kind=config.preprocessing
    )
    return Preprocessing(**vars(transforms))
