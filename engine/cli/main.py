"""The command line: `python -m engine VERB`, over the same workspace, store and pipeline as the dashboard.

Exit code 0 fine, 2 with one sentence on stderr for what the user can mend, 1 for a defect of ours. Not here: what the
verbs do (commands).
"""

import argparse
import sys
from collections.abc import Sequence

from engine.bench import options as benching
from engine.cli import cache, commands, compare, demo
from engine.errors import EngineError
from engine.training.freezing import STRATEGIES
from engine.work.supervisor import Supervisor
from engine.workspace import open_workspace


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    chosen = parser().parse_args(arguments)
    try:
        own = demo.workspace_in(chosen.out) if chosen.verb is demo.demo else None
        with Supervisor(open_workspace(chosen.workspace or own)) as supervisor:
            chosen.verb(chosen, supervisor)
    except EngineError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:  # `| head` is no mistake
        return 0
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    """Every verb with its options."""
    top = argparse.ArgumentParser(
        prog="python -m engine", description="Thaw without the browser: the same engine, the same workspace."
    )
    verbs = top.add_subparsers(dest="chosen_verb", required=True, metavar="VERB")
    _data_verbs(verbs)
    _run_verbs(verbs)
    _train_verb(verbs)
    _compare_verbs(verbs)
    benching.add_options(_verb(verbs, "bench", benching.bench, benching.DESCRIPTION))
    return top


