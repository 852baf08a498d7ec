"""Compare: the verbs `compare` and `comparisons`: make, extend, stop and list comparisons, and train their runs here.

Not here: how a comparison is printed (comparison_report), what a verdict means (evaluation).
"""

import time
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, TypedDict, Unpack

import click

from engine.cli.run_options import check_backbone, say_budget, settings_of, weights_of
from engine.cli.verb import EPOCHS, QUEUE, Session, set_option, verb
from engine.comparisons.comparison import Arm, Comparison, arm, with_margin
from engine.data import dataset as datasets
from engine.errors import ConfigError, EngineError
from engine.evaluation.margin import MARGIN_POINTS
from engine.installation import COMMAND
from engine.jobs.records import Blocks
from engine.models.outline import Outline, load_outline, with_classes
from engine.runconfig import RunConfig
from engine.store.run_record import Run
from engine.work.conversation import PACE_SECONDS


class ComparisonOptions(TypedDict):
    """What describes a new comparison; `seeds` also counts the runs of a strategy that is added."""

    dataset: str | None
    backbone: str
    weights: str
    strategies: str
    seeds: str
    epochs: int | None
    settings: tuple[str, ...]
    name: str
    margin: float | None


_DESCRIPTION = (
    click.option("--dataset", help="name or id of a dataset: makes a new comparison"),
    click.option(
        "--backbone", default="resnet18", metavar="NAME[,NAME]", help="names from `backbones`; default: resnet18"
    ),
    click.option(
        "--weights", default="default", help="for all backbones, or one for each, separated by commas; as for `train`"
    ),
    click.option(
        "--strategies",
        default="linear_probe,last_block,full_finetune",
        metavar="NAME[,NAME]",
        help="separated by commas, each with options of its own where needed: last_n:last_n=3:lr=0.01",
    ),
    click.option(
        "--seeds",
        default="auto",
        help="runs of each strategy; auto: 3 of most; linear_probe takes 1 where seeds cannot differ",
    ),
    EPOCHS,
    set_option("any other option, for all strategies"),
    click.option("--name", default="", help="a name for the comparison"),
    click.option(
        "--margin",
        type=float,
        metavar="POINTS",
        help=f"what a cheaper strategy may lose and still be called as good; kept with the comparison; "
        f"default: {MARGIN_POINTS:g}",
    ),
)


@verb(
    "compare",
    "compare strategies: train every one with several seeds, then say what that shows",
    *_DESCRIPTION,
    QUEUE,
    click.option(
        "--out", metavar="DIR", help="write comparison.csv (a row a run) and result.csv (a row an image) there"
    ),
    click.option("--show", metavar="ID", help="print table and verdict of a comparison"),
    click.option("--stop", metavar="ID", help="stop every run of a comparison that has not finished"),
    click.option("--resume", metavar="ID", help="go on with a comparison that was stopped"),
    click.option(
        "--add-seeds", type=(str, int), metavar="ID N", help="train every strategy of a comparison with N more seeds"
    ),
    click.option("--add-strategy", nargs=2, metavar="ID NAME", help="train one more strategy for a comparison"),
)
def compare(
    session: Session,
    *,
    queue: bool,
    out: str | None,
    show: str | None,
    stop: str | None,
    resume: str | None,
    add_seeds: tuple[str, int] | None,
    add_strategy: tuple[str, str] | None,
    **options: Unpack[ComparisonOptions],
) -> None:
    if sum(map(bool, (options["dataset"], show, stop, resume, add_seeds, add_strategy))) != 1:
        raise ConfigError("compare takes one of --dataset, --show, --stop, --resume, --add-seeds and --add-strategy.")
    store = session.comparisons
    if stop:
        record = {"comparison": stop, "stopped": store.stop(stop)}
        return session.printer.say(record, f"{stop}: {record['stopped']} runs are asked to stop.")
    if options["dataset"]:
        comparison = create(session, described(session, **options))
    else:
        comparison = store.get(show or resume or (add_seeds or add_strategy or ("",))[0])
        if options["margin"] is not None:
            store.set_margin(comparison.id, options["margin"])
    if add_seeds:
        store.add_seeds(comparison.id, add_seeds[1], outlines=_outlines(session, comparison))
    elif add_strategy:
        added = _arm(add_strategy[1], options["seeds"])
        store.add_arm(comparison.id, added, outlines=_outlines(session, comparison))
    elif show or resume:
        session.runs.sweep()
    if resume:
        store.resume(resume)
    if queue and not show:
        return _say_queued(session, comparison)
    train_and_report(session, store.get(comparison.id), train=not show, out=out)


@verb("comparisons", "list the comparisons, the newest first")
def comparisons(session: Session) -> None:
    store = session.comparisons
    rows = [_row(comparison, store.runs_of(comparison.id)) for comparison in store.list()]
    names = ("comparison", "name", "backbones", "strategies", "runs", "finished", "failed", "left")
    session.printer.table(rows, names, empty="No comparison yet.")


