"""Explore: the verbs that measure before a run is made: `rates`, `probe` and `rank`. None keeps what it trains."""

from typing import Any, Unpack

import click

from engine.cli.printer import columns
from engine.cli.run_options import RUN_OPTIONS, RunOptions, catalog, run_config, settings_of
from engine.cli.verb import BACKBONE, DATASET, Session, set_option, verb
from engine.comparisons.suggestion import suggest
from engine.config import to_json
from engine.data import dataset as datasets
from engine.errors import ConfigError
from engine.jobs.ranking_records import candidates, ranking_sentence
from engine.jobs.records import Probe, Ranking, RateRange
from engine.runconfig import RunConfig
from engine.store.job_store import JobStore


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
    config = run_config(session, **options)
    result = session.do_job("probe", Probe, config=to_json(config))
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
    first = suggest(config, session.workspace, unlike=result.ends_early)
    print(f"{first.because} To start with: --strategies {','.join(first.strategies)}")


def _separability_table(result: Probe) -> None:
    """A row a block, beside the same block with random weights where that was measured."""
    random: list[float | None] = [block.accuracy for block in result.random] or [None] * len(result.blocks)
    rows = []
    for row, accuracy in zip(result.blocks, random, strict=True):
        ridge = {"accuracy": row.ridge.accuracy, "low": row.ridge.low, "high": row.ridge.high}
        rows.append({"block": row.block, **ridge, "neighbours": row.neighbours.accuracy, "random": accuracy})
    columns(rows)


@verb(
    "rank",
    "rank the backbones whose weights are on this machine by their features of a dataset; trains nothing",
    DATASET,
    click.option("--backbones", default="", metavar="A,B", help="only these; default: all that need no download"),
    set_option("such as image_size=64 or device=cpu"),
)
def rank(session: Session, *, dataset: str, backbones: str, settings: tuple[str, ...]) -> None:
    chosen = [name for name in backbones.split(",") if name]
    configs = [run.config for run in session.runs.list()]
    there = candidates(catalog(session), JobStore(session.workspace).list("weights"), configs)
    asked = tuple(pair for pair in there if not chosen or pair[0] in chosen)
    if not asked:
        found = ", ".join(dict.fromkeys(name for name, _ in there)) or "no backbone"
        raise ConfigError(f"On this machine there are weights of {found}. Download or bring those of another first.")
    opened = datasets.open_dataset(session.workspace, dataset)
    values: dict[str, Any] = {**settings_of(settings)}
    config = to_json(RunConfig(dataset=opened.id, backbone="", **values))
    result = session.do_job("ranking", Ranking, config=config, backbones=asked)
    if session.printer.json:
        return session.printer.say(result, "")
    columns(
        [
            {
                "backbone": row.backbone,
                "weights": row.weights,
                "accuracy": row.ridge and row.ridge.accuracy,
                "low": row.ridge and row.ridge.low,
                "high": row.ridge and row.ridge.high,
                "ms": row.milliseconds,
                "problem": row.problem,
            }
            for row in result.rows
        ]
    )
    print(f"{ranking_sentence(result, tuple(row.backbone for row in result.rows))} From {result.images} images.")
