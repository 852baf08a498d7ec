"""Commands: what each verb of the command line does, and what it prints. The heavy work happens in a child, as for the
dashboard.

Not here: parsing and exit codes (cli).
"""

import argparse
import csv
import dataclasses
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from engine.cli.printing import Progress, columns, say, table
from engine.config import options, parse_settings, to_json, validate
from engine.data import dataset as datasets
from engine.errors import ConfigError, EngineError
from engine.models.catalog import Catalog, load_catalog
from engine.options import Value
from engine.runconfig import RunConfig
from engine.store.database import Json
from engine.store.run import Run
from engine.store.run_store import RunStore
from engine.training.freezing import STRATEGIES
from engine.work import worker
from engine.work.supervisor import Supervisor

Verb = Callable[[argparse.Namespace, Supervisor], None]


def import_dataset(chosen: argparse.Namespace, supervisor: Supervisor) -> None:
    source = str(Path(chosen.source).expanduser().resolve())
    draft = str(job(chosen, supervisor, "import", {"source": source, "name": chosen.name, "anywhere": True})["draft"])
    made = datasets.commit(
        supervisor.workspace,
        draft,
        name=chosen.name,
        exclude_problems=chosen.exclude_problems,
        ratios=_ratios(chosen.split),
        seed=chosen.seed,
    )
    _show_card(chosen, made)


def make_sample(chosen: argparse.Namespace, supervisor: Supervisor) -> None:
    made = str(job(chosen, supervisor, "sample", {})["dataset"])
    _show_card(chosen, datasets.open_dataset(supervisor.workspace, made))


def list_datasets(chosen: argparse.Namespace, supervisor: Supervisor) -> None:
    rows = [dataclasses.asdict(summary) for summary in datasets.list_datasets(supervisor.workspace)]
    table(
        chosen,
        rows,
        ("id", "name", "images", "classes", "created_at"),
        "No dataset yet. Make one: python -m engine sample",
    )


def list_backbones(chosen: argparse.Namespace, supervisor: Supervisor) -> None:
    rows = [
        {
            **dataclasses.asdict(info),
            "on_disk": any(entry.on_disk for entry in info.weights),
            "weights": len(info.weights),
        }
        for info in _catalog(chosen, supervisor).backbones
        if chosen.name_part in info.name
    ]
    table(
        chosen,
        rows,
        ("name", "parameters", "gflops", "input_size", "weights", "on_disk"),
        f"No backbone contains {chosen.name_part!r}.",
    )


def list_options(chosen: argparse.Namespace, supervisor: Supervisor) -> None:
    """The text of docs/options.md; a test holds the two equal."""
    print(
        "# Options\n\nEvery option of a run: `--set name=value` on the command line, a field on the Configure page.\n"
    )
    print("| name | default | choices or bounds | what it does |\n|---|---|---|---|")
    for about in options():
        bounds = ", ".join(about.choices) or (f"{about.low:g} to {about.high:g}" if about.low is not None else "text")
        print(f"| `{about.name}` | `{about.default!r}` | {bounds} | {about.help} |")
    print("\n# Strategies\n\n| name | what it does |\n|---|---|")
    for name, strategy in STRATEGIES.items():
        print(f"| `{name}` | {' '.join((strategy.__doc__ or '').split())} |")


def list_runs(chosen: argparse.Namespace, supervisor: Supervisor) -> None:
    rows = [_run_row(run) for run in RunStore(supervisor.workspace).list()]
    table(chosen, rows, ("run", "name", "status", "backbone", "strategy", "epoch", "test_accuracy"), "No run yet.")


def train(chosen: argparse.Namespace, supervisor: Supervisor) -> None:
    config = config_of(chosen, supervisor)
    store = RunStore(supervisor.workspace)
    if chosen.queue:
        run = store.enqueue(config, name=chosen.name)
        return say(chosen, {"run": run.id, "status": run.status}, f"{run.id} is queued.")
    _run_here(chosen, supervisor, store, store.enqueue(config, name=chosen.name, owner=supervisor.owner))


def learning_rates(chosen: argparse.Namespace, supervisor: Supervisor) -> None:
    config = config_of(chosen, supervisor)
    result = job(chosen, supervisor, "learning_rates", {"config": to_json(config)})
    if chosen.json:
        return say(chosen, {name: result[name] for name in ("rates", "losses", "suggestion")}, "")
    columns(
        [{"rate": rate, "loss": loss} for rate, loss in zip(result["rates"], result["losses"], strict=True)][::4],
        ("rate", "loss"),
    )
    found = result["suggestion"]
    print(
        f"Suggestion: --set lr={found:.2g}"
        if found
        else "No suggestion: the loss never fell clearly. Try more images or another strategy."
    )