def described(session: Session, **options: Unpack[ComparisonOptions]) -> Comparison:
    """The comparison that the options describe."""
    backbones = [name.strip() for name in options["backbone"].split(",") if name.strip()]
    weights = [words.strip() for words in options["weights"].split(",")]
    if len(weights) not in (1, len(backbones)):
        raise ConfigError(
            f"--weights takes one word for all backbones or one for each: {len(backbones)}, not {len(weights)}."
        )
    settings: dict[str, Any] = {**settings_of(options["settings"])}
    if "seed" in settings:
        raise ConfigError("A comparison has several seeds: choose how many with --seeds instead of --set seed=...")
    if options["epochs"] is not None:
        settings["epochs"] = options["epochs"]
    for backbone in backbones:
        check_backbone(session, backbone)
    dataset = datasets.open_dataset(session.workspace, options["dataset"] or "")
    comparison = Comparison(
        name=options["name"],
        dataset=dataset.id,
        fingerprint=dataset.fingerprint,
        backbones=tuple((name, weights_of(session, words, name)) for name, words in zip(backbones, cycle(weights))),
        strategies=tuple(_arm(text, options["seeds"]) for text in options["strategies"].split(",") if text.strip()),
        shared=RunConfig(dataset=dataset.id, backbone="", **settings),
    )
    return comparison if options["margin"] is None else with_margin(comparison, options["margin"])


def create(session: Session, comparison: Comparison) -> Comparison:
    """Queue every run of a new comparison; ConfigError before that when one of them is not valid."""
    return session.comparisons.create(comparison, _outlines(session, comparison))


def train_and_report(session: Session, comparison: Comparison, *, train: bool = True, out: str | None = None) -> None:
    """Train what is queued of a comparison, and tell what came out."""
    from engine.cli.comparison_report import report  # pandas and scipy come with it

    if train:
        _train(session, comparison)
    report(session, comparison, out=out)


def _train(session: Session, comparison: Comparison) -> None:
    """Train one run after the other; Ctrl+C stops the comparison. Other workers may help."""
    store, runs = session.comparisons, session.runs
    say_budget(session, [run.config for run in store.runs_of(comparison.id) if run.status == "queued"])
    try:
        while claimed := store.claim(comparison.id, session.supervisor.owner):
            every = store.runs_of(comparison.id)
            number = 1 + sum(run.status not in ("queued", "running") for run in every)
            record = {"event": "run", "run": claimed.id, "number": number, "of": len(every)}
            session.printer.say(record, f"[{number}/{len(every)}] {claimed.name}")
            session.supervisor.do_run(claimed, claimed.config.device, watch=session.printer.event)
            ended = runs.get(claimed.id)
            if ended.status == "interrupted":
                raise KeyboardInterrupt  # the supervisor has met it, and written down how far this run came
            if ended.error and not session.printer.json:
                print(ended.error, flush=True)
        while runs.sweep() or any(run.status == "running" for run in store.runs_of(comparison.id)):
            time.sleep(PACE_SECONDS)  # somebody else has taken some of them
    except KeyboardInterrupt:
        store.stop(comparison.id)
        raise EngineError(f"Stopped. Go on with: {COMMAND} compare --resume {comparison.id}") from None


def _say_queued(session: Session, comparison: Comparison) -> None:
    runs = session.comparisons.runs_of(comparison.id)
    queued = sum(run.status == "queued" for run in runs)
    record = {"comparison": comparison.id, "queued": queued}
    session.printer.say(record, f"{comparison.id}: {queued} of {len(runs)} runs are in the queue.")


def _arm(text: str, seeds: str) -> Arm:
    """`last_n:last_n=3:lr=0.01` as an arm."""
    strategy, *settings = (part.strip() for part in text.split(":"))
    if seeds != "auto" and not (seeds.isascii() and seeds.isdigit()):
        raise ConfigError(f"--seeds takes a whole number or auto, not {seeds!r}.")
    return arm(strategy, seeds=None if seeds == "auto" else int(seeds), settings=settings_of(settings))


def _outlines(session: Session, comparison: Comparison) -> dict[str, Outline]:
    """The outline of every backbone, opened now where nobody has opened it yet, with a head for the classes of the
    dataset."""
    classes = len(datasets.open_dataset(session.workspace, comparison.dataset).classes)
    outlines = {}
    for backbone in dict(comparison.backbones):
        if load_outline(session.workspace, backbone) is None:
            session.do_job("outline", Blocks, backbone=backbone)
        outline = load_outline(session.workspace, backbone)
        assert outline is not None
        outlines[backbone] = with_classes(outline, classes)
    return outlines


def _row(comparison: Comparison, runs: Sequence[Run]) -> Mapping[str, object]:
    counts = {status: sum(run.status == status for run in runs) for status in ("finished", "failed")}
    return {
        "comparison": comparison.id,
        "name": comparison.name or "-",
        "backbones": ", ".join(dict(comparison.backbones)),
        "strategies": ", ".join(arm.label for arm in comparison.strategies),
        "runs": len(runs),
        **counts,
        "left": len(runs) - sum(counts.values()),
    }
