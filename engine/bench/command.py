"""Command: what `bench` does with its options: measure what is missing, then write the results anew from everything
measured.

Not here: the options themselves (engine.cli.bench), which load without torch.
"""

import json
import platform
import shlex
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from engine import devices
from engine.bench import operations, pagetimes, parts, runner, thaw
from engine.bench.options import BenchOptions
from engine.bench.report import ABOUT, PAGES, write_report
from engine.bench.rows import CONTENDERS, ROWS, Row
from engine.bench.setting import Recipe, prepare
from engine.errors import ConfigError
from engine.models import registry
from engine.workspace import atomic_write


def run(options: BenchOptions) -> None:
    """Everything that the options ask for; ConfigError where they ask for what there is not."""
    recipe, rows = recipe_of(options), rows_of(options)
    without = _names(options["without"], CONTENDERS, "contender")
    folder = Path(options["out"]).expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if options["profile"]:
        return _profile(folder, recipe, options["profile"])
    if rows or not (folder / ABOUT).is_file():
        atomic_write(folder / ABOUT, json.dumps(_about(recipe), indent=1, ensure_ascii=False))
    if rows:
        contenders = runner.contenders_here(without)
        if "fastai" not in (*contenders, *without):
            _say("fastai is not installed, so it is left out. Install it with pip install -r requirements-bench.txt.")
        runner.measure(folder, recipe, rows, options["repetitions"], contenders, _say)
    if options["growth"]:
        grown = tuple(row.name for row in rows if row.name in runner.GROWTH_TRAININGS) or runner.GROWTH_TRAININGS
        runner.measure_growth(
            folder, recipe, _say, trainings=grown, images=runner.GROWTH_IMAGES, epochs=runner.GROWTH_EPOCHS
        )
    if options["parts"]:
        parts.measure_parts(folder, recipe, options["repetitions"], _say)
    if options["operations"]:
        operations.measure_operations(folder, recipe, _say)
    if options["pages"]:
        about = {"backbone": recipe.backbone, "threads": recipe.threads}
        atomic_write(folder / PAGES, json.dumps({**about, **pagetimes.measure(folder, recipe, _say)}, indent=1))
    _say(f"The results are in {write_report([folder], folder / 'report.md')}.")
    if options["write"]:
        folders = [folder, *(Path(name).expanduser().resolve() for name in options["beside"])]
        _say(f"The page is {write_report(folders, Path(options['write']).expanduser().resolve())}.")


def recipe_of(options: BenchOptions) -> Recipe:
    """The recipe in the options, its threads set for this process; ConfigError where it cannot be measured."""
    least = {"images": (options["images"], 8), "epochs": (options["epochs"], 1)}
    for name, (value, low) in {**least, "repetitions": (options["repetitions"], 1)}.items():
        if value < low:
            raise ConfigError(f"--{name} is {value}; it must be at least {low}.")
    source = Path(options["data"]).expanduser().resolve() if options["data"] else None
    if source is not None and not source.is_dir():
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


def rows_of(options: BenchOptions) -> list[Row]:
    """The rows asked for; all of them unless only something else is wanted."""
    names = _names(options["rows"], tuple(ROWS), "row")
    others = (options["growth"], options["pages"], options["parts"], options["operations"], options["write"])
    if not names and any(others):
        return []
    return [ROWS[name] for name in names or ROWS]


def _names(text: str, known: tuple[str, ...], kind: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in known:
            raise ConfigError(f"There is no {kind} {name!r} to measure. Choose from {', '.join(known)}.")
    return names


def _profile(folder: Path, recipe: Recipe, name: str) -> None:
    if name not in ROWS:
        raise ConfigError(f"There is no row {name!r} to profile. Choose from {', '.join(ROWS)}.")
    setting = prepare(folder, recipe)
    found = thaw.profile(setting, runner.configs_of(setting, ROWS[name], 0))
    for title, outcome in (("fresh workspace", found.cold), ("again", found.again)):
        print(f"{title}: {outcome.seconds:.3f} s")
        for stage, seconds in dict(outcome.about["stages"]).items():  # type: ignore[call-overload]
            print(f"  {seconds:9.3f} s  {stage}")
    print(found.calls)


def _about(recipe: Recipe) -> dict[str, object]:
    """What a reader needs in order to repeat this."""
    place = devices.pick(recipe.device)
    cpu = devices.available()[-1]
    memory = f"{cpu['memory_bytes'] / 2**30:.0f} GiB" if cpu["memory_bytes"] else "unknown memory"
    software = ", ".join(f"{name} {_version(name)}" for name in ("torch", "torchvision", "fastai") if _version(name))
    others = f", {devices.name(place)}" if place.type != "cpu" else ""
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return {
        "command": shlex.join(["python", "-m", "engine", *_public(sys.argv[1:])]),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{cpu['name']}{others}, {memory}, {system}, {software}",
        "validation_images": recipe.validation_images,
        "side": recipe.image_size or _side(recipe),
        "like": asdict(runner.key_of(recipe, "", "", 0)),
    }


def _public(words: list[str]) -> list[str]:
    """The command without the folders of this machine."""
    return [Path(word).name if Path(word).is_absolute() else word for word in words]


def _side(recipe: Recipe) -> int:
    return int(registry.preprocessing_of(registry.weights_entry(recipe.backbone), recipe.backbone)["crop"])


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _say(text: str) -> None:
    print(text, flush=True)
