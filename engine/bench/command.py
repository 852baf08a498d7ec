"""Command: what `bench` does with its options: measure what is missing, then write the results anew from everything
measured.

Not here: the options themselves (engine.cli.bench), which load without torch.
"""

import shlex
import sys
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from engine import devices, record_files
from engine.bench import pagetimes, parts, runner
from engine.bench.accuracy_page import write_accuracy
from engine.bench.contenders import thaw
from engine.bench.defaults import FINE_TUNING, Question, measure_defaults
from engine.bench.defaults_page import write_defaults
from engine.bench.experiment import prepare
from engine.bench.machine import machine_of
from engine.bench.measurements import ABOUT, PAGES, About, Recipe
from engine.bench.options import BenchOptions
from engine.bench.report import write_report
from engine.bench.workloads import CONTENDERS, EPOCHS, EPOCHS_WHOLE, OTHERS, WORKLOADS, strategies_alone
from engine.errors import ConfigError
from engine.models import registry
from engine.training.strategies import STRATEGIES


def run(options: BenchOptions) -> None:
    """Everything that the options ask for; ConfigError where they ask for what there is not."""
    if options["defaults"]:
        return _measure_defaults(_path(options["out"]), options)
    recipes, rows = recipes_of(options), rows_of(options)
    folder = _path(options["out"])
    folder.mkdir(parents=True, exist_ok=True)
    if options["profile"]:
        (row,) = _names(options["profile"], WORKLOADS, "row")
        experiment, workload = prepare(folder, recipes[0]), WORKLOADS[row]
        return print(thaw.profile(experiment, experiment.configs(workload.trainings, seeds=workload.seeds)))
    if rows or options["first_start"] or options["accuracy"] or not (folder / ABOUT).is_file():
        record_files.write(folder / ABOUT, _about(recipes[0]))
    if options["accuracy"]:
        return _measure_accuracy(folder, recipes, options)
    _measure_times(folder, recipes[0], options)
    print(f"The results are in {write_report([folder], folder / 'report.md')}.")
    if options["write"]:
        print(f"The page is {write_report([folder, *map(_path, options['beside'])], _path(options['write']))}.")


def recipes_of(options: BenchOptions) -> list[Recipe]:
    """The recipe in the options for each of the data, threads set for this process; ConfigError where it cannot be
    measured."""
    whole = options["accuracy"] or options["first_start"]
    epochs = (EPOCHS_WHOLE if whole else EPOCHS) if options["epochs"] is None else options["epochs"]
    counts = (("images", options["images"], 8), ("epochs", epochs, 1), ("repetitions", options["repetitions"], 1))
    for name, value, least in counts:
        if value < least:
            raise ConfigError(f"--{name} is {value}; it must be at least {least}.")
    recipe = Recipe(
        images=options["images"],
        epochs=epochs,
        backbone=options["backbone"],
        image_size=options["image_size"],
        device=str(devices.pick(options["device"])),
        threads=devices.set_threads(options["threads"]),
        weights=str(_existing(options["weights"], "--weights")) if options["weights"] else "",
        processor=options["processor"],
    )
    return [_with_source(recipe, text, options) for text in options["data"]] or [_with_source(recipe, "", options)]


def rows_of(options: BenchOptions) -> tuple[str, ...]:
    """The rows of the table asked for; all of them unless only something else is wanted."""
    rows = _names(options["rows"], WORKLOADS, "row")
    others = options["pages"], options["parts"], options["write"], options["first_start"], options["accuracy"]
    return rows or (() if any(others) else tuple(WORKLOADS))


def _with_source(recipe: Recipe, text: str, options: BenchOptions) -> Recipe:
    """The recipe on the data that `text` names: so many images of a folder, or all, where answers to a test count."""
    if not text and not options["accuracy"]:
        return recipe
    if not text:
        raise ConfigError(
            "--accuracy needs images that have something to teach: --data FOLDER or ZIP, as often as wanted."
        )
    path = _existing(text, "--data")
    if path.is_dir() and not options["accuracy"]:
        return replace(recipe, source=str(path))
    if not options["accuracy"] and (rows_of(options) or options["parts"] or options["pages"]):
        raise ConfigError(f"--data {path.name} is no folder; zips are for --accuracy and --first-start.")
    return replace(recipe, source=str(path), images=0)


