"""The verb `bench` of the command line: its options, and how they become a recipe. Loads without torch, which only the
bench needs.

Not here: measuring.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from engine.bench.rows import CONTENDERS, ROWS, Row
from engine.errors import ConfigError
from engine.work.supervisor import Supervisor

if TYPE_CHECKING:
    from engine.bench.setting import Recipe

DESCRIPTION = "measure Thaw against a classic loop, fastai and the bare computation, on this machine"


def add_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--out", default="bench", metavar="FOLDER", help="where measurements, table and plots go; what is there goes on"
    )
    verb.add_argument(
        "--data", metavar="FOLDER", help="real photographs, a folder a class; default: photographs are made"
    )
    verb.add_argument("--backbone", default="resnet18", help="a ResNet, for fastai's sake, or any other without fastai")
    verb.add_argument(
        "--images", type=int, default=64, help="training images; a quarter as many come on top for validation"
    )
    verb.add_argument("--epochs", type=int, default=15, help="how many times training sees every image")
    verb.add_argument(
        "--image-size", type=int, default=0, help="side of the square the backbone sees; 0: as its weights want"
    )
    verb.add_argument(
        "--repetitions", type=int, default=3, help="how often everything is measured, each time with another seed"
    )
    verb.add_argument(
        "--threads", type=int, default=0, help="CPU threads of every contender; 0: as many as a run of Thaw takes here"
    )
    verb.add_argument("--device", default="auto", help="auto, cpu, cuda:0, ...")
    verb.add_argument(
        "--rows", default="", metavar="A,B", help=f"which lines of the table: {', '.join(ROWS)}; default: all, or none"
    )
    verb.add_argument("--without", default="", metavar="A,B", help=f"leave out some of {', '.join(CONTENDERS)}")
    verb.add_argument("--growth", action="store_true", help="also how the cost grows with images and epochs")
    verb.add_argument("--parts", action="store_true", help="also what each optimisation is worth: with and without it")
    verb.add_argument(
        "--operations", action="store_true", help="also which kernels the bare computation spends its time in"
    )
    verb.add_argument(
        "--pages", action="store_true", help="also how fast the pages answer, and what looking costs (needs playwright)"
    )
    verb.add_argument("--profile", metavar="ROW", help="only print where the time of this row goes")
    verb.add_argument("--write", metavar="FILE", help="write the page of results there, such as docs/performance.md")
    verb.add_argument(
        "--beside", metavar="FOLDER", action="append", default=[], help="the page also shows what was measured there"
    )


def bench(chosen: argparse.Namespace, supervisor: Supervisor) -> None:
    """Measure in this process, which is the only one of the command line that imports torch."""
    from engine.bench.command import run  # torch comes with it

    run(chosen, recipe_of(chosen), rows_of(chosen), without_of(chosen))


def recipe_of(chosen: argparse.Namespace) -> "Recipe":
    """The recipe in the options, its threads set for this process; ConfigError where it cannot be measured."""
    from engine import devices
    from engine.bench.setting import Recipe

    for name, least in (("images", 8), ("epochs", 1), ("repetitions", 1)):
        if getattr(chosen, name) < least:
            raise ConfigError(f"--{name} is {getattr(chosen, name)}; it must be at least {least}.")
    source = Path(chosen.data).expanduser().resolve() if chosen.data else None
    if source is not None and not source.is_dir():
        raise ConfigError(f"There is no folder {source}. Check --data.")
    return Recipe(
        images=chosen.images,
        epochs=chosen.epochs,
        backbone=chosen.backbone,
        image_size=chosen.image_size,
        device=str(devices.pick(chosen.device)),
        threads=devices.set_threads(chosen.threads),
        source=source,
    )


def rows_of(chosen: argparse.Namespace) -> list[Row]:
    """The rows asked for; all of them unless only growth or pages are wanted."""
    names = _names(chosen.rows, tuple(ROWS), "row")
    only_others = (chosen.growth or chosen.pages or chosen.parts or chosen.operations or chosen.write) and not names
    return [] if only_others else [ROWS[name] for name in names or ROWS]


def without_of(chosen: argparse.Namespace) -> tuple[str, ...]:
    return _names(chosen.without, CONTENDERS, "contender")


def _names(text: str, known: tuple[str, ...], kind: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in known:
            raise ConfigError(f"There is no {kind} {name!r} to measure. Choose from {', '.join(known)}.")
    return names
