"""Report: the page of results, written from the files of a bench and nothing else, so that no figure is typed by hand.

Loads without torch. Not here: measuring, the arithmetic of the table.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from engine import record_files
from engine.bench.arithmetic import Line, Spread, line, ratio, repetitions, spread
from engine.bench.measurements import ABOUT, PAGES, About, Key, Measurements, PageTimes, Recipe
from engine.bench.plots import line_plot
from engine.bench.workloads import (
    AGAIN,
    GROWTH,
    HEIGHT,
    OPERATION,
    OPERATIONS,
    PART,
    PROFILED,
    SEEDS,
    TITLES,
    WIDTH,
    WITHOUT_PART,
    WORKLOADS,
)
from engine.workspace import atomic_write

_HEAD = """# Performance

Written by `python -m engine bench`; nothing on this page is typed by hand. Ratios are taken within a repetition, in
which everyone has a turn and the order changes; tables show the median, and in brackets the smallest and the largest.

- **classic**: the loop of the notebooks: an image folder, decoded and cropped anew every epoch by the faster of 0 and
  2 workers, frozen layers that are merely not optimised, single precision, Adam at the same rate, validation every
  epoch, the best epoch kept. The BatchNorm statistics of its frozen layers drift, as they do there; Thaw fixes them.
  **classic, statistics fixed**, in the table of accuracies, is the same loop with that one thing put right.
- **fastai**: `vision_learner` with `freeze` or `unfreeze`, the same crop, head and starting weights, its other
  defaults untouched.
- **bare**: the mathematics of Thaw on images that lie decoded in memory: no files, no predictions, nothing kept on
  disk. The limit.
- **Thaw**: runs through the pipeline on a fresh workspace: decoding, training, checkpoints, audit, predictions,
  `result.csv`. **again**: the same once more on that workspace. The number format is measured once a machine, and
  importing the dataset checks every image; neither is counted.

