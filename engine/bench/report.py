"""Report: the page of results, written from the files of a bench and nothing else, so that no figure is typed by hand.

Loads without torch. Not here: measuring, the arithmetic of the table.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from engine.bench import plots
from engine.bench.arithmetic import Line, Spread, line, spread
from engine.bench.measurements import Key, Measurements
from engine.bench.rows import AGAIN, HEIGHT, OPERATION, OPERATIONS, PART, PROFILED, ROWS, SEEDS, TITLES, WIDTH
from engine.workspace import atomic_write

ABOUT, PAGES = "about.json", "pages.json"
GROWTH = "growth of "
_NO_GPU_NAMED = re.compile(r"\d+ cores, (\d+ GiB|unknown memory)")
"""In `machine`, where a GPU would stand between. Measurements of earlier versions say `auto` for the device that was
taken."""

_HEAD = """# Performance

Written by `python -m engine bench`; nothing on this page is typed by hand. Ratios are taken within a repetition, in
which everyone has
a turn and the order changes; tables show the median, and in brackets the smallest and the largest.

- **classic**: the loop of the notebooks: an image folder, decoded and cropped anew every epoch by the faster of 0 and
  2 workers, frozen
  layers that are merely not optimised, single precision, Adam at the same rate, validation every epoch, the best
  epoch kept. The
  BatchNorm statistics of its frozen layers drift, as they do there; Thaw fixes them. **classic, statistics fixed**,
  in the table of
  accuracies, is the same loop with that one thing put right.
- **fastai**: `vision_learner` with `freeze` or `unfreeze`, the same crop, head and starting weights, its other
  defaults untouched.
- **bare**: the mathematics of Thaw on images that lie decoded in memory: no files, no predictions, nothing kept on
  disk. The limit.
- **Thaw**: runs through the pipeline on a fresh workspace: decoding, training, checkpoints, audit, predictions,
  `result.csv`.
  **again**: the same once more on that workspace. The number format is measured once a machine, and importing the
  dataset checks every
  image; neither is counted.

"""
_RATES = """
Thaw and bare warm the learning rate up and let it fall along a cosine, the classic loop keeps it: where a probe has
only a few dozen
steps, a rate that falls learns less in them.
"""
_CONDITIONS = """## {images} training images, {epochs} epochs

`{command}`, {date}. {machine}. {threads} CPU thread(s) for everyone; {images} training and {validation} validation
images of {data},
{backbone} at {side}, {epochs} epochs, batches of {batch_size}, {repetitions} repetitions with a seed each.

