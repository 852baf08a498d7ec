"""Report: the page of results, written from the files of a bench and nothing else, so that no figure is typed by hand.

Not here: measuring, the arithmetic of the table.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from engine import record_files
from engine.bench.arithmetic import measured, of_workload, ratio, spread
from engine.bench.markdown import bound, section, table
from engine.bench.measurements import ABOUT, PAGES, About, Measurement, Measurements, PageTimes
from engine.bench.parts import PART, PARTS, WITHOUT_PART
from engine.bench.photographs import SIZE
from engine.bench.whole_tables import good_answers
from engine.bench.workloads import AGAIN, CONTENDERS, FIRST_START, SEEDS, WORKLOADS, Workload
from engine.workspace import atomic_write

_HEAD = """# Performance

Written by `python -m engine bench`, not by hand. Ratios are taken within a repetition, in which everyone has a turn and
the order changes; tables show the median, and in brackets the smallest and the largest.

- **classic**: the loop of the notebooks: an image folder, decoded and cropped anew every epoch by the faster of 0 and
  2 workers, frozen layers merely not optimised, single precision, Adam at 1e-3 (1e-4 where everything trains), the
  best epoch kept. The BatchNorm statistics of its frozen layers drift; **classic, statistics fixed** is the same
  without that.
- **fastai**: `vision_learner`, frozen or not, with the same crop, head and starting weights, else its defaults.
- **bare**: the limit: the mathematics of Thaw on images that lie decoded in memory, no files, nothing kept.
- **Thaw**: runs through the pipeline on a fresh workspace, from decoding to `result.csv`; **again**: once more on that
  workspace. Measuring the number format, once a machine, and importing the dataset are not counted.

