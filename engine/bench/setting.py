"""Setting: what every contender is given: the same images, the same starting weights, the same recipe.

Nothing here is measured: importing images, measuring the number format of the machine and writing starting weights come
before the clock.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from tempfile import mkdtemp

import torch

from engine import devices
from engine.bench.photographs import link_or_copy, make_photographs, take_photographs
from engine.bench.rows import ONE
from engine.data.dataset import commit, open_dataset
from engine.data.dataset_records import Dataset
from engine.data.importer import scan
from engine.data.preprocessing import Preprocessing
from engine.models import registry
from engine.models.catalog import checkpoints_folder
from engine.models.chain import Chain
from engine.models.loading import load_backbone
from engine.models.weights_reader import bring
from engine.runconfig import RunConfig
from engine.runs.session import preprocessing_of
from engine.training.freezing import plan_for
from engine.training.numerics import Numerics, choose
from engine.training.plan import Phase
from engine.workspace import Workspace, atomic_path, atomic_write, open_workspace


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is the same for everyone."""

    images: int
    """For training; a quarter as many come on top for validation."""
    epochs: int
    backbone: str = "resnet18"
    image_size: int = 0
    batch_size: int = 32
    device: str = "auto"
    threads: int = 1
    source: Path | None = None
    """A folder of real photographs; None makes them."""
    data_seed: int = 0

    @property
    def data(self) -> str:
        return self.source.name if self.source else "generated"

    @property
    def validation_images(self) -> int:
        return max(2, self.images // 4)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A recipe with its images imported and its weights laid out."""

    recipe: Recipe
    folder: Path
    workspace: Workspace
    """The workspace that every run of Thaw gets a copy of: it holds the dataset and the weights, and nothing that is
    kept by running."""
    dataset: Dataset
    tree: Path
    """The same images as train/ and val/ with a folder a class, the way an image folder is read."""
    weights: str

    def config(self, training: str, seed: int) -> RunConfig:
        """The RunConfig of one of rows.ONE."""
        recipe = self.recipe
        common: dict[str, object] = {
            "epochs": recipe.epochs,
            "batch_size": recipe.batch_size,
            "image_size": recipe.image_size,
        }
        fields: dict[str, object] = {**common, "weights": self.weights, "seed": seed, **ONE[training]}
        return RunConfig(dataset=self.dataset.id, backbone=recipe.backbone, **fields)  # type: ignore[arg-type]

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
            self.dataset.classes,
            seed,
            image_size=self.preprocessing.crop,
        )
        loaded.model.to(self.place)
        return loaded

    def start(self, seed: int) -> Path:
        """A state dict on disk with which everybody begins, the new head of `seed` included."""
        path = (
            self.folder
            / "starts"
            / f"{self.recipe.backbone}-{self.recipe.image_size}-{len(self.dataset.classes)}-{seed}.pt"
        )
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            state = {name: tensor.cpu() for name, tensor in self.chain(seed).model.state_dict().items()}
            with atomic_path(path) as temporary:
                torch.save(state, temporary)
        return path

    def phase(self, training: str, seed: int) -> Phase:
        """Which parameters train in one of rows.ONE, and how fast."""
        (phase,) = plan_for(self.chain(seed).outline(), self.config(training, seed)).phases
        return phase

    def numerics(self, chain: Chain) -> Numerics:
        """What Thaw computes in here; it was measured when the setting was made."""
        return choose(chain, "auto", self.place, side=self.preprocessing.crop)

    @contextmanager
    def fresh_workspace(self) -> Iterator[Workspace]:
        """A copy in which nothing has been kept yet, gone afterwards."""
        folder = Path(mkdtemp(prefix="workspace-", dir=self.folder))
        try:
            shutil.copytree(self.workspace.root, folder, copy_function=link_or_copy, dirs_exist_ok=True)
            yield open_workspace(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def prepare(folder: Path, recipe: Recipe) -> Setting:
    """Everything a bench in `folder` needs for `recipe`; what an earlier call has made is used again."""
    home = folder / f"{recipe.data}-{recipe.images}-{recipe.data_seed}-{recipe.backbone}"
    about = home / "setting.json"
    if not about.is_file():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        _make(home, about, recipe)
    known = json.loads(about.read_text())
    workspace = open_workspace(home / "workspace")
    setting = Setting(
        recipe=recipe,
        folder=home,
        workspace=workspace,
        dataset=open_dataset(workspace, known["dataset"]),
        tree=home / "tree",
        weights=known["weights"],
    )
    setting.numerics(setting.chain(0))
    return setting


def _make(home: Path, about: Path, recipe: Recipe) -> None:
    workspace = open_workspace(home / "workspace")
    photographs, train, val = home / "photographs", recipe.images, recipe.validation_images
    if recipe.source:
        take_photographs(recipe.source, photographs, train=train, val=val, seed=recipe.data_seed)
    else:
        make_photographs(photographs, train=train, val=val, seed=recipe.data_seed)
    dataset = commit(workspace, scan(workspace, photographs, name="bench"), ratios=(0.8, 0.2, 0.0))
    shutil.rmtree(photographs)
    for split, label in product(("train", "val"), range(len(dataset.classes))):
        (home / "tree" / split / f"{label:04d}").mkdir(parents=True)
    for image in dataset.images:  # the order and the class numbers are those of the dataset
        path = home / "tree" / image.split / f"{image.label:04d}" / f"{image.index:06d}{Path(image.file).suffix}"
        link_or_copy(dataset.image_path(image), path)
    atomic_write(about, json.dumps({"dataset": dataset.id, "weights": _weights(workspace, recipe.backbone)}))


def _weights(workspace: Workspace, backbone: str) -> str:
    """The published weights if they are on this disk, else random ones as a file, so that all begin alike and nobody
    downloads."""
    entry = registry.weights_entry(backbone)
    if (checkpoints_folder() / entry.url.rpartition("/")[2]).is_file():
        return "default"
    with atomic_path(workspace.root / "random.pt") as temporary:
        torch.save(
            registry.build(backbone, registry.preprocessing_of(entry, backbone)["crop"], 0).state_dict(), temporary
        )
    try:
        return f"file:{bring(workspace, workspace.root / 'random.pt', 'random.pt')}"
    finally:
        (workspace.root / "random.pt").unlink()