"""


def write_report(folders: Sequence[Path], page: Path) -> Path:
    """Write `page` from what was measured in `folders`, its plots into a folder of its name beside it; returns the
    page."""
    parts = [_HEAD]
    for folder in folders:
        about, measurements = json.loads((folder / ABOUT).read_text()), Measurements(folder)
        like = Key(**about["like"])
        parts.append(_conditions(about, like, repetitions := _repetitions(measurements, like)))
        lines = [made for row in ROWS.values() if _measured(made := line(row, measurements, like, range(repetitions)))]
        if lines:
            parts += [_ratios(lines), _seconds(lines), _stages(measurements, like, repetitions), _accuracies(lines)]
        parts += [section for section in (_operations(measurements, like), _parts(measurements)) if section]
        figures = growth_plots(measurements, like)
        for name, text in figures.items():
            atomic_write(page.parent / page.stem / f"{name}.svg", text)
        if figures:
            parts.append(_growth(figures, page.stem))
        if (folder / PAGES).is_file():
            parts.append(page_table(json.loads((folder / PAGES).read_text()), like.backbone))
    nowhere_else = " Nothing on this page was measured on a GPU." if all(map(_on_cpu, folders)) else ""
    parts.insert(1, f"A dash stands for what was not measured.{nowhere_else}\n")
    atomic_write(page, "\n".join(parts))
    return page


def _stages(measurements: Measurements, like: Key, repetitions: int) -> str:
    """Where the time of Thaw goes, stage by stage of the pipeline: a row a line, the median over repetitions."""
    found: dict[str, dict[str, list[float]]] = {}
    for row in ROWS.values():
        for number in range(repetitions):
            made = measurements.find(replace(like, contender="thaw", what=row.name, repetition=number))
            for stage, seconds in dict(made.about.get("stages") or {}).items() if made else ():  # type: ignore[call-overload]
                found.setdefault(row.title, {}).setdefault(stage, []).append(seconds)
    if not found:
        return ""
    names = list(dict.fromkeys(stage for stages in found.values() for stage in stages))
    head = (
        "### Where the time of Thaw goes, in seconds\n\n| | "
        + " | ".join(names)
        + " |\n|---|"
        + "--:|" * len(names)
        + "\n"
    )
    rows = [
        f"| {title} | {' | '.join(_median(stages.get(name)) for name in names)} |\n" for title, stages in found.items()
    ]
    told = (
        "\nThe frozen part includes decoding its images for the first time, opening and loading the weights come "
        "before it.\n"
    )
    return head + "".join(rows) + told


def _median(values: list[float] | None) -> str:
    return f"{median(values):.2f}" if values else "–"


def _parts(measurements: Measurements) -> str:
    """The section on what each optimisation is worth; empty where that was not measured."""
    found: dict[str, dict[int, float]] = {}
    for made in measurements:
        if made.key.contender == PART:
            found.setdefault(made.key.what, {})[made.key.repetition] = made.seconds
    rows = []
    for name, title in TITLES.items():
        on, off = found.get(f"{name}, on", {}), found.get(f"{name}, off", {})
        if ratio := spread([off[number] / on[number] for number in on if number in off]):
            seconds = [_plain(spread(list(side.values())), ".2f") for side in (off, on)]
            rows.append(f"| {title} | {seconds[0]} | {seconds[1]} | {_times(ratio)} |")
    head = "### What each part is worth\n\n| | seconds without | seconds with | ratio |\n|---|--:|--:|--:|\n"
    return head + "\n".join(rows) + "\n" if rows else ""


def _operations(measurements: Measurements, like: Key) -> str:
    """The section on what the bare computation is made of; empty where that was not measured."""
    rows = []
    for name in PROFILED:
        found = {
            kind: measurements.find(replace(like, contender=OPERATION, what=f"{name}, {kind}"))
            for kind in (*OPERATIONS, "all")
        }
        seconds = {kind: made.seconds for kind, made in found.items() if made is not None}
        if whole := seconds.get("all"):
            rest = whole - sum(seconds[kind] for kind in OPERATIONS)
            shares = [f"{100 * spent / whole:.0f} %" for spent in (*(seconds[kind] for kind in OPERATIONS), rest)]
            rows.append(f"| {ROWS[name].title} | {whole:.2f} | {' | '.join(shares)} |")
    told = (
        "Shares of the bare computation by kernel, from torch's profiler: only other kernels, or other "
        "mathematics, could save them."
    )
    head = f"### What the limit is made of\n\n{told}\n\n| | seconds | {' | '.join(OPERATIONS)} | the rest |\n"
    return head + "|---|--:|" + "--:|" * (len(OPERATIONS) + 1) + "\n" + "\n".join(rows) + "\n" if rows else ""


def growth_plots(measurements: Measurements, like: Key) -> dict[str, str]:
    """Name -> SVG: milliseconds an image as images, and as epochs, become more; none where growth was not measured."""
    grown = [made for made in measurements if made.key.what.startswith(GROWTH) and made.key.backbone == like.backbone]
    if not grown:
        return {}
    fewest, usual = min(made.key.images for made in grown), like.epochs
    by_images = {made.key for made in grown if made.key.epochs == usual}
    by_epochs = {made.key for made in grown if made.key.images == fewest}
    figures = {}
    for name, keys, across in (("images", by_images, "training images"), ("epochs", by_epochs, "epochs")):
        series: dict[str, list[tuple[float, float]]] = {}
        for made in grown:
            if made.key in keys:
                x = float(getattr(made.key, name))
                series.setdefault(made.key.what.removeprefix(GROWTH), []).append(
                    (x, 1000 * made.seconds / made.key.images)
                )
        figures[name] = plots.lines(f"Milliseconds an image, all epochs, by {across}", across, "ms", series)
    return figures


def _on_cpu(folder: Path) -> bool:
    """Whether everything in `folder` is known to have been measured on a CPU."""
    about = json.loads((folder / ABOUT).read_text())
    auto_was_cpu = _NO_GPU_NAMED.search(about["machine"]) is not None
    used = {about["like"]["device"], *(made.key.device for made in Measurements(folder))}
    return all(device == "cpu" or (device == "auto" and auto_was_cpu) for device in used)


def page_table(pages: dict[str, Any], backbone: str) -> str:
    """The section on pages: how fast they answer, and what it costs training that somebody looks.

    `backbone` trained meanwhile where the file, of an earlier version, does not say so.
    """
    rows = [f"| {name} | {times['idle']:.0f} | {times['training']:.0f} |" for name, times in pages["reruns"].items()]
    speeds = pages["throughput"]["images_per_second"]
    threads = f" on {pages['threads']} CPU thread(s)" if "threads" in pages else ""
    alone = next(iter(speeds.values()))
    seen = [f"| {name} | {speed:.1f} | {100 * speed / alone:.0f} % |" for name, speed in speeds.items()]
    return "\n".join(
        [
            "### Pages\n",
            "95th percentile of the milliseconds from a key press to a page that stands still, idle and while "
            f"{pages.get('backbone', backbone)} trains{threads}:\n",
            *("| page | idle | while training |", "|---|--:|--:|", *rows, ""),
            *("| somebody looks | images a second | of headless |", "|---|--:|--:|", *seen, ""),
        ]
    )


def _conditions(about: dict[str, str], like: Key, repetitions: int) -> str:
    return _CONDITIONS.format(
        command=about["command"],
        date=about["date"],
        machine=about["machine"],
        threads=like.threads,
        images=like.images,
        validation=about["validation_images"],
        data=f"generated photographs ({WIDTH} by {HEIGHT} pixels)"
        if like.data == "generated"
        else f"the folder `{like.data}`",
        backbone=like.backbone,
        side=f"{about['side']} pixels",
        epochs=like.epochs,
        batch_size=like.batch_size,
        repetitions=repetitions,
    )


def _ratios(lines: list[Line]) -> str:
    head = (
        "| | classic / Thaw | target | classic / bare | fastai / Thaw | Thaw / bare | limit | classic / Thaw again |\n"
        "|---|--:|--:|--:|--:|--:|--:|--:|\n"
    )
    rows = [
        f"| {made.row.title} | {_times(made.classic)} | {_bound('≥', made.row.target, made.classic)} | "
        f"{_times(made.possible)} "
        f"| {_times(made.fastai)} | {_times(made.bare)} | {_bound('≤', made.row.limit, made.bare)} | "
        f"{_times(made.again)} |\n"
        for made in lines
    ]
    note = "\nClassic / bare is what a Thaw that takes no time for anything but the mathematics would reach.\n"
    note += (
        f"\nThe classic loop and fastai do several trainings one by one: their times add up, and {SEEDS} seeds "
        f"take {SEEDS} times one.\n"
    )
    return "### How many times as fast\n\n" + head + "".join(rows) + note


def _seconds(lines: list[Line]) -> str:
    names = ("classic", "fastai", "bare", "thaw", AGAIN)
    head = "### Seconds\n\n| | classic | fastai | bare | Thaw | again |\n|---|--:|--:|--:|--:|--:|\n"
    return head + "".join(
        f"| {made.row.title} | {' | '.join(_plain(made.seconds[name], '.2f') for name in names)} |\n" for made in lines
    )


def _accuracies(lines: list[Line]) -> str:
    names = ("classic", "fixed", "fastai", "bare", "thaw")
    title = "### Validation accuracy, the mean over seeds, in brackets their range\n\n"
    head = f"{title}| | classic | classic, statistics fixed | fastai | bare | Thaw |\n|---|--:|--:|--:|--:|--:|\n"
    rows = [
        f"| {made.row.title} | {' | '.join(_plain(made.accuracy[name], '.3f') for name in names)} |\n" for made in lines
    ]
    return head + "".join(rows) + _RATES


def _growth(figures: Iterable[str], folder: str) -> str:
    shown = "\n\n".join(f"![Milliseconds an image by {name}]({folder}/{name}.svg)" for name in figures)
    told = (
        "Thaw alone, fresh workspaces, whole runs: a flat line by images means that twice the images take twice "
        "the time."
    )
    return f"### How the cost grows\n\n{told}\n\n{shown}\n"


def _times(found: Spread | None) -> str:
    return "–" if found is None else f"**{found.middle:.2f}** ({found.low:.2f}–{found.high:.2f})"


def _plain(found: Spread | None, form: str) -> str:
    return "–" if found is None else f"{found.middle:{form}} ({found.low:{form}}–{found.high:{form}})"


def _bound(sign: str, bound: float | None, found: Spread | None) -> str:
    if bound is None:
        return "–"
    kept = (
        ""
        if found is None
        else " met"
        if (found.middle >= bound if sign == "≥" else found.middle <= bound)
        else " missed"
    )
    return f"{sign} {bound:g}{kept}"


def _measured(made: Line) -> bool:
    return any(found is not None for found in made.seconds.values())


def _repetitions(measurements: Measurements, like: Key) -> int:
    same = ("images", "epochs", "backbone", "image_size", "threads", "batch_size", "device", "data")
    numbers = [
        made.key.repetition
        for made in measurements
        if all(getattr(made.key, name) == getattr(like, name) for name in same)
    ]
    return 1 + max(numbers, default=0)