"""
_RATES = """
Thaw and bare warm the learning rate up and let it fall along a cosine, the classic loop keeps it: where a probe has
only a few dozen steps, a rate that falls learns less in them.
"""


def write_report(folders: Sequence[Path], page: Path) -> Path:
    """Write `page` from what was measured in `folders`, its plots into a folder of its name beside it; returns the
    page."""
    sections = [_HEAD, "A dash stands for what was not measured."]
    if all(made.key.recipe.device == "cpu" for folder in folders for made in Measurements(folder)):
        sections[-1] += " Nothing on this page was measured on a GPU."
    for folder in folders:
        sections += _sections(folder, page)
    atomic_write(page, "\n\n".join(section.strip() for section in sections if section) + "\n")
    return page


def _sections(folder: Path, page: Path) -> list[str]:
    """What was measured in one folder; "" for what was not."""
    about, measurements = record_files.read(folder / ABOUT, About), Measurements(folder)
    recipe = about.recipe
    sections = [_conditions(about, repetitions(measurements, recipe))]
    lines = [line(workload, measurements, recipe) for workload in WORKLOADS.values()]
    if lines := [made for made in lines if any(made.measured.values())]:
        sections += [_ratios(lines), _seconds(lines), _stages(lines), _accuracies(lines)]
    sections += [_operations(measurements, recipe), _parts(measurements), _growth(measurements, recipe, page)]
    if (folder / PAGES).is_file():
        sections.append(_pages(record_files.read(folder / PAGES, PageTimes)))
    return sections


def _conditions(about: About, repetitions: int) -> str:
    recipe = about.recipe
    data = f"the folder `{recipe.data}`" if recipe.source else f"generated photographs ({WIDTH} by {HEIGHT} pixels)"
    return (
        f"## {recipe.images} training images, {recipe.epochs} epochs\n\n`{about.command}`, {about.date}. "
        f"{about.machine}. {recipe.threads} CPU thread(s) for everyone; {recipe.images} training and "
        f"{recipe.validation_images} validation images of {data}, {recipe.backbone} at {about.side} pixels, "
        f"{recipe.epochs} epochs, batches of {recipe.batch_size}, {repetitions} repetitions with a seed each."
    )


def _ratios(lines: Sequence[Line]) -> str:
    heads = (
        *("classic / Thaw", "target", "classic / bare", "fastai / Thaw", "Thaw / bare", "limit"),
        "classic / Thaw again",
    )
    rows = []
    for made in lines:
        classic, bare = made.ratio("classic", "thaw"), made.ratio("thaw", "bare")
        target, limit = made.workload.target, made.workload.limit
        cells = (
            *(
                _times(classic),
                _bound("≥", target, met=None if classic is None or target is None else classic.middle >= target),
            ),
            *(_times(made.ratio("classic", "bare")), _times(made.ratio("fastai", "thaw"))),
            *(_times(bare), _bound("≤", limit, met=None if bare is None or limit is None else bare.middle <= limit)),
            _times(made.ratio("classic", AGAIN)),
        )
        rows.append((made.workload.title, *cells))
    return (
        f"### How many times as fast\n\n{_table(heads, rows)}\n"
        "Classic / bare is what a Thaw that takes no time for anything but the mathematics would reach.\n\n"
        f"The classic loop and fastai do several trainings one by one: their times add up, and {SEEDS} seeds "
        f"take {SEEDS} times one."
    )


def _seconds(lines: Sequence[Line]) -> str:
    names = ("classic", "fastai", "bare", "thaw", AGAIN)
    rows = [(made.workload.title, *(_plain(made.seconds(name), ".2f") for name in names)) for made in lines]
    return "### Seconds\n\n" + _table(("classic", "fastai", "bare", "Thaw", "again"), rows)


def _stages(lines: Sequence[Line]) -> str:
    """Where the time of Thaw goes, stage by stage of the pipeline: a workload a line, the median over repetitions."""
    seconds: dict[str, dict[str, list[float]]] = {}
    for made in lines:
        for measurement in made.measured["thaw"].values():
            for stage, spent in measurement.stages.items():
                seconds.setdefault(made.workload.title, {}).setdefault(stage, []).append(spent)
    if not seconds:
        return ""
    names = list(dict.fromkeys(stage for stages in seconds.values() for stage in stages))
    rows = [
        (title, *(f"{median(stages[name]):.2f}" if name in stages else "–" for name in names))
        for title, stages in seconds.items()
    ]
    return (
        f"### Where the time of Thaw goes, in seconds\n\n{_table(names, rows)}\n"
        "The frozen part includes decoding its images for the first time, opening and loading the weights come before "
        "it."
    )


def _accuracies(lines: Sequence[Line]) -> str:
    names = ("classic", "fixed", "fastai", "bare", "thaw")
    heads = ("classic", "classic, statistics fixed", "fastai", "bare", "Thaw")
    rows = [(made.workload.title, *(_plain(made.accuracy(name), ".3f") for name in names)) for made in lines]
    title = "### Validation accuracy, the mean over seeds, in brackets their range"
    return f"{title}\n\n{_table(heads, rows)}{_RATES}"


def _operations(measurements: Measurements, recipe: Recipe) -> str:
    """What the bare computation is made of."""
    rows = []
    for name in PROFILED:
        if made := measurements.find(Key(contender=OPERATION, what=name, recipe=recipe)):
            spent = [made.stages[kind] for kind in OPERATIONS]
            shares = [f"{100 * part / made.seconds:.0f} %" for part in (*spent, made.seconds - sum(spent))]
            rows.append((WORKLOADS[name].title, f"{made.seconds:.2f}", *shares))
    told = (
        "Shares of the bare computation by kernel, from torch's profiler: only other kernels, or other mathematics, "
        "could save them."
    )
    heads = ("seconds", *OPERATIONS, "the rest")
    return f"### What the limit is made of\n\n{told}\n\n{_table(heads, rows)}" if rows else ""


def _parts(measurements: Measurements) -> str:
    """What each optimisation is worth."""
    seconds: dict[tuple[str, str], dict[int, float]] = {}
    for made in measurements:
        seconds.setdefault((made.key.contender, made.key.what), {})[made.key.repetition] = made.seconds
    rows = []
    for name, title in TITLES.items():
        off, on = (seconds.get((contender, name), {}) for contender in (WITHOUT_PART, PART))
        if times := ratio(off, on):
            sides = [_plain(spread(list(side.values())), ".2f") for side in (off, on)]
            rows.append((title, *sides, _times(times)))
    heads = ("seconds without", "seconds with", "ratio")
    return f"### What each part is worth\n\n{_table(heads, rows)}" if rows else ""


def _growth(measurements: Measurements, recipe: Recipe, page: Path) -> str:
    """How the cost grows, with a plot by images and one by epochs beside the page."""
    pictures = []
    for name, x_label in (("images", "training images"), ("epochs", "epochs")):
        if series := growth_series(measurements, recipe, by=name):
            title = f"Milliseconds an image, all epochs, by {x_label}"
            plot = line_plot(title, x_label, "ms", series=series)
            atomic_write(page.parent / page.stem / f"{name}.svg", plot)
            pictures.append(f"![Milliseconds an image by {name}]({page.stem}/{name}.svg)")
    told = "Thaw alone, fresh workspaces, whole runs: level by images means that twice the images take twice the time."
    return "\n\n".join(["### How the cost grows", told, *pictures]) if pictures else ""


def growth_series(measurements: Measurements, recipe: Recipe, *, by: str) -> dict[str, list[tuple[float, float]]]:
    """Training -> (images or epochs, milliseconds an image), the other as it usually is; {} where nothing grew."""
    grown = [
        made for made in measurements if made.key.contender == GROWTH and made.key.recipe.backbone == recipe.backbone
    ]
    fewest = min((made.key.recipe.images for made in grown), default=0)
    series: dict[str, list[tuple[float, float]]] = {}
    for made in grown:
        images, epochs = made.key.recipe.images, made.key.recipe.epochs
        if epochs == recipe.epochs if by == "images" else images == fewest:
            x = images if by == "images" else epochs
            series.setdefault(made.key.what, []).append((x, 1000 * made.seconds / images))
    return series


def _pages(times: PageTimes) -> str:
    """How fast pages answer, and what it costs training that somebody looks."""
    rows = [(name, f"{idle:.0f}", f"{times.training[name]:.0f}") for name, idle in times.idle.items()]
    alone = next(iter(times.images_per_second.values()))
    speeds = [(name, f"{speed:.1f}", f"{100 * speed / alone:.0f} %") for name, speed in times.images_per_second.items()]
    return (
        "### Pages\n\n95th percentile of the milliseconds from a key press to a page that stands still, idle and while "
        f"{times.backbone} trains on {times.threads} CPU thread(s):\n\n"
        f"{_table(('idle', 'while training'), rows, first='page')}\n"
        f"{_table(('images a second', 'of headless'), speeds, first='somebody looks')}"
    )


def _table(heads: Iterable[str], rows: Iterable[Sequence[str]], *, first: str = "") -> str:
    """Rows of a title and numbers in Markdown; `heads` of the numbers."""
    heads = (first, *heads)
    lines = [heads, ("---", *["--:"] * (len(heads) - 1)), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _times(times: Spread | None) -> str:
    return "–" if times is None else f"**{times.middle:.2f}** ({times.low:.2f}–{times.high:.2f})"


def _plain(values: Spread | None, form: str) -> str:
    return "–" if values is None else f"{values.middle:{form}} ({values.low:{form}}–{values.high:{form}})"


def _bound(sign: str, bound: float | None, *, met: bool | None) -> str:
    """A bound and whether it is kept; `met` is None where that was not measured."""
    if bound is None:
        return "–"
    return f"{sign} {bound:g}{'' if met is None else ' met' if met else ' missed'}"
