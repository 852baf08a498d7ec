"""Command: what `bench` does with its options: measure what is missing, then write the results anew from everything
measured.

Not here: the options (options), which load without torch.
"""

import argparse
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
from engine.bench.report import ABOUT, PAGES, write_report
from engine.bench.rows import ROWS, Row
from engine.bench.setting import Recipe, prepare
from engine.errors import ConfigError
from engine.models import registry
from engine.workspace import atomic_write


def run(chosen: argparse.Namespace, recipe: Recipe, rows: list[Row], without: tuple[str, ...]) -> None:
    """Everything that the options ask for."""
    folder = Path(chosen.out).expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if chosen.profile:
        return _profile(folder, recipe, chosen.profile)
    contenders = runner.contenders_here(without)
    if "fastai" not in (*contenders, *without):
        print(
            "fastai is not installed, so it is left out. Install it with pip install -r requirements-bench.txt.",
            flush=True,
        )
    if rows or not (folder / ABOUT).is_file():
        atomic_write(folder / ABOUT, json.dumps(_about(chosen, recipe), indent=1, ensure_ascii=False))
    if rows:
        runner.measure(folder, recipe, rows, chosen.repetitions, contenders, _say)
    if chosen.growth:
        grown = tuple(row.name for row in rows if row.name in runner.GROWTH_TRAININGS) or runner.GROWTH_TRAININGS
        runner.measure_growth(
            folder, recipe, _say, trainings=grown, images=runner.GROWTH_IMAGES, epochs=runner.GROWTH_EPOCHS
        )
    if chosen.parts:
        parts.measure_parts(folder, recipe, chosen.repetitions, _say)
    if chosen.operations:
        operations.measure_operations(folder, recipe, _say)
    if chosen.pages:
        about = {"backbone": recipe.backbone, "threads": recipe.threads}
        atomic_write(folder / PAGES, json.dumps({**about, **pagetimes.measure(folder, recipe, _say)}, indent=1))
    _say(f"The results are in {write_report([folder], folder / 'report.md')}.")
    if chosen.write:
        folders = [folder, *(Path(name).expanduser().resolve() for name in chosen.beside)]
        _say(f"The page is {write_report(folders, Path(chosen.write).expanduser().resolve())}.")


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


def _about(chosen: argparse.Namespace, recipe: Recipe) -> dict[str, object]:
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
