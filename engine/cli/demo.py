"""Demo: the verb `demo`: the sample dataset, three strategies, table, verdict and result.csv, without any network.

Weights are random, so the figures say nothing of transfer learning; they show that everything works here. Not here: how
a comparison is executed (comparing).
"""

import argparse
from pathlib import Path

from engine.cli.commands import job
from engine.cli.compare import execute, outlines_of, report
from engine.comparisons.comparison import Comparison, arm
from engine.comparisons.comparison_store import ComparisonStore
from engine.data import dataset as datasets
from engine.runconfig import RunConfig
from engine.work.supervisor import Supervisor

BACKBONE = "resnet18"
STRATEGIES = ("linear_probe", "last_block", "full_finetune")
SEEDS, EPOCHS, IMAGE_SIZE = 2, 3, 64
"""Together about a minute on two cores."""


def workspace_in(folder: str) -> Path:
    """Where a demo keeps everything, beside the files it is made for."""
    return Path(folder).expanduser() / "workspace"


def demo(chosen: argparse.Namespace, supervisor: Supervisor) -> None:
    """Three strategies on the sample dataset; comparison.csv and result.csv are left in the folder --out."""
    dataset = datasets.open_dataset(supervisor.workspace, str(job(chosen, supervisor, "sample", {})["dataset"]))
    wanted = Comparison(
        name="demo",
        dataset=dataset.id,
        fingerprint=dataset.fingerprint,
        backbones=((BACKBONE, "none"),),
        strategies=tuple(arm(strategy, seeds=SEEDS) for strategy in STRATEGIES),
        shared=RunConfig(dataset=dataset.id, backbone=BACKBONE, epochs=EPOCHS, image_size=IMAGE_SIZE),
    )
    outlines = outlines_of(chosen, supervisor, [BACKBONE], dataset.id)
    known = ComparisonStore(supervisor.workspace).create(wanted, outlines)
    execute(chosen, supervisor, known)
    report(chosen, supervisor, known)
    if not chosen.json:
        print(f"Weights were random. The files are in {chosen.out}: comparison.csv, result.csv and workspace/.")