def probe(chosen: argparse.Namespace, supervisor: Supervisor) -> None:
    """How far up the features of a backbone carry, a row a block; the controls and a prediction below."""
    found = job(chosen, supervisor, "probe", {"config": to_json(config_of(chosen, supervisor))})
    if chosen.json:
        return say(
            chosen, {name: found[name] for name in ("blocks", "random", "controls", "suggestion", "images", "of")}, ""
        )
    random = [one["accuracy"] for one in found["random"]] or [None] * len(found["blocks"])
    kinds = ("accuracy", "low", "high")
    rows = [
        {
            "block": row["block"],
            **{kind: row["ridge"][kind] for kind in kinds},
            "neighbours": row["neighbours"]["accuracy"],
            "random": chance,
        }
        for row, chance in zip(found["blocks"], random, strict=True)
    ]
    columns(rows, ("block", *kinds, "neighbours", "random"))
    controls, advice = found["controls"], found["suggestion"]
    print(
        f"Colours alone: {controls['colours']['accuracy']:.1%}. The most frequent class: "
        f"{controls['majority']['accuracy']:.1%}."
    )
    alike = [found["blocks"][place]["block"] for place in advice["alike"]]
    print(
        f"From {found['images']} training images the probe predicts that features carry furthest at {advice['name']} "
        f"(last_n={advice['last_n']} trains what lies above). "
        + (
            f"It cannot tell it apart from {', '.join(alike)}."
            if alike
            else "It can tell it apart from every other block."
        )
    )


def resume(chosen: argparse.Namespace, supervisor: Supervisor) -> None:
    store = RunStore(supervisor.workspace)
    if store.get(chosen.run).paused:
        return _request(chosen, supervisor, "resume")
    store.sweep()
    _run_here(chosen, supervisor, store, store.requeue(chosen.run, owner=supervisor.owner))


def audit(chosen: argparse.Namespace, supervisor: Supervisor) -> None:
    store, broken = RunStore(supervisor.workspace), []
    wanted = [store.get(run) for run in chosen.runs] or [run for run in store.list() if _audit_of(supervisor, run)]
    rows: list[Json] = []
    for run in reversed(wanted):
        tensors = _audit_of(supervisor, run)
        if not tensors:
            raise EngineError(f"{run.name} has no audit yet: it is {run.status}. Let it finish.")
        about = {"run": run.id, "backbone": run.config.backbone, "strategy": run.config.strategy}
        blocks = list(dict.fromkeys(row["block"] for row in tensors)) if chosen.blocks else [""]
        for block in blocks:
            shown = [row for row in tensors if not block or row["block"] == block]
            counts = {
                verdict: sum(row["verdict"] == verdict for row in shown)
                for verdict in ("frozen", "trained", "idle", "broken")
            }
            furthest = max(float(row["movement"]) for row in shown)
            rows.append(
                {
                    **about,
                    **({"block": block} if block else {}),
                    **counts,
                    "movement": furthest,
                    "kept": not counts["broken"],
                }
            )
        broken += [run.name] if any(row["verdict"] == "broken" for row in tensors) else []
    table(chosen, rows, tuple(rows[0]) if rows else (), "No run has an audit yet.")
    if broken:
        raise EngineError(f"Frozen tensors moved in {', '.join(broken)}. This is a defect of Thaw; please report it.")


def _audit_of(supervisor: Supervisor, run: Run) -> list[dict[str, str]]:
    """The rows of a run's audit.csv; none before it was written."""
    path = supervisor.workspace.run(run.id) / "audit.csv"
    return list(csv.DictReader(path.read_text().splitlines())) if path.is_file() else []


def stop(chosen: argparse.Namespace, supervisor: Supervisor) -> None:
    _request(chosen, supervisor, "stop")


def pause(chosen: argparse.Namespace, supervisor: Supervisor) -> None:
    _request(chosen, supervisor, "pause")


def predict(chosen: argparse.Namespace, supervisor: Supervisor) -> None:
    run = RunStore(supervisor.workspace).get(chosen.run)
    arguments = {
        "run": run.id,
        "source": str(Path(chosen.source).expanduser().resolve()),
        "device": chosen.device,
        "anywhere": True,
    }
    made = str(job(chosen, supervisor, "predict", arguments)["predictions"])
    try:
        shutil.copyfile(supervisor.workspace.run(run.id) / "predictions" / made / "result.csv", chosen.out)
    except OSError as error:
        raise EngineError(
            f"{chosen.out} cannot be written ({error.strerror}). Choose another file with --out."
        ) from error
    say(chosen, {"run": run.id, "predictions": made, "out": chosen.out}, f"Predictions are in {chosen.out}.")


def export(chosen: argparse.Namespace, supervisor: Supervisor) -> None:
    run = RunStore(supervisor.workspace).get(chosen.run)
    folder = str(Path(chosen.folder).expanduser().resolve())
    made = job(chosen, supervisor, "export", {"run": run.id, "folder": folder})
    text = "\n".join([f"{folder} holds {', '.join(made['files'])}.", *made["checks"]])
    say(chosen, {"run": run.id, "folder": folder, "files": made["files"], "checks": made["checks"]}, text)


def work(chosen: argparse.Namespace, supervisor: Supervisor) -> None:
    workers = worker.start(supervisor.workspace)
    say(chosen, {"working": True}, "Working through the queue. Stop with Ctrl+C.")
    try:
        workers.wait()
    finally:
        workers.stop()


