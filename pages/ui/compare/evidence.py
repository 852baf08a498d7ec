"""Evidence: everything the page says of a comparison, computed once for what its runs have left so far, and kept.

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
from engine.store.run import Run
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

    label: str
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
    """The comparison as it stands; computed anew only when a run has ended, started or was changed on disk. Runs on a
    part of the images are left to data_size."""
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


def answers(workspace: Workspace, run: Run, split: str) -> RunAnswers | None:
    """What the run says of the labelled images of `split`; None without predictions of any."""
    path = workspace.run(run.id) / "predictions.csv"
    age = _age(path)
    return _answers(str(path), age, split) if age else None


# Resources rather than data: they are read only, and a copy for every click would cost more than all else on the page.
@st.cache_resource(show_spinner=False, max_entries=8)
def _evidence(state: tuple, *, _workspace: Workspace, _comparison: Comparison, _runs: Sequence[Run]) -> Evidence:
    judged = judgement(_workspace, _comparison, _runs)
    entrants = {entrant.name for entrant in judged.entrants}
    counted = [run for run in _runs if run.status == "finished" and run.id not in judged.excluded]
    arms: dict[str, list[tuple[Run, RunAnswers]]] = {}
    first: RunAnswers | None = None
    for label, of in by_label(_comparison, counted).items():
        for run in of if label in entrants else ():
            said = answers(_workspace, run, judged.split)
            first = first or said
            if said is not None and first is not None and np.array_equal(said.images, first.images):
                arms.setdefault(label, []).append((run, said))
    return Evidence(
        comparison=_comparison,
        runs=tuple(_runs),
        judgement=judged,
        images=first.images if first else np.zeros(0, dtype=np.int64),
        names=first.names if first else (),
        labels=first.labels if first else np.zeros(0, dtype=np.int64),
        classes=first.classes if first else (),
        arms={label: _arm(label, of) for label, of in arms.items()},
        worth=_worth(judged),
    )


def _arm(label: str, said: Sequence[tuple[Run, RunAnswers]]) -> StrategyAnswers:
    guesses = np.stack([one.guesses for _, one in said])
    labels, classes = said[0][1].labels, said[0][1].classes
    return StrategyAnswers(
        label=label,
        runs=tuple(run for run, _ in said),
        guesses=guesses,
        votes=disagreements.majority_vote(guesses, np.stack([one.confidence for _, one in said]), labels),
        recall=disagreements.recall(guesses, labels, len(classes)),
        calibration=tuple(one.calibration for _, one in said),
    )


def _worth(judged: Judgement) -> dict[str, dict[str, bool]]:
    """Which strategies are on the front of each cost."""
    if not judged.verdict:
        return {}
    names = [entrant.name for entrant in judged.entrants]
    better = shown_better([entrant.correct(judged.split) for entrant in judged.entrants])
    better = with_verdict(better, names, judged.verdict)
    costs = {cost: [getattr(entrant, cost) for entrant in judged.entrants] for cost in COSTS}
    return {cost: dict(zip(names, pareto_front(costs[cost], better).tolist(), strict=True)) for cost in COSTS}


@st.cache_resource(show_spinner=False, max_entries=256)
def _answers(path: str, age: int, split: str) -> RunAnswers | None:
    table = predictions.read(Path(path))
    classes = predictions.classes_of(table)
    place = {name: index for index, name in enumerate(classes)}
    known = table[(table["split"] == split) & table["label"].isin(place) & (table["error"] == "")].sort_values(
        "image", kind="stable"
    )
    if known.empty:
        return None
    labels = known["label"].map(place).to_numpy(dtype=np.int64)
    probabilities = known[[predictions.PREFIX + name for name in classes]].to_numpy(dtype=np.float64)
    return RunAnswers(
        images=known["image"].to_numpy(dtype=np.int64),
        names=tuple(str(name) for name in known["file_dir"]),
        labels=labels,
        guesses=known["predict"].map(place).to_numpy(dtype=np.int64),
        confidence=known["confidence"].to_numpy(dtype=np.float64),
        classes=classes,
        calibration=expected_calibration_error(probabilities, labels, draws=500),
    )


def _age(path: Path) -> int:
    """Of the last change, in nanoseconds; 0 when there is no such file."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
