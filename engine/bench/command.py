"""Command: what `bench` does with its options: measure what is missing, then write the results anew from everything
measured.

Not here: the options themselves (engine.cli.bench), which load without torch.
"""

import platform
import shlex
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from engine import devices, record_files
from engine.bench import pagetimes, parts, runner, thaw
from engine.bench.experiment import prepare
from engine.bench.measurements import ABOUT, PAGES, About, Recipe
from engine.bench.options import BenchOptions
from engine.bench.report import write_report
from engine.bench.workloads import CONTENDERS, WORKLOADS
from engine.errors import ConfigError
from engine.models import registry


def run(options: BenchOptions) -> None:
    """Everything that the options ask for; ConfigError where they ask for what there is not."""
    recipe, rows = recipe_of(options), rows_of(options)
    without = _names(options["without"], CONTENDERS, "contender")
    folder = _path(options["out"])
    folder.mkdir(parents=True, exist_ok=True)
    if options["profile"]:
        (row,) = _names(options["profile"], WORKLOADS, "row")
        experiment, workload = prepare(folder, recipe), WORKLOADS[row]
        return print(thaw.profile(experiment, experiment.configs(workload.trainings, seeds=workload.seeds)))
    if rows or not (folder / ABOUT).is_file():
        record_files.write(folder / ABOUT, _about(recipe))
    if rows:
        workloads, contenders = [WORKLOADS[row] for row in rows], _contenders(without)
        keys = runner.keys(recipe, workloads, repetitions=options["repetitions"], contenders=contenders)
        runner.measure_workloads(folder, recipe, keys)
    if options["parts"]:
        runner.measure_workloads(folder, recipe, parts.part_keys(recipe, repetitions=options["repetitions"]))
    if options["pages"]:
        record_files.write(folder / PAGES, pagetimes.measure_pages(folder, recipe))
    print(f"The results are in {write_report([folder], folder / 'report.md')}.")
    if options["write"]:
        print(f"The page is {write_report([folder, *map(_path, options['beside'])], _path(options['write']))}.")


def recipe_of(options: BenchOptions) -> Recipe:
    """The recipe in the options, its threads set for this process; ConfigError where it cannot be measured."""
    counts = (
        ("images", options["images"], 8),
        ("epochs", options["epochs"], 1),
        ("repetitions", options["repetitions"], 1),
    )
    for name, value, least in counts:
        if value < least:
            raise ConfigError(f"--{name} is {value}; it must be at least {least}.")
    source = str(_path(options["data"])) if options["data"] else ""
    if source and not Path(source).is_dir():
        raise ConfigError(f"There is no folder {source}. Check --data.")
    return Recipe(
        images=options["images"],
        epochs=options["epochs"],
        backbone=options["backbone"],
        image_size=options["image_size"],
        device=str(devices.pick(options["device"])),
        threads=devices.set_threads(options["threads"]),
        source=source,
    )


def rows_of(options: BenchOptions) -> tuple[str, ...]:
    """The rows of the table asked for; all of them unless only something else is wanted."""
    rows = _names(options["rows"], WORKLOADS, "row")
    return rows or (() if options["pages"] or options["parts"] or options["write"] else tuple(WORKLOADS))


def _contenders(without: tuple[str, ...]) -> tuple[str, ...]:
    """Those that are asked for and installed."""
    if "fastai" not in without and not find_spec("fastai"):
        print("fastai is not installed, so it is left out. Install it: pip install -r requirements-bench.txt.")
        without = (*without, "fastai")
    return tuple(name for name in CONTENDERS if name not in without)


def _names(text: str, known: Collection[str], kind: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in known:
            raise ConfigError(f"There is no {kind} {name!r} to measure. Choose from {', '.join(known)}.")
    return names


def _path(text: str) -> Path:
    return Path(text).expanduser().resolve()


def _about(recipe: Recipe) -> About:
    place = devices.pick(recipe.device)
    cpu = devices.available()[-1]
    memory = f"{cpu.memory_bytes / 2**30:.0f} GiB" if cpu.memory_bytes else "unknown memory"
    software = [f"{name} {version(name)}" for name in ("torch", "torchvision", "fastai") if find_spec(name)]
    others = f", {devices.name(place)}" if place.type != "cpu" else ""
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]  # no folder of a machine
    return About(
        command=shlex.join(["python", "-m", "engine", *words]),
        date=datetime.now(UTC).date().isoformat(),
        machine=f"{cpu.name}{others}, {memory}, {system}, {', '.join(software)}",
        side=recipe.image_size or registry.describe(recipe.backbone).input_size,
        recipe=recipe,
    )
