"""Comparing: the verbs `compare` and `comparisons`: make a comparison, execute its runs here, print table and verdict.

Not here: parsing (cli), the other verbs (commands), what a verdict means (engine.evaluation).
"""

import argparse
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.cli.commands import job, known_backbone, settings_of, weights_of
from engine.cli.printing import Progress, columns, say, table
from engine.comparisons import tables
from engine.comparisons.comparison import Arm, Comparison, arm
from engine.comparisons.comparison_store import ComparisonStore
from engine.comparisons.judgement import Judgement, doubt_of, judgement, not_judged
from engine.data import dataset as datasets
from engine.errors import ConfigError, EngineError
from engine.models.catalog import torchvision_version
from engine.models.outline import Outline, load_outline, with_classes
from engine.runconfig import RunConfig
from engine.store.database import Json
from engine.store.run import Run
from engine.store.run_store import RunStore
from engine.work.conversation import PACE_SECONDS
from engine.work.supervisor import Supervisor
from engine.workspace import atomic_write

_HEADINGS = (
    "strategy",
    "runs",
    "validation",
    "test (95 %)",
    "macro F1",
    "log loss",
    "best epoch",
    "trains",
    "seconds",
    "peak memory",
)


def compare(chosen: argparse.Namespace, supervisor: Supervisor) -> None:
    """Make, extend, resume, stop or show a comparison; all but the last two execute what is queued of it afterwards."""
    wanted = [
        name for name in ("dataset", "show", "stop", "resume", "add_seeds", "add_strategy") if getattr(chosen, name)
    ]
    if len(wanted) != 1:
        raise ConfigError("compare takes one of --dataset, --show, --stop, --resume, --add-seeds and --add-strategy.")
    store = ComparisonStore(supervisor.workspace)
    if chosen.stop:
        stopped = store.stop(chosen.stop)
        return say(
            chosen, {"comparison": chosen.stop, "stopped": stopped}, f"{chosen.stop}: {stopped} runs are asked to stop."
        )
    known = _prepared(chosen, supervisor, store, wanted[0])
    if wanted[0] != "show":
        if chosen.queue:
            runs = store.runs_of(known.id)
            queued = sum(run.status == "queued" for run in runs)
            return say(
                chosen,
                {"comparison": known.id, "queued": queued},
                f"{known.id}: {queued} of {len(runs)} runs are in the queue.",
            )
        execute(chosen, supervisor, known)
    report(chosen, supervisor, known)


def list_comparisons(chosen: argparse.Namespace, supervisor: Supervisor) -> None:
    store = ComparisonStore(supervisor.workspace)
    rows = [_listed(known, store.runs_of(known.id)) for known in store.list()]
    names = ("comparison", "name", "backbones", "strategies", "runs", "finished", "failed", "left")
    table(chosen, rows, names, "No comparison yet.")


def execute(chosen: argparse.Namespace, supervisor: Supervisor, known: Comparison) -> None:
    """Train what is queued of a comparison, one run after the other; Ctrl+C stops the comparison. Other workers may
    help."""
    store, runs = ComparisonStore(supervisor.workspace), RunStore(supervisor.workspace)
    try:
        while claimed := store.claim(known.id, supervisor.owner):
            of = store.runs_of(known.id)
            done = sum(run.status not in ("queued", "running") for run in of)
            say(
                chosen,
                {"event": "run", "run": claimed.id, "number": done + 1, "of": len(of)},
                f"[{done + 1}/{len(of)}] {claimed.name}",
            )
            supervisor.do_run(claimed, claimed.config.device, watch=Progress(chosen))
            ended = runs.get(claimed.id)
            if ended.status == "interrupted":
                raise KeyboardInterrupt  # the supervisor has met it, and written down how far this run came
            if ended.error and not chosen.json:
                print(ended.error, flush=True)
        while runs.sweep() or any(run.status == "running" for run in store.runs_of(known.id)):
            time.sleep(PACE_SECONDS)  # somebody else has taken some of them
    except KeyboardInterrupt:
        store.stop(known.id)
        raise EngineError(f"Stopped. Go on with: python -m engine compare --resume {known.id}") from None


