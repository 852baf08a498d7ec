"""Judgement: what came out of a comparison, read from the folders of its runs: a table, a verdict, and what was kept
out of it.

Pure reading, without torch; pages and command line show the same. Not here: the statistics (evaluation.verdict), what
is fair (fairness).
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import fmean

import numpy as np
import pandas as pd

from engine.comparisons.comparison import Comparison, label_of, labels, without_seed
from engine.comparisons.fairness import guard
from engine.evaluation import majority_baseline, predictions
from engine.evaluation.seed_interval import accuracy_interval
from engine.evaluation.verdict import MARGIN_POINTS, Entrant, Verdict, judge
from engine.evaluation.wording import sentences
from engine.store.database import Json
from engine.store.run import Run
from engine.workspace import Workspace

_READ = ("image", "split", "label", "predict", "error")
Answers = dict[str, tuple[bytes, np.ndarray]]
"""Split -> (indices of its labelled images in their dataset as int32, bool [images] whether the run was right)."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What is known of a comparison now."""

    table: pd.DataFrame
    """One row for each arm on each backbone; see `row_of` for the columns."""
    verdict: Verdict | None
    """None while nothing that counts has finished."""
    sentences: tuple[str, ...]
    """The verdict in words, what was kept out, and what is still to come. Names in them are as people typed them."""
    excluded: dict[str, str]
    """Run id -> why it is not judged, for runs that have ended or will not be comparable."""
    entrants: tuple[Entrant, ...]


def judgement(
    workspace: Workspace, comparison: Comparison, runs: Sequence[Run], *, margin: float = MARGIN_POINTS
) -> Judgement:
    """Judge what has finished; `margin` in points, see evaluation.verdict. Runs on a smaller share of the images are
    left to datasizes."""
    runs = [run for run in runs if run.config.train_share == comparison.shared.train_share]
    excluded = not_judged(workspace, runs)
    arms = by_label(comparison, runs)
    rows = [
        row_of(workspace, label, arms.get(label, []), excluded) for label in dict.fromkeys([*_rows(comparison), *arms])
    ]
    entrants = [entrant for label, found in arms.items() if (entrant := _entrant(workspace, label, found, excluded))]
    entrants = _with_same_images(entrants)
    verdict = judge(entrants, margin) if entrants else None
    said = sentences(verdict) if verdict else (_nothing_to_judge(workspace, runs, excluded),)
    return Judgement(
        table=pd.DataFrame(rows),
        verdict=verdict,
        sentences=(*said, *_kept_out(comparison, runs, excluded), *_to_come(runs)),
        excluded=excluded,
        entrants=tuple(entrants),
    )


def _nothing_to_judge(workspace: Workspace, runs: Sequence[Run], excluded: dict[str, str]) -> str:
    """Why there is no verdict, and what to do about it."""
    finished = [run for run in runs if run.status == "finished"]
    counted = [run for run in finished if run.id not in excluded]
    if not finished:
        return "No run of this comparison has finished yet, so there is nothing to judge."
    if any("val" in answers(workspace, run) for run in counted):
        return (
            "The runs of each strategy saw different validation images, so there is nothing to judge. Compare on "
            "one dataset again."
        )
    if not counted:
        return "No run that has finished counts, so there is nothing to judge; the reasons follow."
    return (
        "Runs have finished, but validation is what chooses among strategies and the dataset has no validation "
        "images with labels. "
        "Import it again with a share for validation, such as 70/15/15, and compare on that."
    )


def _rows(comparison: Comparison) -> list[str]:
    return [
        label for config, label in labels(comparison).items() if config.train_share == comparison.shared.train_share
    ]


def not_judged(workspace: Workspace, runs: Sequence[Run]) -> dict[str, str]:
    """Run id -> why it does not count beside the others. Runs that are still to come are only named when they would not
    be fair."""
    reasons = guard({run.id: run.config for run in runs}, {run.id: run.started for run in runs})
    for run in runs:
        if run.status == "failed":
            reasons[run.id] = f"It failed: {run.error or 'nobody knows why'}"
        elif run.status in ("stopped", "interrupted"):
            reasons[run.id] = "It was stopped before it had finished. Resume it to have it counted."
        elif run.status == "finished" and not answers(workspace, run):
            reasons[run.id] = "Its predictions are missing from its folder. Train it again."
    return reasons


