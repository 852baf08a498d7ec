"""Whole tables: what came out of whole commands on the test images: accuracy, how sure, log loss, seconds.

Rows are contenders, columns datasets. Not here: measuring (whole_commands), the page around them (accuracy_page).
"""

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean, median

import numpy as np

from engine.bench.markdown import section
from engine.bench.measurements import Answers, Measurement
from engine.bench.workloads import DEFAULTS, OTHERS
from engine.evaluation.paired import difference, interval

Entrant = tuple[str, str]
"""(contender, what it did)."""
Outcomes = dict[Entrant, dict[str, list[Measurement]]]
"""Entrant -> dataset -> its measurements, one a seed, where the test images were answered."""
PROBE = (DEFAULTS, "linear_probe")
FASTAI, SKLEARN, FIXED = ("fastai", "fine_tune"), ("sklearn", "logistic_regression"), ("fixed", "linear_probe")
NOTEBOOKS = (("classic", "linear_probe"), FIXED, ("classic", "full_finetune"))
AHEAD = 10
"""So many times as long as Thaw the others are meant to take."""
WITHIN = 0.01
"""Of the best accuracy that anybody reached: a good answer."""
_TITLES = {
    ("classic", "linear_probe"): "notebooks, head only",
    FIXED: "notebooks, head only, statistics fixed",
    ("classic", "full_finetune"): "notebooks, everything",
    FASTAI: "fastai `fine_tune`",
    SKLEARN: "scikit-learn, logistic regression",
}
_GOOD = """
Seconds from the command to an accuracy on the test images within one point of the best that anybody reached on them at
any time, the median over seeds. Thaw and scikit-learn answer once, at their end; the others were asked after every
epoch, while the clock stood still. In brackets the best of who never got there, and after how many seconds it gave up.
"""


def outcomes_of(measurements: Iterable[Measurement]) -> Outcomes:
    """Thaw's strategies first, then the others in their order."""
    found = [each for each in measurements if each.key.whole and each.answers]
    entrants = dict.fromkeys((each.key.contender, each.key.what) for each in found)
    ours = [entrant for entrant in entrants if entrant not in OTHERS]
    outcomes: Outcomes = {entrant: {} for entrant in (*ours, *(other for other in OTHERS if other in entrants))}
    for each in sorted(found, key=lambda measurement: measurement.key.repetition):
        outcomes[each.key.contender, each.key.what].setdefault(each.key.recipe.data, []).append(each)
    return outcomes


def datasets_of(outcomes: Outcomes) -> list[str]:
    return list(dict.fromkeys(name for by_dataset in outcomes.values() for name in by_dataset))


def title_of(entrant: Entrant) -> str:
    return _TITLES.get(entrant, f"Thaw `{entrant[1]}`")


def answers(measurement: Measurement) -> Answers:
    """Those of one of `Outcomes`."""
    assert measurement.answers is not None
    return measurement.answers


def accuracy_of(measurements: Sequence[Measurement]) -> float:
    """Percent of the test images, the mean over seeds."""
    return 100 * fmean(answers(each).accuracy for each in measurements)


def correct(measurements: Sequence[Measurement]) -> np.ndarray:
    """Bool [seeds, test images]."""
    right = np.ones((len(measurements), answers(measurements[0]).images), bool)
    for row, each in zip(right, measurements, strict=True):
        row[list(answers(each).wrong)] = False
    return right


def by_contender(title: str, outcomes: Outcomes, value: Callable[[Sequence[Measurement]], float], *, form: str) -> str:
    """A row a contender, a column a dataset, and their mean where it has all of them."""
    names, rows = datasets_of(outcomes), []
    for entrant, by_dataset in outcomes.items():
        values = [value(by_dataset[name]) for name in names if name in by_dataset]
        cells = [f"{value(by_dataset[name]):{form}}" if name in by_dataset else "–" for name in names]
        rows.append((title_of(entrant), *cells, f"{fmean(values):{form}}" if len(values) == len(names) else "–"))
    return section(title, (*names, "mean"), rows)


def gap(first: Sequence[Measurement], second: Sequence[Measurement]) -> tuple[float, float, float]:
    """Percentage points by which the first is ahead on the same images, and its 95 % interval."""
    found = difference(correct(first), correct(second))
    low, high = interval(found)
    return 100 * found.value, 100 * low, 100 * high


def good_answers(measurements: Iterable[Measurement]) -> str:
    """How long everybody takes to a good answer, and how many times as long as Thaw's default probe; "" without any."""
    outcomes = outcomes_of(measurements)
    if not outcomes:
        return ""
    names = datasets_of(outcomes)
    rows = [(title_of(entrant), *(_good(outcomes, entrant, name) for name in names)) for entrant in outcomes]
    for title, rivals in (("the soonest of the notebooks", NOTEBOOKS), ("fastai", (FASTAI,))):
        cells = [_times_as_long(outcomes, rivals, name) for name in names]
        rows.append((f"{title} / {title_of(PROBE)} (target: ≥ {AHEAD})", *cells))
    return section("Time to a good answer, in seconds", names, rows) + _GOOD


def _good(outcomes: Outcomes, entrant: Entrant, dataset: str) -> str:
    runs = outcomes[entrant].get(dataset)
    if not runs:
        return "–"
    if (seconds := _reached(outcomes, runs, dataset)) is not None:
        return f"{seconds:.1f}"
    best = max(accuracy for each in runs for _, accuracy in answers(each).points)
    return f"({100 * best:.1f} % by {_given_up(runs):.1f})"


def _times_as_long(outcomes: Outcomes, rivals: Sequence[Entrant], dataset: str) -> str:
    """Of the rivals, whoever got there first; where none did, more than the time after which the last gave up."""
    ours = outcomes.get(PROBE, {}).get(dataset)
    theirs = [runs for rival in rivals if (runs := outcomes.get(rival, {}).get(dataset))]
    own = _reached(outcomes, ours, dataset) if ours else None
    if own is None or not theirs:
        return "–"
    reached = [seconds for runs in theirs if (seconds := _reached(outcomes, runs, dataset)) is not None]
    return f"**{min(reached) / own:.1f}**" if reached else f"**> {max(map(_given_up, theirs)) / own:.1f}**"


def _reached(outcomes: Outcomes, runs: Sequence[Measurement], dataset: str) -> float | None:
    """Median seconds over seeds; None where a seed never got there."""
    rivals = [run for by_dataset in outcomes.values() for run in by_dataset.get(dataset, [])]
    good = max(accuracy for run in rivals for _, accuracy in answers(run).points) - WITHIN
    times = [next((seconds for seconds, accuracy in answers(each).points if accuracy >= good), None) for each in runs]
    known = [seconds for seconds in times if seconds is not None]
    return median(known) if len(known) == len(times) else None


def _given_up(runs: Sequence[Measurement]) -> float:
    return median(each.seconds for each in runs)
