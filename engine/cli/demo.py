"""Demo: the verb `demo`: the sample dataset, three strategies, table, verdict and result.csv, without any network.

Weights are random, so the figures say nothing of transfer learning; they show that everything works here. Not here: how
a comparison is trained (compare).
"""

import click

from engine.cli.compare import create, train_and_report
from engine.cli.data import sample_dataset
from engine.cli.verb import Session, verb
from engine.comparisons.comparison import Comparison, arm
from engine.runconfig import RunConfig

BACKBONE = "resnet18"
STRATEGIES = ("linear_probe", "last_block", "full_finetune")
SEEDS, EPOCHS, IMAGE_SIZE = 2, 3, 64
"""Together about a minute on two cores."""


@verb(
    "demo",
    "compare three strategies on the sample dataset with random weights, without any network",
    click.option(
        "--out", required=True, metavar="DIR", help="folder for result.csv, comparison.csv and a workspace of its own"
    ),
    own_workspace="out",
)
def demo(session: Session, *, out: str) -> None:
    dataset = sample_dataset(session)
    comparison = Comparison(
        name="demo",
        dataset=dataset.id,
        fingerprint=dataset.fingerprint,
        backbones=((BACKBONE, "none"),),
        strategies=tuple(arm(strategy, seeds=SEEDS) for strategy in STRATEGIES),
        shared=RunConfig(dataset=dataset.id, backbone=BACKBONE, epochs=EPOCHS, image_size=IMAGE_SIZE),
    )
    train_and_report(session, create(session, comparison), out=out)
    if not session.printer.json:
        print(f"Weights were random. The files are in {out}: comparison.csv, result.csv and workspace/.")
