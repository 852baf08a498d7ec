"""Bench: the verb `bench` and its options, without torch until it measures. Not here: measuring (engine.bench)."""

from typing import Unpack

import click

from engine.bench.machine import PROCESSORS, act_as
from engine.bench.options import BenchOptions
from engine.bench.workloads import CONTENDERS, EPOCHS, EPOCHS_WHOLE, WORKLOADS
from engine.cli.verb import Session, verb


@verb(
    "bench",
    "measure Thaw against a classic loop, fastai and the bare computation, on this machine",
    click.option(
        "--out", default="bench", metavar="FOLDER", help="where measurements and table go; what is there goes on"
    ),
    click.option(
        "--data",
        metavar="FOLDER|ZIP",
        multiple=True,
        help="real photographs, a folder a class; default: photographs are made. A zip, and several, for --accuracy",
    ),
    click.option(
        "--weights", metavar="FILE", help="what everybody starts from; default: published weights on this disk"
    ),
    click.option("--backbone", default="resnet18", help="a ResNet, for fastai's sake, or any other without fastai"),
    click.option("--images", default=64, help="training images; a quarter as many come on top for validation"),
    click.option(
        "--epochs",
        type=int,
        help=f"how many times training sees every image; default: {EPOCHS}, as whole commands {EPOCHS_WHOLE}",
    ),
    click.option("--image-size", default=0, help="side of the square the backbone sees; 0: as its weights want"),
    click.option("--repetitions", default=3, help="how often everything is measured, each time with another seed"),
    click.option("--threads", default=0, help="CPU threads of every contender; 0: as many as a run of Thaw takes here"),
    click.option(
        "--processor",
        default="",
        type=click.Choice(["", *PROCESSORS]),
        help=f"have everybody use no more than a lesser processor has: {', '.join(PROCESSORS)}",
    ),
    click.option("--device", default="auto", help="auto, cpu, cuda:0, ..."),
    click.option(
        "--rows",
        default="",
        metavar="A,B",
        help=f"which lines of the table: {', '.join(WORKLOADS)}; default: all, or none",
    ),
    click.option("--without", default="", metavar="A,B", help=f"leave out some of {', '.join(CONTENDERS)}"),
    click.option("--parts", is_flag=True, help="also what each optimisation is worth: with and without it"),
    click.option(
        "--pages", is_flag=True, help="also how fast the pages answer, and what looking costs (needs playwright)"
    ),
    click.option("--first-start", is_flag=True, help="also whole commands on a machine where nothing has been kept"),
    click.option(
        "--accuracy",
        is_flag=True,
        help="instead: what everybody's defaults reach on --data, as whole commands; --write docs/accuracy.md",
    ),
    click.option(
        "--defaults",
        is_flag=True,
        help="instead: a grid around the automatic rates and epochs on --data; goes on where it was interrupted; "
        "--write docs/defaults.md",
    ),
    click.option(
        "--strategies",
        default="",
        metavar="A,B",
        help="of Thaw, for --accuracy and --defaults; default: all that need no other option, or those that fine-tune",
    ),
    click.option("--profile", metavar="ROW", help="only print where the time of this row goes"),
    click.option("--write", metavar="FILE", help="write the page of results there, such as docs/performance.md"),
    click.option("--beside", metavar="FOLDER", multiple=True, help="the page also shows what was measured there"),
)
def bench(session: Session, **options: Unpack[BenchOptions]) -> None:
    act_as(options["processor"])
    from engine.bench.command import run  # torch comes with it

    run(options)
