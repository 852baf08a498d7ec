"""Command: what `bench` does with its options: measure what is missing, then write the results anew from everything
measured.

Not here: the options themselves (engine.cli.bench), which load without torch.
"""

import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from engine import devices, record_files
from engine.bench import operations, pagetimes, parts, runner, thaw
from engine.bench.experiment import prepare
from engine.bench.measurements import ABOUT, PAGES, About, Recipe
from engine.bench.options import BenchOptions
from engine.bench.report import write_report
from engine.bench.workloads import CONTENDERS, WORKLOADS, Workload
from engine.errors import ConfigError
from engine.models import registry


def run(options: BenchOptions) -> None:
    """Everything that the options ask for; ConfigError where they ask for what there is not."""
    recipe, workloads = recipe_of(options), workloads_of(options)
    without = _names(options["without"], CONTENDERS, "contender")
    folder = _path(options["out"])
    folder.mkdir(parents=True, exist_ok=True)
    if options["profile"]:
        return _profile(folder, recipe, options["profile"])
    if workloads or not (folder / ABOUT).is_file():
        record_files.write(folder / ABOUT, _about(recipe))
    if workloads:
        contenders = runner.contenders_here(without)
        if "fastai" not in (*contenders, *without):
            print("fastai is not installed, so it is left out. Install it: pip install -r requirements-bench.txt.")
        runner.measure(folder, recipe, workloads, repetitions=options["repetitions"], contenders=contenders)
    if options["growth"]:
        names = [workload.name for workload in workloads if workload.name in runner.GROWTH_TRAININGS]
        runner.measure_growth(folder, recipe, names or runner.GROWTH_TRAININGS)
    if options["parts"]:
        parts.measure_parts(folder, recipe, repetitions=options["repetitions"])
    if options["operations"]:
        operations.measure_operations(folder, recipe)
    if options["pages"]:
        record_files.write(folder / PAGES, pagetimes.measure(folder, recipe))
    print(f"The results are in {write_report([folder], folder / 'report.md')}.")
    if options["write"]:
        print(f"The page is {write_report([folder, *map(_path, options['beside'])], _path(options['write']))}.")


def recipe_of(options: BenchOptions) -> Recipe:
    """The recipe in the options, its threads set for this process; ConfigError where it cannot be measured."""
    least = {"images": (options["images"], 8), "epochs": (options["epochs"], 1)}
    for name, (value, low) in {**least, "repetitions": (options["repetitions"], 1)}.items():
        if value < low:
            raise ConfigError(f"--{name} is {value}; it must be at least {low}.")
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


def workloads_of(options: BenchOptions) -> list[Workload]:
    """The rows of the table asked for; all of them unless only something else is wanted."""
    names = _names(options["rows"], tuple(WORKLOADS), "row")
    others = (options["growth"], options["pages"], options["parts"], options["operations"], options["write"])
    if not names and any(others):
        return []
    return [WORKLOADS[name] for name in names or WORKLOADS]


def _names(text: str, known: tuple[str, ...], kind: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in known:
            raise ConfigError(f"There is no {kind} {name!r} to measure. Choose from {', '.join(known)}.")
    return names


def _profile(folder: Path, recipe: Recipe, name: str) -> None:
    (name,) = _names(name, tuple(WORKLOADS), "row")
    experiment = prepare(folder, recipe)
    print(thaw.profile(experiment, runner.configs_of(experiment, WORKLOADS[name], 0)))


def _path(text: str) -> Path:
    return Path(text).expanduser().resolve()


def _about(recipe: Recipe) -> About:
    place = devices.pick(recipe.device)
    cpu = devices.available()[-1]
    memory = f"{cpu.memory_bytes / 2**30:.0f} GiB" if cpu.memory_bytes else "unknown memory"
    software = ", ".join(f"{name} {_version(name)}" for name in ("torch", "torchvision", "fastai") if _version(name))
    others = f", {devices.name(place)}" if place.type != "cpu" else ""
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return About(
        command=shlex.join(["python", "-m", "engine", *_public(sys.argv[1:])]),
        date=datetime.now(UTC).date().isoformat(),
        machine=f"{cpu.name}{others}, {memory}, {system}, {software}",
        side=recipe.image_size or _side(recipe),
        recipe=recipe,
    )


def _public(words: list[str]) -> list[str]:
    """The command without the folders of this machine."""
    return [Path(word).name if Path(word).is_absolute() else word for word in words]


def _side(recipe: Recipe) -> int:
    return registry.describe(recipe.backbone).input_size


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
