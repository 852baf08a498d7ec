"""Experiment: what every contender is given: the same images, the same starting weights, the same recipe.

Nothing here is measured: importing images, measuring the number format of the machine and writing starting weights come
before the clock.
"""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from engine import devices, record_files
from engine.bench.contenders.assignment import Assignment
from engine.bench.measurements import Recipe
from engine.bench.photographs import link_or_copy, make_photographs, take_photographs
from engine.bench.workloads import TRAININGS, rate_of
from engine.data.dataset import commit, open_dataset
from engine.data.dataset_records import SPLITS, Dataset
from engine.data.importer import scan
from engine.data.preprocessing import Preprocessing
from engine.models import registry
from engine.models.bringing import bring
from engine.models.chain import Chain
from engine.models.loading import load_backbone
from engine.runconfig import RunConfig
from engine.runs.session import preprocessing_of
from engine.training.freezing import plan_for
from engine.training.numerics import Numerics, choose
from engine.training.plan import Phase
from engine.workspace import Workspace, atomic_path, open_workspace

ORIGIN = "origin.json"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What was made for an experiment, as it is written down beside it."""

    dataset: str
    weights: str


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A recipe with its images imported and its weights laid out."""

    recipe: Recipe
    folder: Path
    workspace: Workspace
    """What every run of Thaw gets a copy of: it holds dataset and weights, and nothing that is kept by running."""
    dataset: Dataset
    weights: str

    @property
    def tree(self) -> Path:
        """The same images as train/, val/ and test/ with a folder a class, the way an image folder is read."""
        return self.folder / "tree"

    def config(self, training: str, seed: int) -> RunConfig:
        """The RunConfig of one of workloads.TRAININGS."""
        given = {name: getattr(self.recipe, name) for name in ("backbone", "epochs", "batch_size", "image_size")}
        return replace(TRAININGS[training], dataset=self.dataset.id, weights=self.weights, seed=seed, **given)

    def configs(self, trainings: Iterable[str], *, seeds: int, repetition: int = 0) -> list[RunConfig]:
        """So many seeds of every training, other ones in every repetition."""
        numbers = range(seeds * repetition, seeds * (repetition + 1))
        return [self.config(training, seed) for training in trainings for seed in numbers]

    def assignment(self, training: str, seed: int, *, workers: int = 0, fixed: bool = False) -> Assignment:
        """What a contender that is no part of Thaw is given for one of workloads.TRAININGS."""
        given = {name: getattr(self.recipe, name) for name in ("backbone", "epochs", "batch_size", "device", "threads")}
        names = self.phase(training, seed).parameters
        return Assignment(
            **given,
            tree=str(self.tree),
            start=str(self.start(seed)),
            classes=len(self.dataset.classes),
            trained=names,
            rate=rate_of(training),
            seed=seed,
            preprocessing=self.preprocessing,
            augmented=TRAININGS[training].views > 0,
            fixed=fixed,
            workers=workers,
        )

    @property
    def place(self) -> torch.device:
        return devices.pick(self.recipe.device)

    @cached_property
    def preprocessing(self) -> Preprocessing:
        return preprocessing_of(self.config("linear_probe", 0), self.workspace)

    def chain(self, seed: int) -> Chain:
        """A fresh model as Thaw starts it, on the device, its layout not yet chosen."""
        loaded, _ = load_backbone(
            self.workspace,
            self.recipe.backbone,
            self.weights,
            classes=self.dataset.classes,
            seed=seed,
            image_size=self.preprocessing.crop,
        )
        loaded.model.to(self.place)
        return loaded

    def start(self, seed: int) -> Path:
        """A state dict on disk with which everybody begins, the new head of `seed` included."""
        path = self.folder / "starts" / f"{self.recipe.image_size}-{seed}.pt"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            state = {name: tensor.cpu() for name, tensor in self.chain(seed).model.state_dict().items()}
            with atomic_path(path) as temporary:
                torch.save(state, temporary)
        return path

    def phase(self, training: str, seed: int) -> Phase:
        """Which parameters train in one of workloads.TRAININGS, and how fast."""
        (phase,) = plan_for(self.chain(seed).outline(), self.config(training, seed)).phases
        return phase

    def numerics(self) -> Numerics:
        """What Thaw computes in here; it was measured when the experiment was made."""
        return choose(self.chain(0), "auto", self.place, side=self.preprocessing.crop)

    @contextmanager
    def fresh_workspace(self) -> Iterator[Workspace]:
        """A copy in which nothing has been kept yet, gone afterwards."""
        with TemporaryDirectory(prefix="workspace-", dir=self.folder, ignore_cleanup_errors=True) as folder:
            shutil.copytree(self.workspace.root, folder, copy_function=link_or_copy, dirs_exist_ok=True)
            yield open_workspace(folder)


