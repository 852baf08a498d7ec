"""Evidence: everything the page says of a comparison, computed once for what its runs have left so far.

Not here: the statistics (engine.evaluation), and anything that draws.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from engine.comparisons.comparison import Comparison, to_json
from engine.comparisons.data_size import is_part
from engine.comparisons.judgement import Judgement, by_label, judgement
from engine.evaluation import disagreements, predictions
from engine.evaluation.calibration import CalibrationError, expected_calibration_error
from engine.evaluation.disagreements import Votes
from engine.evaluation.pareto import pareto_front, shown_better, with_verdict
from engine.store.run_record import Run
from engine.workspace import Workspace

COSTS = {
    "seconds": "Training time, s",
    "trainable_parameters": "Parameters that train",
    "peak_memory_bytes": "Peak memory, MB",
}


@dataclass(frozen=True, kw_only=True)
class RunAnswers:
    """What one run says of the labelled images of one split, in the order of their indices; all arrays are [images]."""

    images: np.ndarray
    names: tuple[str, ...]
    labels: np.ndarray
    guesses: np.ndarray
    confidence: np.ndarray
    classes: tuple[str, ...]
    calibration: CalibrationError


@dataclass(frozen=True, kw_only=True)
class StrategyAnswers:
    """One strategy of the table that can be looked at image by image."""

    runs: tuple[Run, ...]
    """Those that count, in the order of their seeds in `guesses`."""
    guesses: np.ndarray
    """Class indices [seeds, images]."""
    votes: Votes
    recall: np.ndarray
    calibration: tuple[CalibrationError, ...]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A comparison as it stands, with what its strategies say of the images that judge: arrays are [images]."""

    comparison: Comparison
    runs: tuple[Run, ...]
    judgement: Judgement
    images: np.ndarray
    names: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    arms: Mapping[str, StrategyAnswers]
    """Label of the row -> what its seeds say; only strategies of which something counts."""
    worth: Mapping[str, Mapping[str, bool]]
    """Cost -> label -> whether nothing as cheap is shown to be more accurate."""


def waits(evidence: Evidence, until: str) -> str:
    """Why there is nothing to draw: it is still to come, or it never will."""
    return f"Appears when {until}." if evidence.judgement.to_come else "There is nothing to compare: see the verdict."


def evidence_of(workspace: Workspace, comparison: Comparison, runs: Sequence[Run]) -> Evidence:
    """The comparison as it stands, computed anew only when a run has ended, started or changed on disk. Runs on a part
    of the images are left to data_size."""
    runs = [run for run in runs if not is_part(comparison, run)]
    state = (str(workspace.root), to_json(comparison), signature(workspace, runs))
    return _evidence(state, _workspace=workspace, _comparison=comparison, _runs=runs)


def signature(workspace: Workspace, runs: Sequence[Run]) -> tuple[tuple[object, ...], ...]:
    """What the judgement hangs on: which runs, how they stand, and the age of what they wrote."""
    return tuple(
        (
            run.id,
            run.status,
            run.error,
            run.started is not None,
            run.summary is not None,
            *(_age(workspace.run(run.id) / name) for name in ("predictions.csv", "metrics.json")),
        )
        for run in runs
    )


# Resources rather than data: they are read only, and a copy for every click would cost more than all else on the page.
@st.cache_resource(show_spinner=False, max_entries=8)
def _evidence(state: tuple, *, _workspace: Workspace, _comparison: Comparison, _runs: Sequence[Run]) -> Evidence:
    judged = judgement(_workspace, _comparison, _runs)
    entrants = {entrant.name for entrant in judged.entrants}
    counted = [run for run in _runs if run.status == "finished" and run.id not in judged.excluded]
    answers: dict[str, list[tuple[Run, RunAnswers]]] = {}
    first: RunAnswers | None = None
    for label, of in by_label(_comparison, counted).items():
        for run in of if label in entrants else ():
            path = _workspace.run(run.id) / "predictions.csv"
            age = _age(path)
            given = _run_answers(str(path), age, judged.split) if age else None
            first = first or given
            if given is not None and first is not None and np.array_equal(given.images, first.images):
                answers.setdefault(label, []).append((run, given))
    nothing = np.zeros(0, dtype=np.int64)
    return Evidence(
        comparison=_comparison,
        runs=tuple(_runs),
        judgement=judged,
        images=first.images if first else nothing,
        names=first.names if first else (),
        labels=first.labels if first else nothing,
        classes=first.classes if first else (),
        arms={label: _strategy_answers(of) for label, of in answers.items()},
        worth=_worth(judged),
    )


def _strategy_answers(of: Sequence[tuple[Run, RunAnswers]]) -> StrategyAnswers:
    runs, answers = zip(*of, strict=True)
    labels = answers[0].labels
    guesses, confidences = (np.stack([getattr(run, name) for run in answers]) for name in ("guesses", "confidence"))
    return StrategyAnswers(
        runs=runs,
        guesses=guesses,
        votes=disagreements.majority_vote(guesses, confidences, labels),
        recall=disagreements.recall(guesses, labels, len(answers[0].classes)),
        calibration=tuple(run.calibration for run in answers),
    )


def _worth(judged: Judgement) -> dict[str, dict[str, bool]]:
    """Which strategies are on the front of each cost."""
    if not judged.verdict:
        return {}
    names = [entrant.name for entrant in judged.entrants]
    answers = [entrant.correct(judged.split) for entrant in judged.entrants]
    better = shown_better(answers, [entrant.solved for entrant in judged.entrants], judged.groups)
    better = with_verdict(better, names, judged.verdict)
    fronts = {cost: pareto_front([getattr(entrant, cost) for entrant in judged.entrants], better) for cost in COSTS}
    return {cost: dict(zip(names, front.tolist(), strict=True)) for cost, front in fronts.items()}


@st.cache_resource(show_spinner=False, max_entries=256)
def _run_answers(path: str, age: int, split: str) -> RunAnswers | None:
    """None without an answer on a labelled image of `split`."""
    table = predictions.read(Path(path))
    classes = predictions.classes_of(table)
    place = {name: index for index, name in enumerate(classes)}
    judging = (table["split"] == split) & table["label"].isin(place) & (table["error"] == "")
    rows = table[judging].sort_values("image", kind="stable")
    if rows.empty:
        return None
    labels = rows["label"].map(place).to_numpy(dtype=np.int64)
    probabilities = rows[[predictions.PREFIX + name for name in classes]].to_numpy(dtype=np.float64)
    return RunAnswers(
        images=rows["image"].to_numpy(dtype=np.int64),
        names=tuple(map(str, rows["file_dir"])),
        labels=labels,
        guesses=rows["predict"].map(place).to_numpy(dtype=np.int64),
        confidence=rows["confidence"].to_numpy(dtype=np.float64),
        classes=classes,
        calibration=expected_calibration_error(probabilities, labels, draws=500),
    )


def _age(path: Path) -> int:
    """Of the last change, in nanoseconds; 0 when there is no such file."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
