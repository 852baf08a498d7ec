"""Judgement: what came out of a comparison, from the folders of its runs: a row an arm, a verdict, and what was kept
out.

Not here: the statistics (evaluation.verdict), what is fair (fairness), the sentences (wording).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import numpy as np

from engine.comparisons.comparison import Comparison, label_of, labels, without_seed
from engine.comparisons.data_size import is_part, whole_labels
from engine.comparisons.fairness import Deviation, deviations
from engine.comparisons.run_results import correctness, scores
from engine.data.dataset_records import SPLITS, Split
from engine.evaluation.clusters import Groups
from engine.evaluation.majority_baseline import MajorityBaseline
from engine.evaluation.paired import Correct
from engine.evaluation.seed_interval import accuracy_interval
from engine.evaluation.verdict import Entrant, Verdict, judge
from engine.store.run_record import Run
from engine.training.solved.solvable import ignores_seed
from engine.workspace import Workspace

Obstacle = Literal["nothing finished", "other images", "nothing counts", "no validation images"]


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """Why a run is not judged beside the others."""

    kind: Literal["failed", "stopped", "predictions missing", "not comparable"]
    error: str = ""
    deviations: tuple[Deviation, ...] = ()


@dataclass(frozen=True, kw_only=True)
class KeptOut:
    """So many runs of an arm are not judged, for one reason."""

    label: str
    runs: int
    exclusion: Exclusion


@dataclass(frozen=True, kw_only=True)
class Row:
    """An arm on a backbone: means over its finished runs that count, or over what its runs have when none counts.

    Shares for accuracies, nats for log loss; None where nothing is known yet. `runs` of `planned` have finished and
    count. The interval (95 %) is of the mean test accuracy, over images and seeds. `seconds` are of training;
    `cache_seconds` went into what frozen blocks compute, which the first of several runs pays for all.
    """

    label: str
    backbone: str | None
    weights: str | None
    strategy: str | None
    runs: int
    planned: int
    val_accuracy: float | None
    test_accuracy: float | None
    test_low: float | None
    test_high: float | None
    f1_macro: float | None
    log_loss: float | None
    best_epoch: float | None
    trainable_parameters: int | None
    seconds: float | None
    cache_seconds: float | None
    peak_memory_bytes: int | None
    kept_out: tuple[Exclusion, ...]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What is known of a comparison now."""

    rows: tuple[Row, ...]
    verdict: Verdict | None
    """None while nothing that counts has finished; then `obstacle` is why."""
    obstacle: Obstacle | None
    groups: Groups | None
    """Of the images that judge, which belong together."""
    entrants: tuple[Entrant, ...]
    intervals: Mapping[str, tuple[float, float]]
    """Name of the entrant -> the 95 % interval of its accuracy on the images of `split`."""
    baseline: MajorityBaseline | None
    """Of the images of `split`; None without a verdict."""
    excluded: Mapping[str, Exclusion]
    """By run id: runs that have ended or will not be comparable."""
    kept_out: tuple[KeptOut, ...]
    to_come: int
    """How many of `total` runs have not ended."""
    total: int

    @property
    def split(self) -> Split:
        """The one that judges: val where there are no test images."""
        return self.verdict.judged_on if self.verdict else "test"

    @property
    def doubtful(self) -> bool:
        """Whether the chosen strategy is not shown to be better than guessing."""
        if self.verdict is None or self.baseline is None:
            return False
        return not self.baseline.beaten(self.intervals[self.verdict.chosen], self.verdict.optimism)


def judgement(workspace: Workspace, comparison: Comparison, runs: Sequence[Run]) -> Judgement:
    """Judge what has finished, with the margin of the comparison. Runs on a smaller share of the images are left to
    data_size."""
    runs = [run for run in runs if not is_part(comparison, run)]
    excluded = exclusions(workspace, runs)
    arms = by_label(comparison, runs)
    named = [*whole_labels(comparison), *arms]
    rows = {label: row_of(workspace, label, arms.get(label, []), excluded=excluded) for label in named}
    counted = {label: _counted(of, excluded) for label, of in arms.items()}
    entrants = _entrants(workspace, rows, counted)
    groups = _groups(workspace, [run for of in counted.values() for run in of])
    verdict = judge(entrants, comparison.margin, groups) if entrants else None
    split = verdict.judged_on if verdict else "test"
    return Judgement(
        rows=tuple(rows.values()),
        verdict=verdict,
        obstacle=None if verdict else _obstacle(workspace, runs, counted),
        groups=groups.get(split),
        entrants=tuple(entrants),
        intervals={
            entrant.name: accuracy_interval(entrant.correct(split), groups=groups.get(split)) for entrant in entrants
        },
        baseline=correctness(workspace, counted[verdict.chosen][0])[split].baseline if verdict else None,
        excluded=excluded,
        kept_out=_kept_out(arms, excluded),
        to_come=sum(run.status in ("queued", "running") for run in runs),
        total=len(runs),
    )


def exclusions(workspace: Workspace, runs: Sequence[Run]) -> dict[str, Exclusion]:
    """Run id -> why it does not count. Runs that are still to come are named only when they would not be fair."""
    odd = deviations({run.id: run.config for run in runs}, {run.id: run.started for run in runs})
    excluded = {run: Exclusion(kind="not comparable", deviations=differing) for run, differing in odd.items()}
    for run in runs:
        if run.status == "failed":
            excluded[run.id] = Exclusion(kind="failed", error=run.error or "")
        elif run.status in ("stopped", "interrupted"):
            excluded[run.id] = Exclusion(kind="stopped")
        elif run.status == "finished" and not correctness(workspace, run):
            excluded[run.id] = Exclusion(kind="predictions missing")
    return excluded