def by_label(comparison: Comparison, runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Rows of the table -> their runs, in the order of the comparison."""
    named = labels(comparison)
    found: dict[str, list[Run]] = {label: [] for label in named.values()}
    for run in runs:
        found.setdefault(named.get(without_seed(run.config)) or label_of(comparison, run.config), []).append(run)
    return {label: of for label, of in found.items() if of}


def row_of(workspace: Workspace, label: str, runs: Sequence[Run], excluded: dict[str, str]) -> Json:
    """One row: means over the finished runs of an arm. Shares for accuracies, nats for log loss; None where nothing is
    known yet.

    `runs` of `planned` have finished and count. The interval (95 %) is of the mean test accuracy, over images and
    seeds. `seconds` are of training; `cache_seconds` went into what frozen blocks compute, which the first of several
    runs pays for all. An arm of which no run counts shows what its runs have, and why they do not count, in `kept_out`.
    """
    counted = [run for run in runs if run.status == "finished" and run.id not in excluded]
    shown = counted or [run for run in runs if run.summary]
    summaries, tests = [run.summary or {} for run in shown], [_split(workspace, run, "test") for run in shown]
    low, high = _test_interval(workspace, shown)
    config = runs[0].config if runs else None
    kept_out = list(dict.fromkeys(excluded[run.id] for run in runs if run.id in excluded))
    return {
        "label": label,
        "backbone": config.backbone if config else None,
        "weights": config.weights if config else None,
        "strategy": config.strategy if config else None,
        "runs": len(counted),
        "planned": len(runs),
        "val_accuracy": _mean([_split(workspace, run, "val").get("accuracy") for run in shown]),
        "test_accuracy": _mean([scores.get("accuracy") for scores in tests]),
        "test_low": low,
        "test_high": high,
        "f1_macro": _mean([scores.get("f1_macro") for scores in tests]),
        "log_loss": _mean([scores.get("log_loss") for scores in tests]),
        "best_epoch": _mean([summary.get("best_epoch") for summary in summaries]),
        "trainable_parameters": max(
            (int((run.started or {}).get("trainable_parameters") or 0) for run in shown), default=0
        )
        or None,
        "seconds": _mean([summary.get("seconds") for summary in summaries]),
        "cache_seconds": _mean([(summary.get("cache") or {}).get("seconds") for summary in summaries]),
        "peak_memory_bytes": max((int(summary.get("peak_memory_bytes") or 0) for summary in summaries), default=0)
        or None,
        "kept_out": " ".join(kept_out),
    }


def doubt_of(workspace: Workspace, comparison: Comparison, runs: Sequence[Run], found: Judgement) -> str:
    """Why the strategy that validation chose may have learned nothing, as a sentence; "" when it is shown to do better
    than guessing."""
    verdict = found.verdict
    if verdict is None:
        return ""
    (chosen,) = [entrant for entrant in found.entrants if entrant.name == verdict.chosen]
    split, correct = ("val", chosen.correct_val) if verdict.judged_on == "validation" else ("test", chosen.correct_test)
    assert correct is not None  # of every entrant, or the verdict would not be judged on it
    run = next(
        run
        for run in by_label(comparison, runs)[chosen.name]
        if run.status == "finished" and run.id not in found.excluded
    )
    table = predictions.read(workspace.run(run.id) / "predictions.csv")
    judging = table[(table["split"] == split) & (table["label"] != "") & (table["error"] == "")]
    guessed = majority_baseline.guess(Counter(judging["label"]))
    return (
        majority_baseline.doubt(guessed, chosen.name, accuracy_interval(correct), verdict.optimism) if guessed else ""
    )


def answers(workspace: Workspace, run: Run) -> Answers:
    """Where the run was right, from its predictions.csv; empty when there is none."""
    path = workspace.run(run.id) / "predictions.csv"
    try:
        about = path.stat()
    except OSError:
        return {}
    return _answers(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=256)
def _answers(path: Path, modified_ns: int, size: int) -> Answers:
    """Kept per content: a page asks again with every click. Only the few columns that say who was right are read."""
    table = pd.read_csv(path, usecols=list(_READ), dtype="str", keep_default_na=False, encoding="utf-8")
    known = table[(table["label"] != "") & (table["error"] == "")]
    found: Answers = {}
    for split, rows in known.groupby("split", sort=False):
        images = rows["image"].astype("int32").to_numpy()
        order = np.argsort(images, kind="stable")
        found[str(split)] = images[order].tobytes(), (rows["label"] == rows["predict"]).to_numpy(dtype=np.bool_)[order]
    return found


def _entrant(workspace: Workspace, label: str, runs: Sequence[Run], excluded: dict[str, str]) -> Entrant | None:
    counted = [run for run in runs if run.status == "finished" and run.id not in excluded]
    validation = _correct(workspace, counted, "val")
    if validation is None:
        return None
    row = row_of(workspace, label, counted, excluded)
    return Entrant(
        name=label,
        correct_test=_correct(workspace, counted, "test"),
        correct_val=validation,
        seconds=float(row["seconds"] or 0.0),
        trainable_parameters=int(row["trainable_parameters"] or 0),
        peak_memory_bytes=int(row["peak_memory_bytes"] or 0),
        epochs=max(_chosen_among(run) for run in counted),
    )


def _chosen_among(run: Run) -> int:
    """Among how many epochs validation had the choice. Each learning rate tried had all of them; the last training
    repeats the best try."""
    epochs = int((run.summary or {}).get("epochs") or 1)
    if run.config.tune < 2:
        return epochs
    planned = sum(int(phase["epochs"]) for phase in (run.started or {}).get("phases") or ())
    return run.config.tune * max(epochs, planned)


def _correct(workspace: Workspace, runs: Sequence[Run], split: str) -> np.ndarray | None:
    """Bool [seeds, images], or None where a run has no such images or other ones."""
    found = [answers(workspace, run).get(split) for run in runs]
    known = [one for one in found if one is not None]
    if not known or len(known) < len(found) or len({images for images, _ in known}) > 1:
        return None
    return np.stack([right for _, right in known])


def _with_same_images(entrants: list[Entrant]) -> list[Entrant]:
    """Those measured on as many validation images as the first: where fingerprints are unknown, at least shapes must
    fit."""
    return [one for one in entrants if one.correct_val.shape[1] == entrants[0].correct_val.shape[1]]


def _test_interval(workspace: Workspace, runs: Sequence[Run]) -> tuple[float | None, float | None]:
    correct = _correct(workspace, runs, "test")
    return (None, None) if correct is None else accuracy_interval(correct)


def _split(workspace: Workspace, run: Run, split: str) -> Json:
    """What metrics.json says of a split; empty where it says nothing."""
    path = workspace.run(run.id) / "metrics.json"
    try:
        about = path.stat()
        return _metrics(path, about.st_mtime_ns, about.st_size).get(split, {})
    except (OSError, ValueError, KeyError):
        return {}


@lru_cache(maxsize=256)
def _metrics(path: Path, modified_ns: int, size: int) -> dict[str, Json]:
    """Split -> its plain numbers."""
    splits: dict[str, Json] = json.loads(path.read_text())["splits"]
    return {
        split: {name: value for name, value in scores.items() if not isinstance(value, list)}
        for split, scores in splits.items()
    }


def _mean(values: Sequence[object]) -> float | None:
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    return fmean(numbers) if numbers else None


def _kept_out(comparison: Comparison, runs: Sequence[Run], excluded: dict[str, str]) -> list[str]:
    """One sentence for each arm and reason, however many seeds it is about."""
    found: dict[tuple[str, str], int] = {}
    for label, of in by_label(comparison, runs).items():
        for run in of:
            if run.id in excluded:
                found[label, excluded[run.id]] = found.get((label, excluded[run.id]), 0) + 1
    return [
        f"Not judged: {label} ({count} {'run' if count == 1 else 'runs'}). {reason}"
        for (label, reason), count in found.items()
    ]


def _to_come(runs: Sequence[Run]) -> list[str]:
    left = sum(run.status in ("queued", "running") for run in runs)
    return (
        [f"{left} of {len(runs)} runs {'has' if left == 1 else 'have'} not finished yet; the verdict may change."]
        if left
        else []
    )