def _measure_times(folder: Path, recipe: Recipe, options: BenchOptions) -> None:
    rows, repetitions = rows_of(options), options["repetitions"]
    if rows:
        contenders = _contenders(_without(options))
        keys = runner.keys(recipe, [WORKLOADS[row] for row in rows], repetitions=repetitions, contenders=contenders)
        runner.measure_workloads(folder, recipe, keys)
    if options["parts"]:
        runner.measure_workloads(folder, recipe, parts.part_keys(recipe, repetitions=repetitions))
    if options["first_start"]:
        runner.measure_workloads(folder, recipe, runner.first_start_keys(recipe, repetitions=repetitions))
    if options["pages"]:
        record_files.write(folder / PAGES, pagetimes.measure_pages(folder, recipe))


def _measure_accuracy(folder: Path, recipes: Sequence[Recipe], options: BenchOptions) -> None:
    strategies = _names(options["strategies"], STRATEGIES, "strategy") or strategies_alone()
    without = _without(options)
    for recipe in recipes:
        keys = runner.accuracy_keys(recipe, strategies, repetitions=options["repetitions"], without=without)
        runner.measure_workloads(folder, recipe, keys)
    page = _path(options["write"]) if options["write"] else folder / "accuracy.md"
    print(f"The page is {write_accuracy(folder, page)}.")


def _measure_defaults(folder: Path, options: BenchOptions) -> None:
    if not options["data"]:
        raise ConfigError("--defaults needs images that have something to teach: --data FOLDER or ZIP.")
    devices.set_threads(options["threads"])
    question = Question(
        sources=tuple(_existing(text, "--data") for text in options["data"]),
        weights=str(_existing(options["weights"], "--weights")) if options["weights"] else "default",
        backbone=options["backbone"],
        image_size=options["image_size"],
        strategies=_names(options["strategies"], STRATEGIES, "strategy") or FINE_TUNING,
        seeds=options["repetitions"],
        device=options["device"],
    )
    for cell in measure_defaults(folder, question):
        print(f"{cell.dataset} {cell.strategy} seed {cell.seed}, {cell.setting}: {cell.test_accuracy:.1%}", flush=True)
    page = _path(options["write"]) if options["write"] else folder / "defaults.md"
    print(f"The page is {write_defaults(folder, page)}.")


def _without(options: BenchOptions) -> tuple[str, ...]:
    """Contenders left out: those named, and fastai where it is not installed."""
    known = dict.fromkeys((*CONTENDERS, *(contender for contender, _ in OTHERS)))
    without = _names(options["without"], known, "contender")
    if "fastai" not in without and not find_spec("fastai"):
        print("fastai is not installed, so it is left out. Install it: pip install -r requirements-bench.txt.")
        return (*without, "fastai")
    return without


def _contenders(without: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in CONTENDERS if name not in without)


def _names(text: str, known: Collection[str], kind: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in known:
            raise ConfigError(f"There is no {kind} {name!r} to measure. Choose from {', '.join(known)}.")
    return names


def _path(text: str) -> Path:
    return Path(text).expanduser().resolve()


def _existing(text: str, option: str) -> Path:
    path = _path(text)
    if not path.exists():
        raise ConfigError(f"There is no file or folder {path}. Check {option}.")
    return path


def _about(recipe: Recipe) -> About:
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]  # no folder of a machine
    return About(
        command=shlex.join(["python", "-m", "engine", *words]),
        date=datetime.now(UTC).date().isoformat(),
        machine=machine_of(recipe.device),
        side=recipe.image_size or registry.describe(recipe.backbone).input_size,
        recipe=recipe,
    )