def report(chosen: argparse.Namespace, supervisor: Supervisor, known: Comparison) -> None:
    """Print the table and the verdict, write the files that --out asks for; EngineError when runs failed."""
    runs = ComparisonStore(supervisor.workspace).runs_of(known.id)
    judged = judgement(supervisor.workspace, known, runs)
    doubt = doubt_of(supervisor.workspace, known, runs, judged)
    if chosen.json:
        say(chosen, {"comparison": known.id, **as_json(judged), "doubt": doubt}, "")
    else:
        columns([_printed(row) for row in _rows(judged)], _HEADINGS)
        print("\n" + "\n".join([*judged.sentences, *filter(None, [doubt]), f"Comparison: {known.id}"]), flush=True)
    if chosen.out:
        write_files(supervisor, known, runs, Path(chosen.out))
    failed = [run for run in runs if run.status == "failed"]
    if failed:
        raise EngineError(f"{len(failed)} of {len(runs)} runs failed. {failed[0].name}: {failed[0].error}")


def write_files(supervisor: Supervisor, known: Comparison, runs: Sequence[Run], folder: Path) -> None:
    """comparison.csv, and result.csv when something that counts has finished, into `folder`."""
    excluded = not_judged(supervisor.workspace, runs)
    try:
        folder.expanduser().mkdir(parents=True, exist_ok=True)
        atomic_write(folder.expanduser() / "comparison.csv", tables.comparison_csv(supervisor.workspace, known, runs))
        if any(run.status == "finished" and run.id not in excluded for run in runs):
            atomic_write(folder.expanduser() / "result.csv", tables.result_csv(supervisor.workspace, known, runs))
    except OSError as error:
        raise EngineError(
            f"{folder} cannot be written ({error.strerror}). Choose another folder with --out."
        ) from error


def as_json(judged: Judgement) -> Json:
    """The judgement as plain JSON: NaN, which JSON does not have, is null."""
    verdict = judged.verdict
    about = (
        {"chosen": verdict.chosen, "cheapest": verdict.cheapest, "not_worse": list(verdict.not_worse)}
        if verdict
        else {}
    )
    return {"table": _rows(judged), "sentences": list(judged.sentences), "excluded": judged.excluded, **about}


def outlines_of(
    chosen: argparse.Namespace, supervisor: Supervisor, backbones: Sequence[str], dataset: str
) -> dict[str, Outline]:
    """The outline of every backbone, opened now where nobody has opened it yet, with a head for the classes of the
    dataset."""
    classes, found = len(datasets.open_dataset(supervisor.workspace, dataset).classes), {}
    for backbone in backbones:
        if load_outline(supervisor.workspace, backbone, torchvision_version()) is None:
            job(chosen, supervisor, "outline", {"backbone": backbone})
        outline = load_outline(supervisor.workspace, backbone, torchvision_version())
        assert outline is not None
        found[backbone] = with_classes(outline, classes)
    return found


def _prepared(chosen: argparse.Namespace, supervisor: Supervisor, store: ComparisonStore, what: str) -> Comparison:
    """The comparison that is meant, made or changed as asked."""
    if what == "dataset":
        wanted = _wanted(chosen, supervisor)
        return store.create(wanted, _outlines(chosen, supervisor, wanted))
    if what in ("show", "resume"):
        known = store.get(getattr(chosen, what))
        RunStore(supervisor.workspace).sweep()
        if what == "resume":
            store.resume(known.id)
        return known
    comparison_id, more = getattr(chosen, what)
    known = store.get(comparison_id)
    outlines = _outlines(chosen, supervisor, known)
    if what == "add_strategy":
        store.add_arm(known.id, _arm(more, chosen.seeds), outlines=outlines)
    elif more.isascii() and more.isdigit():
        store.add_seeds(known.id, int(more), outlines=outlines)
    else:
        raise ConfigError(f"--add-seeds takes a comparison and a whole number, not {more!r}.")
    return store.get(known.id)