A dash stands for what was not measured."""
_RATIOS = f"""
Classic / bare is what a Thaw that takes no time for anything but the mathematics would reach. The classic loop and
fastai do several trainings one by one: their times add up, and {SEEDS} seeds take {SEEDS} times one."""
_STAGES = """
The frozen part includes decoding its images for the first time, opening and loading the weights come before it."""
_RATES = """
Thaw and bare let the learning rate fall along a cosine, the classic loop keeps it: where a probe has only a few dozen
steps, a rate that falls learns less in them."""
_FIRST = """
Each is a command of its own, from its start (imports, weights) to its end (`result.csv`), in an empty workspace, with
nothing kept for the user. Importing the images, which the notebooks have no counterpart of, took {} seconds before it.
"""
_TITLES = {
    "classic": "classic",
    "fixed": "classic, statistics fixed",
    "fastai": "fastai",
    "bare": "bare",
    "thaw": "Thaw",
    AGAIN: "again",
}

Lines = Mapping[Workload, Mapping[str, pd.DataFrame]]
"""Workload -> contender -> what was measured (arithmetic.of_workload)."""


def write_report(folders: Sequence[Path], page: Path) -> Path:
    """Write `page` from what was measured in `folders`; returns it."""
    sections = [_HEAD]
    if all(measurement.key.recipe.device == "cpu" for folder in folders for measurement in Measurements(folder)):
        sections[0] += " Nothing on this page was measured on a GPU."
    for folder in folders:
        sections += _sections(folder)
    atomic_write(page, "\n\n".join(section.strip() for section in sections if section) + "\n")
    return page


def _sections(folder: Path) -> list[str]:
    """What was measured in one folder; "" for what was not."""
    about = record_files.read(folder / ABOUT, About)
    every = [measurement for measurement in Measurements(folder) if measurement.key.recipe == about.recipe]
    measurements = [measurement for measurement in every if not measurement.key.whole]
    sections = [_conditions(about, every)]
    lines = {}
    for workload in WORKLOADS.values():
        tables = {name: of_workload(measurements, name, workload) for name in (*CONTENDERS, AGAIN)}
        if not all(table.empty for table in tables.values()):
            lines[workload] = tables
    if lines:
        sections += [_ratios(lines), _spreads(lines, "seconds"), _stages(measurements), _spreads(lines, "accuracy")]
    sections += [_parts(measurements), _first_start(every), good_answers(every)]
    if (folder / PAGES).is_file():
        sections.append(_pages(record_files.read(folder / PAGES, PageTimes)))
    return sections


def _conditions(about: About, measurements: Sequence[Measurement]) -> str:
    recipe = about.recipe
    data = f"`{recipe.data}`" if recipe.source else "generated photographs ({} by {} pixels)".format(*SIZE)
    repetitions = 1 + max((measurement.key.repetition for measurement in measurements), default=0)
    counts = f"{recipe.images} training and {recipe.validation_images} validation images of {data}"
    title = f"## {recipe.images or recipe.data} training images, {recipe.epochs} epochs"
    conditions = (
        f"{recipe.threads} CPU thread(s) for everyone; {counts if recipe.images else data}, {recipe.backbone} at "
        f"{about.side} pixels, {recipe.epochs} epochs, batches of {recipe.batch_size}, {repetitions} repetitions with "
        "a seed each."
    )
    return f"{title}\n\n`{about.command}`, {about.date}. {about.machine}. {conditions}"


def _ratios(lines: Lines) -> str:
    names = ("classic / Thaw", "target", "classic / bare", "fastai / Thaw", "Thaw / bare", "limit")
    rows = []
    for workload, tables in lines.items():
        classic, bare = ratio(tables["classic"], tables["thaw"]), ratio(tables["thaw"], tables["bare"])
        cells = [_times(classic), bound("≥", workload.target, classic)]
        cells += [_times(ratio(tables["classic"], tables["bare"])), _times(ratio(tables["fastai"], tables["thaw"]))]
        cells += [_times(bare), bound("≤", workload.limit, bare), _times(ratio(tables["classic"], tables[AGAIN]))]
        rows.append((workload.title, *cells))
    return section("How many times as fast", (*names, "classic / Thaw again"), rows) + _RATIOS


def _stages(measurements: Sequence[Measurement]) -> str:
    """Where the time of Thaw goes, stage by stage of the pipeline: the median over repetitions."""
    medians = {}
    for workload in WORKLOADS.values():
        keys = ("thaw", workload.name)
        stages = [each.stages for each in measurements if (each.key.contender, each.key.what) == keys and each.stages]
        if stages:
            medians[workload.title] = pd.DataFrame(stages).median().to_dict()
    names = list(dict.fromkeys(name for stages in medians.values() for name in stages))
    rows = [
        (title, *(f"{stages[name]:.2f}" if name in stages else "–" for name in names))
        for title, stages in medians.items()
    ]
    return section("Where the time of Thaw goes, in seconds", names, rows) + _STAGES if rows else ""


def _spreads(lines: Lines, column: str) -> str:
    """Seconds with their median, or accuracies with their mean."""
    timed = column == "seconds"
    form, middle = (".2f", "median") if timed else (".3f", "mean")
    names = [name for name in _TITLES if name != ("fixed" if timed else AGAIN)]
    rows = [
        (workload.title, *(spread(tables[name][column].dropna(), form, middle=middle) for name in names))
        for workload, tables in lines.items()
    ]
    title = "Seconds" if timed else "Validation accuracy, the mean over seeds, in brackets their range"
    return section(title, [_TITLES[name] for name in names], rows) + ("" if timed else _RATES)


def _first_start(every: Sequence[Measurement]) -> str:
    """Whole commands on a machine where nothing has been kept."""
    whole = [measurement for measurement in every if measurement.key.whole]
    rows = []
    for name, target in FIRST_START.items():
        classic, thaw = (measured(whole, contender, name) for contender in ("classic", "thaw"))
        if not (times := ratio(classic, thaw)).empty:
            cells = [spread(side["seconds"]) for side in (classic, thaw)]
            rows.append((WORKLOADS[name].title, *cells, _times(times), bound("≥", target, times)))
    if not rows:
        return ""
    imported = measured(whole, "thaw", "import")["seconds"]
    names = ("classic, seconds", "Thaw, seconds", "classic / Thaw", "target on AVX2")
    return section("First start", names, rows) + _FIRST.format(spread(imported))


def _parts(measurements: Sequence[Measurement]) -> str:
    """What each optimisation is worth."""
    rows = []
    for part in PARTS:
        off, on = (measured(measurements, contender, part.name) for contender in (WITHOUT_PART, PART))
        if not (times := ratio(off, on)).empty:
            rows.append((part.title, *(spread(side["seconds"]) for side in (off, on)), _times(times)))
    return section("What each part is worth", ("seconds without", "seconds with", "ratio"), rows) if rows else ""


def _pages(times: PageTimes) -> str:
    """How fast pages answer, and what it costs training that somebody looks."""
    title = (
        "Pages\n\n95th percentile of the milliseconds from a key press to a page that stands still, idle and while "
        f"{times.backbone} trains on {times.threads} CPU thread(s):"
    )
    rows = [(name, f"{idle:.0f}", f"{times.training[name]:.0f}") for name, idle in times.idle.items()]
    alone = next(iter(times.images_per_second.values()))
    speeds = [(name, f"{speed:.1f}", f"{100 * speed / alone:.0f} %") for name, speed in times.images_per_second.items()]
    looking = table(("somebody looks", "images a second", "of headless"), speeds)
    return f"### {title}\n\n{table(('page', 'idle', 'while training'), rows)}\n{looking}"


def _times(ratios: pd.Series) -> str:
    return spread(ratios, bold=True)
