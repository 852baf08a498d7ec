"""Whole commands: each contender as a process of its own, from the command to its answers, where nothing was kept.

Thaw trains in a fresh workspace with an empty cache of the user; what it is compared with starts as a notebook does:
with its imports. Importing the dataset is a command of its own. Not here: in which turns (runner), the tables.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from engine import record_files
from engine.bench.contenders.assignment import ASSIGNMENT, OUTCOME, Outcome, Result
from engine.bench.experiment import Experiment
from engine.bench.measurements import Answers, Key, Recipe
from engine.bench.workloads import DEFAULTS, TRAININGS
from engine.data.dataset_records import Dataset
from engine.errors import EngineError
from engine.evaluation import predictions
from engine.models.weights_store import weights_path
from engine.workspace import Workspace

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What is read of the last line of `train --json`."""

    run: str
    val_accuracy: float | None = None


def run_whole(experiment: Experiment, key: Key, workers: int) -> Result:
    """The command of `key`; EngineError with its last words where it fails."""
    with ExitStack() as stack:
        workspace = stack.enter_context(experiment.fresh_workspace())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="command-", dir=experiment.folder)))
        environment = environment_of(experiment.recipe, folder / "cache")
        if key.what == "import":
            return _import(experiment, workspace, environment)
        if key.contender in ("thaw", DEFAULTS):
            return _train(experiment, key, workspace=workspace, environment=environment)
        return _contend(experiment, key, workers, folder=folder, environment=environment)


def environment_of(recipe: Recipe, cache: Path) -> dict[str, str]:
    """As a person has it on a machine where Thaw has never run: published weights are there, nothing else is kept."""
    torch_home = Path(torch.hub.get_dir()).parent
    return {
        **os.environ,
        "XDG_CACHE_HOME": str(cache),
        "TORCH_HOME": str(torch_home),
        "THAW_THREADS": str(recipe.threads),
        "OPENBLAS_NUM_THREADS": str(recipe.threads),
    }


def _import(experiment: Experiment, workspace: Workspace, environment: Mapping[str, str]) -> Result:
    source = experiment.recipe.source if not experiment.recipe.images else str(experiment.tree)
    words = ["-m", "engine", "import", source, "--workspace", str(workspace.root), "--json"]
    return Result(seconds=_timed(words, environment)[0], accuracy=0.0)


def train_words(experiment: Experiment, key: Key) -> list[str]:
    """`python -m engine train` without a workspace: with its defaults, or as many epochs as the others."""
    recipe = experiment.recipe
    words = ["train", "--dataset", experiment.dataset.id, "--backbone", recipe.backbone, "--strategy", key.what]
    words += ["--seed", str(key.repetition), "--weights", _weights_of(experiment)]
    words += ["--set", f"device={recipe.device}", "--set", f"image_size={recipe.image_size}"]
    return words if key.contender == DEFAULTS else [*words, "--epochs", str(recipe.epochs)]


def _train(experiment: Experiment, key: Key, *, workspace: Workspace, environment: Mapping[str, str]) -> Result:
    words = ["-m", "engine", *train_words(experiment, key)]
    seconds, said = _timed([*words, "--workspace", str(workspace.root), "--json"], environment)
    trained = record_files.decode(said.strip().splitlines()[-1], Trained, what="the last line of train")
    table = predictions.read(workspace.run(trained.run) / "predictions.csv")
    table = table[table["split"] == "test"]
    probabilities = table[[name for name in table.columns if name.startswith(predictions.PREFIX)]].to_numpy()
    answers = answers_of(experiment.dataset, table["image"].tolist(), probabilities)
    if answers:
        answers = replace(answers, points=((seconds, answers.accuracy),))
    return Result(seconds=seconds, accuracy=trained.val_accuracy or 0.0, answers=answers)


def _contend(experiment: Experiment, key: Key, workers: int, *, folder: Path, environment: Mapping[str, str]) -> Result:
    """A contender that is no part of Thaw."""
    training = key.what if key.what in TRAININGS else "linear_probe"
    given = experiment.assignment(training, key.repetition, workers=workers, fixed=key.contender == "fixed")
    record_files.write(folder / ASSIGNMENT, replace(given, started=time.monotonic()))
    _timed(["-m", "engine.bench.contenders.contend", key.contender, str(folder)], environment)
    outcome = record_files.read(folder / OUTCOME, Outcome)
    images = [int(path.stem) for path in given.images_of("test")]
    answers = answers_of(experiment.dataset, images, np.array(outcome.probabilities))
    if answers:
        answers = replace(answers, points=outcome.points)
    return Result(seconds=outcome.seconds, accuracy=outcome.accuracy, answers=answers)


def answers_of(dataset: Dataset, images: Sequence[int], probabilities: np.ndarray) -> Answers | None:
    """What `probabilities` [images, classes] of images at these indices of `dataset` are worth; None without any."""
    if not len(images):
        return None
    order = np.argsort(images)
    labels = np.array([dataset.images[index].label for index in sorted(images)])
    ordered = probabilities[order]
    own = np.clip(ordered[np.arange(len(labels)), labels], 1e-12, None)
    return Answers(
        train=len(dataset.images_of("train")),
        images=len(labels),
        wrong=tuple(np.flatnonzero(ordered.argmax(1) != labels).tolist()),
        log_loss=float(-np.log(own).mean()),
        points=(),
    )


def _weights_of(experiment: Experiment) -> str:
    """The word of `--weights`: the file that was given, the one that was made, or `default`."""
    word, colon, name = experiment.weights.partition(":")
    return experiment.recipe.weights or (str(weights_path(experiment.workspace, name)) if colon else word)


def _timed(words: Sequence[str], environment: Mapping[str, str]) -> tuple[float, str]:
    """(seconds of the whole process, what it printed)."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, *words], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - started
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise EngineError(
            f"`python {' '.join(words[:3])}` ended with {done.returncode}: {last}. Start the bench again."
        )
    return seconds, done.stdout
