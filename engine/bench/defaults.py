"""Defaults: what the automatic rates and epochs leave on the table: a grid around them on given images and weights.

Every cell is a run and a line of defaults.jsonl, so that what was interrupted goes on. Not here: the page that says
what came out (defaults_page).
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from engine import record_files
from engine.data.dataset import commit, list_datasets
from engine.data.importer import scan
from engine.errors import ConfigError
from engine.evaluation.metric_records import read_metrics
from engine.models.bringing import bring
from engine.runconfig import RunConfig
from engine.runs.pipeline import execute
from engine.store.run_store import RunStore
from engine.training.rates import RATES
from engine.workspace import Workspace, atomic_write, open_workspace

CELLS = "defaults.jsonl"
FINE_TUNING = ("last_block", "last_stage", "full_finetune", "probe_then_finetune", "gradual_unfreeze", "bias_norm")
FACTORS = (1 / 3, 1.0, 3.0)
"""Of the automatic rates of head and body, in all pairs."""
DECAYS, EPOCHS = (0.8, 1.0), (5, 20)
"""Tried beside the automatic ones, one at a time."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A place in the grid; 0 is what Thaw does by itself."""

    lr: float = 0.0
    body_lr: float = 0.0
    lr_decay: float = 0.0
    epochs: int = 0


DEFAULT = Setting()


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run, and what it came to."""

    dataset: str
    strategy: str
    seed: int
    setting: Setting
    train_images: int
    test_accuracy: float
    log_loss: float
    val_accuracy: float = 0.0
    epochs: int
    """Trained."""
    seconds: float

    @property
    def key(self) -> tuple[str, str, int, Setting]:
        return self.dataset, self.strategy, self.seed, self.setting


@dataclass(frozen=True, kw_only=True)
class Question:
    """What the grid is laid over."""

    sources: tuple[Path, ...]
    """Folders or zips of images, a folder a class."""
    weights: str
    """A file, or a word of RunConfig.weights."""
    backbone: str
    image_size: int = 0
    strategies: tuple[str, ...] = FINE_TUNING
    seeds: int = 3
    optimizer: str = "adamw"
    device: str = "auto"
    settings: tuple[Setting, ...] = ()
    """Empty: the default and its neighbours."""


def settings(optimizer: str) -> tuple[Setting, ...]:
    """The default, then its neighbours: all pairs of rates, other decays, other numbers of epochs."""
    usual = RATES[optimizer]
    pairs = (
        Setting(lr=usual.head * head, body_lr=usual.body * body)
        for head, body in product(FACTORS, FACTORS)
        if (head, body) != (1.0, 1.0)
    )
    decays = (Setting(lr=usual.head, body_lr=usual.body, lr_decay=decay) for decay in DECAYS)
    return (DEFAULT, *pairs, *decays, *(Setting(epochs=epochs) for epochs in EPOCHS))


def measure_defaults(folder: Path, question: Question) -> Iterator[Cell]:
    """Train what is missing in `folder`, cell by cell; every seed of the default comes first."""
    folder.mkdir(parents=True, exist_ok=True)
    workspace = open_workspace(str(folder / "workspace"))
    cells = cells_of(folder)
    atomic_write(folder / CELLS, "".join(f"{record_files.encode(cell)}\n" for cell in cells))  # without a torn line
    done = {cell.key for cell in cells}
    weights = _weights(workspace, question.weights, question.backbone)
    places = [(source, _dataset(workspace, source)) for source in question.sources]
    grid = product(
        question.settings or settings(question.optimizer), places, question.strategies, range(question.seeds)
    )
    for setting, (source, dataset), strategy, seed in grid:
        if (source.stem, strategy, seed, setting) in done:
            continue
        config = RunConfig(
            dataset=dataset,
            backbone=question.backbone,
            weights=weights,
            strategy=strategy,
            seed=seed,
            image_size=question.image_size,
            optimizer=question.optimizer,
            device=question.device,
            lr=setting.lr,
            body_lr=setting.body_lr,
            lr_decay=setting.lr_decay,
            epochs=setting.epochs,
        )
        cell = _cell(workspace, config, setting, name=source.stem)
        with (folder / CELLS).open("a", encoding="utf-8") as lines:
            lines.write(f"{record_files.encode(cell)}\n")
        yield cell


def cells_of(folder: Path) -> tuple[Cell, ...]:
    """What has been measured; a line that was cut short by a crash is measured again."""
    path = folder / CELLS
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    whole = [line for line in lines if line.endswith("\n")]
    return tuple(record_files.decode(line, Cell, what=CELLS) for line in whole)


def _cell(workspace: Workspace, config: RunConfig, setting: Setting, *, name: str) -> Cell:
    """Train one run and keep its scores; its folder goes."""
    store = RunStore(workspace)
    run = store.enqueue(config, owner="bench")
    for event in execute(run, workspace, device=config.device):
        store.record(run.id, event)
    store.finish(run.id, "finished")
    ended, test = store.get(run.id), read_metrics(workspace.run(run.id)).splits.get("test")
    shutil.rmtree(workspace.run(run.id))
    if test is None or ended.summary is None or ended.started is None:
        raise ConfigError(f"{name} has no test images, and the regret is of those. Import it with a share for them.")
    return Cell(
        dataset=name,
        strategy=config.strategy,
        seed=config.seed,
        setting=setting,
        train_images=ended.started.train_images,
        test_accuracy=test.accuracy,
        log_loss=test.log_loss,
        val_accuracy=ended.summary.val_accuracy or 0.0,
        epochs=ended.summary.epochs,
        seconds=ended.summary.seconds,
    )


def _dataset(workspace: Workspace, source: Path) -> str:
    """The id of what `source` holds, imported once."""
    for known in list_datasets(workspace):
        if known.name == source.stem:
            return known.id
    return commit(workspace, scan(workspace, source, name=source.stem)).id


def _weights(workspace: Workspace, weights: str, backbone: str) -> str:
    """A file is brought into the workspace; everything else is a word of the configuration."""
    path = Path(weights).expanduser()
    if not path.is_file():
        return weights
    return f"file:{bring(workspace, path, path.name, backbone=backbone).weights}"