def _wanted(chosen: argparse.Namespace, supervisor: Supervisor) -> Comparison:
    """The comparison that the options describe."""
    backbones = [name.strip() for name in chosen.backbone.split(",") if name.strip()]
    weights = [words.strip() for words in chosen.weights.split(",")]
    if len(weights) not in (1, len(backbones)):
        raise ConfigError(
            f"--weights takes one word for all backbones or one for each: {len(backbones)}, not {len(weights)}."
        )
    settings = settings_of(chosen.settings)
    if "seed" in settings:
        raise ConfigError("A comparison has several seeds: choose how many with --seeds instead of --set seed=...")
    for backbone in backbones:
        known_backbone(chosen, supervisor, backbone)
    dataset = datasets.open_dataset(supervisor.workspace, chosen.dataset)
    pairs = zip(backbones, weights * len(backbones) if len(weights) == 1 else weights, strict=True)
    shared: dict[str, Any] = {**settings, **({} if chosen.epochs is None else {"epochs": chosen.epochs})}
    return Comparison(
        name=chosen.name,
        dataset=dataset.id,
        fingerprint=dataset.fingerprint,
        backbones=tuple((backbone, weights_of(chosen, supervisor, words, backbone)) for backbone, words in pairs),
        strategies=tuple(_arm(text, chosen.seeds) for text in chosen.strategies.split(",") if text.strip()),
        shared=RunConfig(dataset=dataset.id, backbone="", **shared),
    )


def _arm(text: str, seeds: str) -> Arm:
    """`last_n:last_n=3:lr=0.01` as an arm."""
    strategy, *settings = (part.strip() for part in text.split(":"))
    if seeds != "auto" and not (seeds.isascii() and seeds.isdigit()):
        raise ConfigError(f"--seeds takes a whole number or auto, not {seeds!r}.")
    return arm(strategy, seeds=None if seeds == "auto" else int(seeds), settings=settings_of(settings))


def _outlines(chosen: argparse.Namespace, supervisor: Supervisor, known: Comparison) -> dict[str, Outline]:
    return outlines_of(chosen, supervisor, [backbone for backbone, _ in known.backbones], known.dataset)


def _listed(known: Comparison, runs: Sequence[Run]) -> Json:
    counts = {status: sum(run.status == status for run in runs) for status in ("finished", "failed")}
    return {
        "comparison": known.id,
        "name": known.name or "-",
        "backbones": ", ".join(dict.fromkeys(backbone for backbone, _ in known.backbones)),
        "strategies": ", ".join(arm.label for arm in known.strategies),
        "runs": len(runs),
        **counts,
        "left": len(runs) - sum(counts.values()),
    }


def _rows(judged: Judgement) -> list[Json]:
    return [
        {str(name): None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
        for row in judged.table.to_dict("records")
    ]


def _printed(row: Json) -> Json:
    test = _percent(row["test_accuracy"])
    interval = f" ({_percent(row['test_low'])} to {_percent(row['test_high'])})" if row["test_low"] is not None else ""
    memory = row["peak_memory_bytes"]
    cells = (
        f"{row['label']}{' *' if row['kept_out'] else ''}",
        f"{row['runs']} of {row['planned']}",
        _percent(row["val_accuracy"]),
        f"{test}{interval}",
        _fixed(row["f1_macro"], 3),
        _fixed(row["log_loss"], 3),
        _fixed(row["best_epoch"], 1),
        None if row["trainable_parameters"] is None else int(row["trainable_parameters"]),
        _fixed(row["seconds"], 1),
        "-" if memory is None else f"{memory / 1e6:.0f} MB",
    )
    return dict(zip(_HEADINGS, cells, strict=True))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _fixed(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
