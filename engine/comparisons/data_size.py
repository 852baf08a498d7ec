"""Data sizes: the strategies of a comparison trained on nested shares of the training images: would more data change
the choice?

These runs are shown as curves and never judged beside those that saw everything. Not here: drawing them (pages).
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.comparisons.comparison import Arm, Comparison, label_of, labels, without_seed
from engine.comparisons.judgement import answers
from engine.evaluation.seed_interval import accuracy_interval
from engine.store.run import Run
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
    split: str


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
    """What has finished, by strategy in the order of the comparison and by size; empty before a run on a smaller share
    has."""
    if not any(is_part(comparison, run) for run in runs):
        return ()
    groups: dict[tuple[str, int], list[Run]] = {}
    named = labels(comparison)
    for run in runs:
        if run.status == "finished" and answers(workspace, run):
            whole = dataclasses.replace(run.config, train_share=comparison.shared.train_share)
            label = named.get(without_seed(whole)) or label_of(comparison, whole)
            groups.setdefault((label, run.config.train_share), []).append(run)
    if not any(share != comparison.shared.train_share for _, share in groups):
        return ()
    made = [_point(workspace, label, share, found) for (label, share), found in groups.items()]
    order = list(dict.fromkeys(label for label, _ in groups))
    return tuple(sorted((point for point in made if point), key=lambda point: (order.index(point.label), point.share)))


def sentence(found: Sequence[Point]) -> str:
    """Which strategy leads with how many images, and who still gains; without a claim that a difference is real."""
    if not found:
        return ""
    shares = sorted({point.share for point in found})
    leaders = {
        share: max((point for point in found if point.share == share), key=lambda point: point.accuracy)
        for share in shares
    }
    first, last = leaders[shares[0]], leaders[shares[-1]]
    if len({point.label for point in leaders.values()}) == 1:
        said = f"{last.label} is ahead with every number of images, from {first.images:,} to {last.images:,}."
    else:
        said = f"{first.label} is ahead with {first.images:,} images, {last.label} with {last.images:,}."
    gains = _gains(found, shares)
    if not gains:
        return said
    rising, gain = max(gains.items(), key=lambda pair: pair[1])
    return (
        f"{said} From {shares[-2]} % to {shares[-1]} % of the images {rising} gained most: {100 * gain:+.1f} points. "
        "Curves that still rise say that more images would help; intervals that overlap say that the order may be "
        "chance."
    )


def _gains(found: Sequence[Point], shares: Sequence[int]) -> dict[str, float]:
    """Label -> what the last step in images brought."""
    if len(shares) < 2:
        return {}
    at = {(point.label, point.share): point.accuracy for point in found}
    labels = dict.fromkeys(point.label for point in found)
    return {
        label: at[label, shares[-1]] - at[label, shares[-2]]
        for label in labels
        if {(label, shares[-1]), (label, shares[-2])} <= set(at)
    }


def _point(workspace: Workspace, label: str, share: int, runs: Sequence[Run]) -> Point | None:
    known = [answers(workspace, run) for run in runs]
    split = "test" if all("test" in one for one in known) else "val"
    answered = [one[split] for one in known if split in one]
    if not answered or len({images for images, _ in answered}) > 1:
        return None
    correct = np.stack([right for _, right in answered])
    low, high = accuracy_interval(correct)
    images = int(str((runs[0].started or {}).get("train_images") or 0))
    return Point(
        label=label,
        share=share,
        images=images,
        accuracy=float(correct.mean()),
        low=low,
        high=high,
        runs=len(runs),
        split=split,
    )
