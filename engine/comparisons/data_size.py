"""Data size: the strategies of a comparison on nested shares of the training images: would more data change the choice?

These runs are drawn as curves and never judged beside those that saw everything. Not here: what they say (wording).
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.comparisons.comparison import Arm, Comparison, label_of, labels, without_seed
from engine.comparisons.run_results import correctness
from engine.data.dataset_records import Split
from engine.evaluation.seed_interval import accuracy_interval
from engine.store.run_record import Run
from engine.workspace import Workspace

SHARES = (10, 25, 50)
"""Percent of the training images, beside all of them."""
MOST_SEEDS = 3


@dataclass(frozen=True, kw_only=True)
class Point:
    """One strategy at one size of the training set."""

    label: str
    share: int
    """Percent of the training images."""
    images: int
    accuracy: float
    """Mean over `runs` seeds on the images of `split`, with the interval (95 %) from low to high."""
    low: float
    high: float
    runs: int
    split: Split


def is_part(comparison: Comparison, run: Run) -> bool:
    """Whether a run trained on a smaller share than the comparison is about."""
    return run.config.train_share != comparison.shared.train_share


def is_part_arm(comparison: Comparison, arm: Arm) -> bool:
    """Whether all runs of an arm are parts."""
    return arm.settings.get("train_share", comparison.shared.train_share) != comparison.shared.train_share


def whole_labels(comparison: Comparison) -> list[str]:
    """What the rows of the table are called: those of runs that are not parts, also before one has started."""
    return [
        label for config, label in labels(comparison).items() if config.train_share == comparison.shared.train_share
    ]


def arms(comparison: Comparison) -> tuple[Arm, ...]:
    """The arms that are missing for the curves: every strategy on every share, with few seeds."""
    wanted = [
        Arm(strategy=arm.strategy, seeds=arm.seeds[:MOST_SEEDS], settings={**arm.settings, "train_share": share})
        for arm in comparison.strategies
        if "train_share" not in arm.settings
        for share in SHARES
        if share < comparison.shared.train_share
    ]
    there = {arm.label for arm in comparison.strategies}
    return tuple(arm for arm in wanted if arm.label not in there)


def points(workspace: Workspace, comparison: Comparison, runs: Sequence[Run]) -> tuple[Point, ...]:
    """What has finished, by strategy and size; empty before a run on a smaller share has."""
    if not any(is_part(comparison, run) for run in runs):
        return ()
    groups: dict[tuple[str, int], list[Run]] = {}
    named = labels(comparison)
    for run in runs:
        if run.status == "finished" and correctness(workspace, run):
            whole = dataclasses.replace(run.config, train_share=comparison.shared.train_share)
            label = named.get(without_seed(whole)) or label_of(comparison, whole)
            groups.setdefault((label, run.config.train_share), []).append(run)
    if not any(share != comparison.shared.train_share for _, share in groups):
        return ()
    order = list(dict.fromkeys(label for label, _ in groups))
    measured = [_point(workspace, of, label=label, share=share) for (label, share), of in groups.items()]
    return tuple(
        sorted((point for point in measured if point), key=lambda point: (order.index(point.label), point.share))
    )


def _point(workspace: Workspace, runs: Sequence[Run], *, label: str, share: int) -> Point | None:
    answers = [correctness(workspace, run) for run in runs]
    split: Split = "test" if all("test" in splits for splits in answers) else "val"
    judging = [splits[split] for splits in answers if split in splits]
    if not judging or len({seed.images for seed in judging}) > 1:
        return None
    correct = np.stack([seed.correct for seed in judging])
    low, high = accuracy_interval(correct, groups=judging[0].groups)
    return Point(
        label=label,
        share=share,
        images=runs[0].started.train_images if runs[0].started else 0,
        accuracy=float(correct.mean()),
        low=low,
        high=high,
        runs=len(runs),
        split=split,
    )