def by_label(comparison: Comparison, runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Label of a row -> its runs, in the order of the comparison; only rows that have any."""
    named = labels(comparison)
    arms: dict[str, list[Run]] = {label: [] for label in named.values()}
    for run in runs:
        arms.setdefault(named.get(without_seed(run.config)) or label_of(comparison, run.config), []).append(run)
    return {label: of for label, of in arms.items() if of}


def row_of(workspace: Workspace, label: str, runs: Sequence[Run], *, excluded: Mapping[str, Exclusion]) -> Row:
    """What the runs of one arm have reached."""
    counted = _counted(runs, excluded)
    shown = counted or [run for run in runs if run.summary]
    summaries = [run.summary for run in shown if run.summary]
    splits = [scores(workspace, run) for run in shown]
    val, test = ([metrics[split] for metrics in splits if split in metrics] for split in ("val", "test"))
    correct = _correct(workspace, shown, "test")
    groups = _groups(workspace, shown).get("test")
    low, high = (None, None) if correct is None else accuracy_interval(correct, groups=groups)
    config = runs[0].config if runs else None
    return Row(
        label=label,
        backbone=config.backbone if config else None,
        weights=config.weights if config else None,
        strategy=config.strategy if config else None,
        runs=len(counted),
        planned=len(runs),
        val_accuracy=_mean(report.accuracy for report in val),
        test_accuracy=_mean(report.accuracy for report in test),
        test_low=low,
        test_high=high,
        f1_macro=_mean(report.f1_macro for report in test),
        log_loss=_mean(report.log_loss for report in test),
        best_epoch=_mean(summary.best_epoch for summary in summaries),
        trainable_parameters=_most(run.started.trainable_parameters for run in shown if run.started),
        seconds=_mean(summary.seconds for summary in summaries),
        cache_seconds=_mean(summary.cache.seconds for summary in summaries if summary.cache),
        peak_memory_bytes=_most(summary.peak_memory_bytes for summary in summaries),
        kept_out=tuple(dict.fromkeys(excluded[run.id] for run in runs if run.id in excluded)),
    )


def _counted(runs: Iterable[Run], excluded: Mapping[str, Exclusion]) -> list[Run]:
    return [run for run in runs if run.status == "finished" and run.id not in excluded]


def _entrants(workspace: Workspace, rows: Mapping[str, Row], counted: Mapping[str, Sequence[Run]]) -> list[Entrant]:
    """Those with as many validation images as the first: where fingerprints are unknown, shapes must fit."""
    entrants = [
        Entrant(
            name=label,
            correct_test=_correct(workspace, runs, "test"),
            correct_val=correct_val,
            seconds=rows[label].seconds or 0.0,
            trainable_parameters=rows[label].trainable_parameters or 0,
            peak_memory_bytes=rows[label].peak_memory_bytes or 0,
            epochs=max(map(_tried_epochs, runs)),
            solved=all(_answers_alike(run) for run in runs),
        )
        for label, runs in counted.items()
        if (correct_val := _correct(workspace, runs, "val")) is not None
    ]
    return [entrant for entrant in entrants if entrant.correct_val.shape[1] == entrants[0].correct_val.shape[1]]


def _answers_alike(run: Run) -> bool:
    """Whether another seed would give the same; what an earlier version stepped would not."""
    return ignores_seed(run.config) and run.started is not None and run.started.solved


def _tried_epochs(run: Run) -> int:
    """Among how many epochs validation had the choice: all those of every learning rate tried, whose best try the last
    training repeats."""
    epochs = run.summary.epochs if run.summary else 1
    if run.config.tune < 2 or (run.started and run.started.solved):
        return epochs
    return run.config.tune * max(epochs, run.started.epochs if run.started else 0)


def _correct(workspace: Workspace, runs: Sequence[Run], split: str) -> Correct | None:
    """Bool [seeds, images], or None where a run has no such images or other ones."""
    splits = [correctness(workspace, run).get(split) for run in runs]
    known = [answers for answers in splits if answers]
    if len({answers.images for answers in known}) != 1 or len(known) < len(splits):
        return None
    return np.stack([answers.correct for answers in known])


def _groups(workspace: Workspace, runs: Sequence[Run]) -> dict[Split, Groups | None]:
    """Split -> which of its images belong together, as the first run that knows of them says: those that are judged
    beside each other have one fingerprint."""
    answers = [correctness(workspace, run) for run in runs]
    return {split: next((splits[split].groups for splits in answers if split in splits), None) for split in SPLITS}


def _obstacle(workspace: Workspace, runs: Sequence[Run], counted: Mapping[str, Sequence[Run]]) -> Obstacle:
    """Why there is no verdict."""
    if not any(run.status == "finished" for run in runs):
        return "nothing finished"
    finished = [run for of in counted.values() for run in of]
    if any("val" in correctness(workspace, run) for run in finished):
        return "other images"
    return "no validation images" if finished else "nothing counts"


def _kept_out(arms: Mapping[str, Sequence[Run]], excluded: Mapping[str, Exclusion]) -> tuple[KeptOut, ...]:
    """One record for each arm and reason, however many seeds it is about."""
    counts = Counter((label, excluded[run.id]) for label, of in arms.items() for run in of if run.id in excluded)
    return tuple(KeptOut(label=label, runs=runs, exclusion=why) for (label, why), runs in counts.items())


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _most(values: Iterable[int | None]) -> int | None:
    return max((int(value or 0) for value in values), default=0) or None
