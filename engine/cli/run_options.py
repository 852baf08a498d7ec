"""Run options: the options that describe one run, and the RunConfig that they make.

Not here: which options a run has (runconfig), how several runs are described (compare).
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NotRequired, TypedDict, Unpack

import click

from engine.cli.verb import BACKBONE, DATASET, EPOCHS, Session, full_path, set_option
from engine.config import parse_settings
from engine.data import dataset as datasets
from engine.errors import ConfigError
from engine.jobs.records import Backbones, Weights
from engine.models.catalog import Catalog, load_catalog
from engine.models.weights_store import open_weights
from engine.options import Value
from engine.runconfig import RunConfig
from engine.training.budget import automatic, budget_sentence, budgeted
from engine.training.freezing import validate
from engine.training.solved.solvable import is_solved
from engine.training.strategies import STRATEGIES


class RunOptions(TypedDict):
    """What the options of a run said; None where they said nothing."""

    dataset: str
    backbone: str
    weights: str
    settings: tuple[str, ...]
    strategy: NotRequired[str]
    epochs: NotRequired[int | None]
    seed: NotRequired[int | None]


_STRATEGIES = " ".join(f"{name}: {strategy.summary}" for name, strategy in STRATEGIES.items())
RUN_OPTIONS = (
    DATASET,
    BACKBONE,
    click.option("--strategy", default="linear_probe", type=click.Choice(tuple(STRATEGIES)), help=_STRATEGIES),
    click.option("--weights", default="default", help="default, none, a name of published weights, FILE, or run:ID"),
    EPOCHS,
    click.option("--seed", type=int, help="decides the new head, the order of images and dropout"),
    set_option("any other option; see docs/options.md"),
    click.option("--freeze", "strategy", flag_value="linear_probe", help="short for --strategy linear_probe"),
    click.option("--use_pretrained", "weights", flag_value="default", help="short for --weights default"),
)


def run_config(session: Session, **options: Unpack[RunOptions]) -> RunConfig:
    """The validated configuration that the options describe."""
    values: dict[str, Any] = {**settings_of(options["settings"])}
    given = {"strategy": options.get("strategy"), "epochs": options.get("epochs"), "seed": options.get("seed")}
    values |= {name: value for name, value in given.items() if value is not None}
    check_backbone(session, options["backbone"])
    dataset = datasets.open_dataset(session.workspace, options["dataset"])
    values["weights"] = weights_of(session, options["weights"], options["backbone"])
    return validate(RunConfig(dataset=dataset.id, backbone=options["backbone"], **values))


def say_budget(session: Session, configs: Iterable[RunConfig]) -> None:
    """How long automatic epochs will be, before the start."""
    planned = (budgeted(config, session.workspace) for config in configs if automatic(config) and not is_solved(config))
    for epochs, patience, sentence in dict.fromkeys(
        (one.epochs, one.patience, budget_sentence(one)) for one in planned
    ):
        session.printer.say({"event": "budget", "epochs": epochs, "patience": patience}, sentence)


def settings_of(pairs: Iterable[str]) -> dict[str, Value]:
    """`["lr=0.1"]` as options of RunConfig; ConfigError names what is none."""
    split = [pair.partition("=") for pair in pairs]
    if broken := [key for key, equals, _ in split if not equals]:
        raise ConfigError(f"--set takes KEY=VALUE, such as --set lr=0.001; there is no value in {broken[0]!r}.")
    return parse_settings({key: value for key, _, value in split})


def catalog(session: Session) -> Catalog:
    """Every backbone; listed now where nobody has done so yet."""
    if load_catalog(session.workspace) is None:
        session.do_job("catalog", Backbones)
    listed = load_catalog(session.workspace)
    assert listed is not None
    return listed


def check_backbone(session: Session, backbone: str) -> None:
    """ConfigError, with some that there are, when there is no such backbone."""
    names = sorted(info.name for info in catalog(session).backbones)
    if backbone not in names:
        near = [name for name in names if name[:4] == backbone[:4]] or names
        raise ConfigError(f"There is no backbone {backbone!r}. Some there are: {', '.join(near[:8])}.")


def weights_of(session: Session, weights: str, backbone: str) -> str:
    """A path is brought into the workspace first; everything else is a word of the configuration, and means
    something: a run that could not start is never made."""
    path = full_path(weights)
    if Path(path).is_file():
        return f"file:{session.do_job('weights', Weights, path=path, backbone=backbone).weights}"
    kind, _, reference = weights.partition(":")
    if kind == "run":
        session.runs.get(reference)
    elif kind == "file":
        open_weights(session.workspace, reference)
    elif weights != "none":
        _check_published(session, weights, backbone)
    return weights


def _check_published(session: Session, weights: str, backbone: str) -> None:
    known = next(info for info in catalog(session).backbones if info.name == backbone)
    if known.entry(weights) is None:
        names = ", ".join(["none", "default", *(entry.name for entry in known.weights)])
        raise ConfigError(f"There is no file at {weights!r}, and {backbone} has no weights of that name: {names}.")