def prepare(folder: Path, recipe: Recipe) -> Experiment:
    """Everything a bench in `folder` needs for `recipe`; what an earlier call has made is used again."""
    weights = f"-{Path(recipe.weights).stem}" if recipe.weights else ""
    home = folder / f"{recipe.data}-{recipe.images}-{recipe.data_seed}-{recipe.backbone}{weights}"
    if not (home / ORIGIN).is_file():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        _make(home, recipe)
    origin, workspace = record_files.read(home / ORIGIN, Origin), open_workspace(home / "workspace")
    dataset = open_dataset(workspace, origin.dataset)
    experiment = Experiment(recipe=recipe, folder=home, workspace=workspace, dataset=dataset, weights=origin.weights)
    experiment.numerics()
    return experiment


def _make(home: Path, recipe: Recipe) -> None:
    workspace = open_workspace(home / "workspace")
    dataset = _imported(home, recipe, workspace) if recipe.images else _whole(recipe, workspace)
    for split, label in product(SPLITS, range(len(dataset.classes))):
        (home / "tree" / split / f"{label:04d}").mkdir(parents=True)
    for image in dataset.images:  # the order and the class numbers are those of the dataset
        path = home / "tree" / image.split / f"{image.label:04d}" / f"{image.index:06d}{Path(image.file).suffix}"
        link_or_copy(dataset.image_path(image), path)
    record_files.write(home / ORIGIN, Origin(dataset=dataset.id, weights=_weights(workspace, recipe)))


def _whole(recipe: Recipe, workspace: Workspace) -> Dataset:
    """All of the source, split as the source says or as Thaw does by default."""
    return commit(workspace, scan(workspace, Path(recipe.source), name="bench"), seed=recipe.data_seed)


def _imported(home: Path, recipe: Recipe, workspace: Workspace) -> Dataset:
    """So many images, for training and validation."""
    photographs, counts = home / "photographs", {"train": recipe.images, "val": recipe.validation_images}
    if recipe.source:
        take_photographs(Path(recipe.source), photographs, seed=recipe.data_seed, **counts)
    else:
        make_photographs(photographs, seed=recipe.data_seed, **counts)
    dataset = commit(workspace, scan(workspace, photographs, name="bench"), ratios=(0.8, 0.2, 0.0))
    shutil.rmtree(photographs)
    return dataset


def _weights(workspace: Workspace, recipe: Recipe) -> str:
    """Those of the recipe, the published ones if they are on this disk, else random ones as a file, so that all begin
    alike and nobody downloads."""
    backbone = recipe.backbone
    if recipe.weights:
        path = Path(recipe.weights)
        return f"file:{bring(workspace, path, path.name, backbone=backbone).weights}"
    if registry.published(backbone).on_disk:
        return "default"
    state = registry.build(backbone, registry.describe(backbone).input_size, 0).state_dict()
    with TemporaryDirectory(dir=workspace.root) as folder:
        torch.save(state, path := Path(folder) / "random.pt")
        return f"file:{bring(workspace, path, path.name, backbone=backbone).weights}"