def _data_verbs(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    new = _verb(
        verbs,
        "import",
        commands.import_dataset,
        "turn a zip, a folder of classes, train/val/test folders or a csv into a dataset",
    )
    new.add_argument("source", metavar="SOURCE", help="zip file or folder")
    new.add_argument("--name", default="", help="name of the dataset; default: the name of the source")
    new.add_argument(
        "--split",
        default="70/15/15",
        metavar="T/V/E",
        help="percent for train/val/test where the source prescribes none",
    )
    new.add_argument("--seed", type=int, default=0, help="decides the split")
    new.add_argument(
        "--exclude-problems", action="store_true", help="leave out duplicate copies and classes with too few images"
    )
    _verb(verbs, "datasets", commands.list_datasets, "list the datasets")
    _verb(verbs, "sample", commands.make_sample, "make the built-in sample dataset ready")
    _verb(verbs, "options", commands.list_options, "list the options of --set and the strategies, as Markdown")
    listed = _verb(verbs, "backbones", commands.list_backbones, "list every classifier of torchvision")
    listed.add_argument("name_part", nargs="?", default="", metavar="NAME", help="only names that contain this")


def _run_verbs(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    _verb(verbs, "runs", commands.list_runs, "list the runs, the newest first")
    for name, work, text in (
        ("stop", commands.stop, "stop a run after its current step; the best epoch is kept"),
        ("pause", commands.pause, "let a run hold still"),
        ("resume", commands.resume, "continue a stopped, interrupted or failed run here, or wake a paused one"),
    ):
        _verb(verbs, name, work, text).add_argument("run", metavar="RUN")
    proof = _verb(verbs, "audit", commands.audit, "show what moved in training and what stayed frozen, byte for byte")
    proof.add_argument("runs", metavar="RUN", nargs="*", help="default: every run that has an audit")
    proof.add_argument("--blocks", action="store_true", help="a line for every block, with how far it moved")
    predict = _verb(verbs, "predict", commands.predict, "classify new images with a trained run")
    predict.add_argument("run", metavar="RUN")
    predict.add_argument("source", metavar="SOURCE", help="image, folder or zip")
    predict.add_argument("--out", default="result.csv", metavar="FILE", help="where the table goes")
    predict.add_argument("--device", default="auto", help="auto, cpu, cuda:0, ...")
    export = _verb(
        verbs, "export", commands.export, "write a trained run as a bundle that needs no Thaw, and check its answers"
    )
    export.add_argument("run", metavar="RUN")
    export.add_argument("folder", metavar="DIR", help="an empty or new folder for it")
    kept = _verb(
        verbs, "cache", cache.cache, "list what is kept of decoded images and frozen activations, or remove it"
    )
    kept.add_argument("--clear", nargs="?", const="all", metavar="WHICH", help="pixels, features or all (the default)")
    _verb(verbs, "work", commands.work, "work through the queue without the dashboard, until interrupted")


def _train_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    _configured(
        _verb(
            verbs, "rates", commands.learning_rates, "find a learning rate: a short training in which the rate climbs"
        )
    )
    probe = _verb(
        verbs,
        "probe",
        commands.probe,
        "see how far up the features of a backbone carry, block by block; trains nothing",
    )
    probe.add_argument("--dataset", required=True, help="name or id of a dataset")
    probe.add_argument("--backbone", required=True, help="a name from `backbones`")
    probe.add_argument("--weights", default="default", help="as for `train`")
    probe.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="settings",
        help="such as image_size=64 or device=cpu",
    )
    probe.set_defaults(strategy="linear_probe", epochs=None, seed=None)
    train = _verb(verbs, "train", commands.train, "train one run here and now; the last line names it")
    _configured(train)
    train.add_argument("--name", default="", help="a name for the run")
    train.add_argument(
        "--queue", action="store_true", help="leave it to a worker (the dashboard or `work`) and return at once"
    )


def _compare_verbs(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    new = _verb(
        verbs,
        "compare",
        compare.compare,
        "compare strategies: train every one with several seeds, then say what that shows",
    )
    new.add_argument("--dataset", help="name or id of a dataset: makes a new comparison")
    new.add_argument(
        "--backbone", default="resnet18", metavar="NAME[,NAME]", help="names from `backbones`; default: resnet18"
    )
    new.add_argument(
        "--weights", default="default", help="for all backbones, or one for each, separated by commas; as for `train`"
    )
    strategies = "separated by commas, each with options of its own where needed: last_n:last_n=3:lr=0.01"
    new.add_argument(
        "--strategies", default="linear_probe,last_block,full_finetune", metavar="NAME[,NAME]", help=strategies
    )
    new.add_argument("--seeds", default="auto", help="runs of each strategy; auto: 5 of linear_probe, 3 of the others")
    new.add_argument("--epochs", type=int, help="how many times training sees every image")
    new.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="settings",
        help="any other option, for all strategies",
    )
    new.add_argument("--name", default="", help="a name for the comparison")
    new.add_argument(
        "--queue", action="store_true", help="leave it to a worker (the dashboard or `work`) and return at once"
    )
    new.add_argument(
        "--out", metavar="DIR", help="write comparison.csv (a row a run) and result.csv (a row an image) there"
    )
    new.add_argument("--show", metavar="ID", help="print table and verdict of a comparison")
    new.add_argument("--stop", metavar="ID", help="stop every run of a comparison that has not finished")
    new.add_argument("--resume", metavar="ID", help="go on with a comparison that was stopped")
    new.add_argument(
        "--add-seeds", nargs=2, metavar=("ID", "N"), help="train every strategy of a comparison with N more seeds"
    )
    new.add_argument("--add-strategy", nargs=2, metavar=("ID", "NAME"), help="train one more strategy for a comparison")
    _verb(verbs, "comparisons", compare.list_comparisons, "list the comparisons, the newest first")
    show = _verb(
        verbs,
        "demo",
        demo.demo,
        "compare three strategies on the sample dataset with random weights, without any network",
    )
    show.add_argument(
        "--out", required=True, metavar="DIR", help="folder for result.csv, comparison.csv and a workspace of its own"
    )


def _configured(train: argparse.ArgumentParser) -> None:
    """The options that make a RunConfig."""
    train.add_argument("--dataset", required=True, help="name or id of a dataset")
    train.add_argument("--backbone", required=True, help="a name from `backbones`")
    train.add_argument("--strategy", default="linear_probe", choices=tuple(STRATEGIES), help=_strategies_help())
    train.add_argument(
        "--weights", default="default", help="default, none, a torchvision weights name, a FILE, or run:ID"
    )
    train.add_argument("--epochs", type=int, help="how many times training sees every image")
    train.add_argument("--seed", type=int, help="decides the new head, the order of images and dropout")
    train.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="settings",
        help="any other option; see docs/options.md",
    )
    train.add_argument(
        "--freeze",
        action="store_const",
        const="linear_probe",
        dest="strategy",
        help="short for --strategy linear_probe",
    )
    train.add_argument(
        "--use_pretrained", action="store_const", const="default", dest="weights", help="short for --weights default"
    )


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, work: commands.Verb, text: str
) -> argparse.ArgumentParser:
    made = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    made.add_argument(
        "--workspace", metavar="DIR", help="where everything is kept; default: $THAW_WORKSPACE or workspace/"
    )
    made.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
    made.set_defaults(verb=work)
    return made


def _strategies_help() -> str:
    return " ".join(
        f"{name}: {' '.join((strategy.__doc__ or '').split()).split('. ')[0].rstrip('.')}."
        for name, strategy in STRATEGIES.items()
    )
