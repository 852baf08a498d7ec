"""Accuracy page: what everybody's defaults reach on the same images with the same weights, and in what time.

Written from the files of a bench and nothing else. Not here: the tables (whole_tables), how long training takes
(report).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from engine import record_files
from engine.bench.markdown import section, table
from engine.bench.measurements import ABOUT, About, Measurement, Measurements
from engine.bench.whole_tables import (
    FASTAI,
    FIXED,
    PROBE,
    SKLEARN,
    Entrant,
    Outcomes,
    accuracy_of,
    answers,
    by_contender,
    datasets_of,
    gap,
    good_answers,
    outcomes_of,
    title_of,
)
from engine.bench.workloads import DEFAULTS
from engine.workspace import atomic_write

_HEAD = """# Accuracy

Written by `python -m engine bench --accuracy`, not by hand. Everybody gets the same images in the same split and starts
from the same weights, as a command of its own with nothing kept from before. A repetition is a seed; who gives every
seed the same answers is measured once.

- **Thaw**: `python -m engine train` with a strategy and none of its options.
- **fastai**: `vision_learner` and `fine_tune`, everything at fastai's defaults but weights, batch size and crop.
- **notebooks**: the classic loop: Adam at 1e-3, or 1e-4 where everything trains, the best epoch by validation. The
  BatchNorm statistics of its frozen layers drift, or are fixed.
- **scikit-learn**: logistic regression on what the same network gives its last layer: standardised, the penalty by
  5-fold cross-validation within the training images.

A dash stands for what was not measured."""
_GAPS = """
Percentage points on the same test images, in brackets their 95 % interval over images and seeds.
"""
_CHOSEN = "Thaw, chosen by validation"


def write_accuracy(folder: Path, page: Path) -> Path:
    """Write `page` from what was measured in `folder`; returns it."""
    about = record_files.read(folder / ABOUT, About)
    measured = [each for each in Measurements(folder) if _alike(each, about)]
    outcomes = outcomes_of(measured)
    sections = [_HEAD, _conditions(about, outcomes)]
    if outcomes:
        sections += [
            by_contender("Accuracy on the test images, in percent", outcomes, accuracy_of, form=".1f"),
            _gaps(outcomes),
            _targets(outcomes),
            by_contender("Log loss", outcomes, log_loss_of, form=".3f"),
            by_contender("Seconds of the whole command", outcomes, seconds_of, form=".1f"),
            good_answers(measured),
        ]
    atomic_write(page, "\n\n".join(part.strip() for part in sections if part) + "\n")
    return page


def chosen(outcomes: Outcomes, dataset: str) -> Entrant | None:
    """Thaw's strategy with the best mean accuracy on the validation images, of equal ones the quicker."""
    ours = [entrant for entrant in outcomes if entrant[0] == DEFAULTS and dataset in outcomes[entrant]]

    def rank(entrant: Entrant) -> tuple[float, float]:
        runs = outcomes[entrant][dataset]
        return fmean(run.accuracy or 0.0 for run in runs), -seconds_of(runs)

    return max(ours, key=rank, default=None)


def log_loss_of(runs: Sequence[Measurement]) -> float:
    return fmean(answers(run).log_loss for run in runs)


def seconds_of(runs: Sequence[Measurement]) -> float:
    return fmean(run.seconds for run in runs)


def _alike(measurement: Measurement, about: About) -> bool:
    """Whether it was measured as the page says, on whichever dataset."""
    recipe = measurement.key.recipe
    return measurement.key.whole and replace(recipe, source=about.recipe.source) == about.recipe


def _conditions(about: About, outcomes: Outcomes) -> str:
    recipe, rows = about.recipe, []
    for name in datasets_of(outcomes):
        runs = next(by_dataset[name] for by_dataset in outcomes.values() if name in by_dataset)
        seeds = max(len(by_dataset.get(name, ())) for by_dataset in outcomes.values())
        rows.append((name, str(answers(runs[0]).train), str(answers(runs[0]).images), str(seeds)))
    return (
        f"`{about.command}`, {about.date}. {about.machine}. {recipe.threads} CPU thread(s) for everyone; "
        f"{recipe.backbone} at {about.side} pixels, weights `{Path(recipe.weights).name or 'default'}`; fastai and the "
        f"notebooks train {recipe.epochs} epochs, all in batches of {recipe.batch_size}.\n\n"
        + table(("dataset", "training images", "test images", "seeds"), rows)
    )


def _gaps(outcomes: Outcomes) -> str:
    """Who is ahead of whom on each dataset."""
    names = datasets_of(outcomes)
    best = {name: chosen(outcomes, name) for name in names}
    rows = [(_CHOSEN, *(f"`{entrant[1]}`" if entrant else "–" for entrant in best.values()))]
    for title, ours, theirs in (
        (f"{title_of(PROBE)} − scikit-learn", dict.fromkeys(names, PROBE), SKLEARN),
        ("chosen − fastai", best, FASTAI),
        ("chosen − notebooks, head only, statistics fixed", best, FIXED),
    ):
        rows.append((title, *(_gap(outcomes, name, ours=ours[name], theirs=theirs) for name in names)))
    return section("Who is ahead", names, rows) + _GAPS


def _gap(outcomes: Outcomes, dataset: str, *, ours: Entrant | None, theirs: Entrant) -> str:
    pair = _pair(outcomes, dataset, ours=ours, theirs=theirs)
    return "{:+.1f} ({:+.1f} to {:+.1f})".format(*gap(*pair)) if pair else "–"


def _pair(
    outcomes: Outcomes, dataset: str, *, ours: Entrant | None, theirs: Entrant
) -> tuple[list[Measurement], list[Measurement]] | None:
    """The measurements of both on a dataset, as far as both were measured."""
    mine, other = (outcomes.get(entrant, {}).get(dataset, []) if entrant else [] for entrant in (ours, theirs))
    return (mine, other) if mine and other else None


def _targets(outcomes: Outcomes) -> str:
    """What Thaw means to reach, in the mean over the datasets where both were measured."""
    names = datasets_of(outcomes)
    probe = [pair for name in names if (pair := _pair(outcomes, name, ours=PROBE, theirs=SKLEARN))]
    best = [pair for name in names if (pair := _pair(outcomes, name, ours=chosen(outcomes, name), theirs=FASTAI))]
    rows: list[tuple[str, ...]] = []
    for title, pairs, least, most in (
        ("the default probe against scikit-learn", probe, -0.3, 1.0),
        ("the chosen strategy against fastai", best, 2.0, 0.5),
    ):
        if pairs:
            ahead = fmean(accuracy_of(mine) - accuracy_of(other) for mine, other in pairs)
            time = fmean(seconds_of(mine) / seconds_of(other) for mine, other in pairs)
            points = _kept(f"{ahead:+.1f}", f"≥ {least:+.1f}", ahead >= least)
            rows.append((title, *points, *_kept(f"{time:.2f}", f"≤ {most:g}", time <= most)))
    if best:
        behind = sum(gap(*pair)[2] < 0 for pair in best)
        title = "datasets on which fastai is ahead beyond the interval"
        rows.append((title, *_kept(f"{behind}", "0", not behind), "–", "–"))
    return section("Targets", ("points", "target", "times as long", "target"), rows) if rows else ""


def _kept(value: str, limit: str, kept: bool) -> tuple[str, str]:
    return value, f"{limit} {'met' if kept else 'missed'}"
