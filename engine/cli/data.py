"""Data: the verbs that make and list datasets, and those that list what there is to train: backbones and options."""

import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import get_args

import click

from engine.cli.printer import columns
from engine.cli.run_options import catalog
from engine.cli.verb import Session, full_path, verb
from engine.config import options as all_options
from engine.data import dataset as stored
from engine.data.dataset_records import GroupBy
from engine.errors import ConfigError
from engine.installation import COMMAND
from engine.jobs.records import Draft, Sample
from engine.training.strategies import STRATEGIES


@verb(
    "import",
    "turn a zip, a folder of classes, train/val/test folders or a csv into a dataset",
    click.argument("source", metavar="SOURCE", help="zip file or folder"),
    click.option("--name", default="", help="name of the dataset; default: the name of the source"),
    click.option(
        "--split",
        default="70/15/15",
        metavar="T/V/E",
        help="shares of train/val/test, or train/val, where the source prescribes none",
    ),
    click.option("--seed", default=0, help="decides the split"),
    click.option(
        "--classes-at",
        default="",
        metavar="WHERE",
        help="where the classes are: a level of folders such as 2, parent, name (of the files) or table; "
        "default: what explains the images best",
    ),
    click.option(
        "--file-column", default="", metavar="HEAD", help="the column of a table that names files, or its number"
    ),
    click.option("--label-column", default="", metavar="HEAD", help="the column of a table that holds the classes"),
    click.option("--keep-masks", is_flag=True, help="keep pictures that look like masks of others"),
    click.option(
        "--group-by",
        type=click.Choice(get_args(GroupBy)),
        default="auto",
        help="what stays in one split: what the source names (folders of persons, a column), what file names begin "
        "with, what was taken at one time, or none; near-copies always do; auto: what the source names",
    ),
    click.option("--exclude-problems", is_flag=True, help="leave out duplicate copies and classes with too few images"),
)
def import_dataset(
    session: Session,
    *,
    source: str,
    name: str,
    split: str,
    seed: int,
    exclude_problems: bool,
    group_by: GroupBy,
    **choices: str | bool,
) -> None:
    ratios = _ratios(split)
    draft = session.do_job("import", Draft, source=full_path(source), name=name, anywhere=True, **choices).draft
    dataset = stored.commit(
        session.workspace,
        draft,
        name=name,
        exclude_problems=exclude_problems,
        ratios=ratios,
        seed=seed,
        group_by=group_by,
    )
    _health_card(session, dataset)


@verb("sample", "make the built-in sample dataset ready")
def sample(session: Session) -> None:
    _health_card(session, sample_dataset(session))


def sample_dataset(session: Session) -> stored.Dataset:
    """The built-in dataset, painted now where that has not been done yet."""
    return stored.open_dataset(session.workspace, session.do_job("sample", Sample).dataset)


@verb("datasets", "list the datasets")
def datasets(session: Session) -> None:
    rows = [asdict(summary) for summary in stored.list_datasets(session.workspace)]
    names = ("id", "name", "images", "classes", "created_at")
    session.printer.table(rows, names, empty=f"No dataset yet. Make one: {COMMAND} sample")


@verb(
    "backbones",
    "list every backbone",
    click.argument("part", metavar="[NAME]", default="", help="only names that contain this"),
)
def backbones(session: Session, *, part: str) -> None:
    rows = [
        asdict(info) | {"on_disk": any(entry.on_disk for entry in info.weights), "weights": len(info.weights)}
        for info in catalog(session).backbones
        if part in info.name
    ]
    names = ("name", "parameters", "gflops", "input_size", "weights", "on_disk")
    session.printer.table(rows, names, empty=f"No backbone contains {part!r}.")


@verb("options", "list the options of --set and the strategies, as Markdown")
def options(session: Session) -> None:
    """The text of docs/options.md; a test holds the two equal."""
    print(
        "# Options\n\nEvery option of a run: `--set name=value` on the command line, a field on the Configure page.\n"
    )
    print("| name | default | choices or bounds | what it does |\n|---|---|---|---|")
    for about in all_options():
        bounds = ", ".join(about.choices) or (f"{about.low:g} to {about.high:g}" if about.low is not None else "text")
        print(f"| `{about.name}` | `{about.default!r}` | {bounds} | {about.help} |")
    print("\n# Strategies\n\n| name | what it does |\n|---|---|")
    for name, strategy in STRATEGIES.items():
        print(f"| `{name}` | {strategy.description} |")


def _ratios(text: str) -> tuple[float, float, float]:
    """Shares of train, validation and test, from percent or fractions; two of them leave no test images."""
    try:
        shares = [float(part) for part in text.replace("%", "").split("/")]
    except ValueError:
        shares = []
    train, val, test = shares if len(shares) == 3 else (*shares, 0.0) if len(shares) == 2 else (0.0, 0.0, 0.0)
    total = train + val + test
    if not min(abs(total - 1), abs(total - 100)) < 1e-4 or not train > 0 or min(val, test) < 0:
        raise ConfigError(
            f"--split takes the shares of train, validation and test, such as 70/15/15, 80/20 or 0.7/0.15/0.15, which "
            f"add up to 100 or to 1, not {text!r}."
        )
    return train / total, val / total, test / total


def _health_card(session: Session, dataset: stored.Dataset) -> None:
    card = stored.health_card(dataset)
    for doubt in card.doubts:
        print(f"Is this right? {doubt}", file=sys.stderr)
    if session.printer.json:
        return session.printer.say({"dataset": dataset.id, **asdict(card)}, "")
    print(f"{dataset.name} ({dataset.id}): {card.images} images, {len(card.classes)} classes. {card.layout}")
    columns([asdict(row) for row in card.classes])
    said = {"note": "note", "input": "left out", "system": "left out"}
    print(
        *card.warnings, *card.found_groups, *(f"{said[p.kind]}: {p.name}: {p.reason}" for p in card.problems), sep="\n"
    )
    for other in card.alternatives[:1]:
        print(f"Otherwise, --classes-at {other.key}: {other.sentence} {_counted(other.classes)}.")


def _counted(classes: Mapping[str, int]) -> str:
    """A few classes with their images."""
    first = [f"{name} {count:,}" for name, count in list(classes.items())[:6]]
    return ", ".join(first) + (f" and {len(classes) - 6} more" if len(classes) > 6 else "")
