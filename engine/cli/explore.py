"""Explore: the verbs that measure before a run is made: `rates` and `probe`. Neither keeps what it trains."""

from typing import Unpack

import click

from engine.cli.printer import columns
from engine.cli.run_options import RUN_OPTIONS, RunOptions, run_config
from engine.cli.verb import BACKBONE, DATASET, Session, set_option, verb
from engine.config import to_json
from engine.jobs.records import Probe, RateRange


@verb("rates", "find a learning rate: a short training in which the rate climbs", *RUN_OPTIONS)
def rates(session: Session, **options: Unpack[RunOptions]) -> None:
    result = session.do_job("learning_rates", RateRange, config=to_json(run_config(session, **options)))
    if session.printer.json:
        return session.printer.say(result, "")
    pairs = zip(result.rates, result.losses, strict=True)
    columns([{"rate": rate, "loss": loss} for rate, loss in pairs][::4])
    if result.suggestion:
        print(f"Suggestion: --set lr={result.suggestion:.2g}")
    else:
        print("No suggestion: the loss never fell clearly. Try more images or another strategy.")


@verb(
    "probe",
    "see how far up the features of a backbone carry, block by block; trains nothing",
    DATASET,
    BACKBONE,
    click.option("--weights", default="default", help="as for `train`"),
    set_option("such as image_size=64 or device=cpu"),
)
def probe(session: Session, **options: Unpack[RunOptions]) -> None:
    result = session.do_job("probe", Probe, config=to_json(run_config(session, **options)))
    if session.printer.json:
        return session.printer.say(result, "")
    _separability_table(result)
    colours, majority = result.controls.colours.accuracy, result.controls.majority.accuracy
    print(f"Colours alone: {colours:.1%}. The most frequent class: {majority:.1%}.")
    alike = ", ".join(result.blocks[index].block for index in result.suggestion.alike)
    print(
        f"From {result.images} training images the probe predicts that features carry furthest at "
        f"{result.suggestion.name} (last_n={result.suggestion.last_n} trains what lies above). "
        + (f"It cannot tell it apart from {alike}." if alike else "It can tell it apart from every other block.")
    )


def _separability_table(result: Probe) -> None:
    """A row a block, beside the same block with random weights where that was measured."""
    random: list[float | None] = [block.accuracy for block in result.random] or [None] * len(result.blocks)
    rows = []
    for row, accuracy in zip(result.blocks, random, strict=True):
        ridge = {"accuracy": row.ridge.accuracy, "low": row.ridge.low, "high": row.ridge.high}
        rows.append({"block": row.block, **ridge, "neighbours": row.neighbours.accuracy, "random": accuracy})
    columns(rows)
