"""Runner: every contender of every row in every repetition, in turns; what has been measured already is not measured
again.

Not here: what the contenders do, the table.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from engine.bench import bare, classic, fastai_loop, thaw
from engine.bench.measurements import Key, Measurement, Measurements
from engine.bench.outcome import Outcome
from engine.bench.rows import AGAIN, CONTENDERS, ROWS, Row
from engine.bench.setting import Recipe, Setting, prepare
from engine.runconfig import RunConfig

Say = Callable[[str], None]
GROWTH_TRAININGS = ("linear_probe", "last_block")
GROWTH_IMAGES = (250, 500, 1000, 2000, 4000)
GROWTH_EPOCHS = (5, 10, 20, 40)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One thing to measure: a training for the classic loop and fastai, a row for the others."""

    contender: str
    what: str
    repetition: int


def key_of(recipe: Recipe, contender: str, what: str, repetition: int) -> Key:
    return Key(
        contender=contender,
        what=what,
        repetition=repetition,
        images=recipe.images,
        epochs=recipe.epochs,
        backbone=recipe.backbone,
        image_size=recipe.image_size,
        threads=recipe.threads,
        batch_size=recipe.batch_size,
        device=recipe.device,
        data=recipe.data,
    )


def jobs(rows: list[Row], repetitions: int, contenders: tuple[str, ...]) -> Iterator[Job]:
    """Row by row, so that what is compared is measured close together; who begins changes from repetition to
    repetition."""
    for repetition in range(repetitions):
        turn = repetition % len(contenders)
        order = (*contenders[turn:], *contenders[:turn])
        done: set[Job] = set()
        for row in rows:
            for contender in order if row.freezes else [name for name in order if name != "fixed"]:
                for what in (row.name,) if contender in ("bare", "thaw") else row.trainings:
                    job = Job(contender=contender, what=what, repetition=repetition)
                    if job not in done:
                        done.add(job)
                        yield job


def contenders_here(without: tuple[str, ...]) -> tuple[str, ...]:
    """Those that are asked for and installed."""
    return tuple(name for name in CONTENDERS if name not in without and (name != "fastai" or fastai_loop.installed()))


def measure(
    folder: Path, recipe: Recipe, rows: list[Row], repetitions: int, contenders: tuple[str, ...], say: Say
) -> Measurements:
    """Everything that is missing in `folder`."""
    measurements = Measurements(folder)
    wanted = list(jobs(rows, repetitions, contenders))
    missing = [
        job for job in wanted if measurements.find(key_of(recipe, job.contender, job.what, job.repetition)) is None
    ]
    if not missing:
        return measurements
    setting = prepare(folder, recipe)
    workers = _workers(measurements, setting, say)
    _warm_up(setting, contenders, workers)
    for number, job in enumerate(missing):
        say(f"{number + 1} of {len(missing)}: {job.contender}, {job.what}, repetition {job.repetition + 1}")
        for contender, outcome in _do(setting, job, workers):
            made = Measurement(
                key=key_of(recipe, contender, job.what, job.repetition),
                seconds=outcome.seconds,
                accuracy=outcome.accuracy,
                about=outcome.about,
            )
            measurements.add(made)
            say(f"    {contender}: {outcome.seconds:.2f} s, accuracy {outcome.accuracy:.3f}")
    return measurements


def configs_of(setting: Setting, row: Row, repetition: int) -> list[RunConfig]:
    """The runs of a row, the cheapest first."""
    seeds = (
        range(repetition, repetition + 1)
        if row.seeds == 1
        else range(row.seeds * repetition, row.seeds * (repetition + 1))
    )
    return [setting.config(training, seed) for training in row.trainings for seed in seeds]


def measure_growth(
    folder: Path,
    recipe: Recipe,
    say: Say,
    *,
    trainings: tuple[str, ...],
    images: tuple[int, ...],
    epochs: tuple[int, ...],
) -> Measurements:
    """Thaw alone, as images and as epochs become more; everything else stays as in `recipe`."""
    measurements = Measurements(folder)
    steps = [replace(recipe, images=count) for count in images]
    steps += [replace(recipe, images=images[0], epochs=count) for count in epochs]
    for step in steps:
        for training in trainings:
            key = key_of(step, "thaw", f"growth of {training}", 0)
            if measurements.find(key) is None:
                setting = prepare(folder, step)
                with setting.fresh_workspace() as workspace:
                    outcome = thaw.run_queue(setting, workspace, [setting.config(training, 0)])
                measurements.add(
                    Measurement(key=key, seconds=outcome.seconds, accuracy=outcome.accuracy, about=outcome.about)
                )
                say(f"{training}, {step.images} images, {step.epochs} epochs: {outcome.seconds:.2f} s")
    return measurements


def _do(setting: Setting, job: Job, workers: int) -> Iterator[tuple[str, Outcome]]:
    """(contender, outcome); Thaw gives two, but neither before both are there, so that an interruption repeats both."""
    if job.contender in ("classic", "fixed"):
        fixed = job.contender == "fixed"
        yield job.contender, classic.train_classic(setting, job.what, job.repetition, workers=workers, fixed=fixed)
    elif job.contender == "fastai":
        yield "fastai", fastai_loop.train_fastai(setting, job.what, job.repetition, workers=workers)
    elif job.contender == "bare":
        yield "bare", bare.train_bare(setting, configs_of(setting, ROWS[job.what], job.repetition))
    else:
        cold, again = thaw.train_thaw(setting, configs_of(setting, ROWS[job.what], job.repetition))
        yield from ((AGAIN, again), ("thaw", cold))  # the one whose absence is noticed comes last


def _workers(measurements: Measurements, setting: Setting, say: Say) -> int:
    """How many processes decode for the classic loop and fastai; measured once a folder and recipe."""
    key = key_of(setting.recipe, "classic", "loader workers", 0)
    known = measurements.find(key)
    if known is None:
        chosen = classic.faster_workers(setting)
        known = Measurement(key=key, seconds=0.0, about={"workers": chosen})
        measurements.add(known)
    workers = int(str(known.about["workers"]))
    say(f"The classic loop and fastai decode with {workers} workers, the faster of {classic.LOADER_WORKERS} here.")
    return workers


def _warm_up(setting: Setting, contenders: tuple[str, ...], workers: int) -> None:
    """Everybody once, on few images for one epoch."""
    small = prepare(setting.folder.parent, replace(setting.recipe, images=8, epochs=1))
    for contender in contenders:
        for _ in _do(small, Job(contender=contender, what="linear_probe", repetition=0), workers):
            pass