def config_of(chosen: argparse.Namespace, supervisor: Supervisor) -> RunConfig:
    """The validated configuration that the options of `train` describe."""
    given: dict[str, Value] = {
        name: value for name in ("epochs", "seed") if (value := getattr(chosen, name)) is not None
    }
    settings = settings_of(chosen.settings)
    known_backbone(chosen, supervisor, chosen.backbone)
    dataset = datasets.open_dataset(supervisor.workspace, chosen.dataset)
    weights = weights_of(chosen, supervisor, chosen.weights, chosen.backbone)
    values = {**settings, **given, "weights": weights, "strategy": chosen.strategy}
    return validate(RunConfig(dataset=dataset.id, backbone=chosen.backbone, **values))


def settings_of(pairs: Iterable[str]) -> dict[str, Value]:
    """`["lr=0.1"]` as options of RunConfig; ConfigError names what is none."""
    split = [pair.partition("=") for pair in pairs]
    if broken := [key for key, equals, _ in split if not equals]:
        raise ConfigError(f"--set takes KEY=VALUE, such as --set lr=0.001; there is no value in {broken[0]!r}.")
    return parse_settings({key: value for key, _, value in split})


def known_backbone(chosen: argparse.Namespace, supervisor: Supervisor, backbone: str) -> None:
    """ConfigError, with some that there are, when torchvision has no such classifier."""
    backbones = {info.name for info in _catalog(chosen, supervisor).backbones}
    if backbone not in backbones:
        near = [name for name in sorted(backbones) if name[:4] == backbone[:4]] or sorted(backbones)
        raise ConfigError(f"There is no backbone {backbone!r}. Some there are: {', '.join(near[:8])}.")


def weights_of(chosen: argparse.Namespace, supervisor: Supervisor, weights: str, backbone: str) -> str:
    """A path is brought into the workspace first; everything else is a word of the configuration."""
    path = Path(weights).expanduser()
    if not path.is_file():
        return weights
    arguments = {"path": str(path.resolve()), "backbone": backbone}
    return f"file:{job(chosen, supervisor, 'weights', arguments)['weights']}"


def _catalog(chosen: argparse.Namespace, supervisor: Supervisor) -> Catalog:
    found = load_catalog(supervisor.workspace)
    if found is None:
        job(chosen, supervisor, "catalog", {})
        found = load_catalog(supervisor.workspace)
    assert found is not None
    return found


def job(chosen: argparse.Namespace, supervisor: Supervisor, kind: str, arguments: Json) -> Json:
    """Do a job here and now; its result."""
    return supervisor.do_job_here(kind, arguments, watch=Progress(chosen))


def _run_here(chosen: argparse.Namespace, supervisor: Supervisor, store: RunStore, run: Run) -> None:
    """Train in a child of this process and report; a failure is raised as the sentence that the run keeps."""
    supervisor.do_run(run, run.config.device, watch=Progress(chosen))
    ended = store.get(run.id)
    summary = ended.summary or {}
    accuracy = f", test accuracy {summary['test_accuracy']:.1%}" if summary.get("test_accuracy") is not None else ""
    say(chosen, {"run": run.id, "status": ended.status, **summary}, f"{run.id} {ended.status}{accuracy}")
    if ended.error:
        raise EngineError(ended.error)


def _request(chosen: argparse.Namespace, supervisor: Supervisor, what: str) -> None:
    store = RunStore(supervisor.workspace)
    store.request(chosen.run, what)
    status = store.get(chosen.run).status
    say(chosen, {"run": chosen.run, "status": status, "requested": what}, f"{chosen.run} is asked to {what}.")


def _ratios(text: str) -> tuple[float, float, float]:
    try:
        train, val, test = (float(part) for part in text.split("/"))
    except ValueError:
        raise ConfigError(f"--split takes three numbers such as 70/15/15, not {text!r}.") from None
    return train / 100, val / 100, test / 100


def _run_row(run: Run) -> Json:
    summary = run.summary or {}
    about = {
        "run": run.id,
        "name": run.name,
        "status": run.status,
        "backbone": run.config.backbone,
        "strategy": run.config.strategy,
    }
    return {
        **about,
        "epoch": run.progress.get("epoch", summary.get("epochs")),
        "test_accuracy": summary.get("test_accuracy"),
        "error": run.error,
    }


def _show_card(chosen: argparse.Namespace, made: datasets.Dataset) -> None:
    card = datasets.health_card(made)
    if chosen.json:
        return say(chosen, {"dataset": made.id, **card.to_dict()}, "")
    print(f"{made.name} ({made.id}): {card.images} images, {len(card.classes)} classes. {card.layout}")
    columns([dataclasses.asdict(row) for row in card.classes], ("name", "train", "val", "test", "total"))
    for sentence in card.warnings:
        print(sentence)
    for problem in card.problems:
        print(f"left out: {problem.name}: {problem.reason}")
