"""Runner: every contender of every workload in every repetition, in turns; what has been measured already is not
measured again.

Not here: what the contenders do, the table.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from engine.bench import bare, classic, fastai_loop, thaw
from engine.bench.experiment import Experiment, Result, prepare
from engine.bench.measurements import Key, Measurement, Measurements, Recipe
from engine.bench.workloads import AGAIN, TOGETHER, WORKLOADS, Workload
from engine.runconfig import RunConfig


def keys(recipe: Recipe, workloads: Sequence[Workload], *, repetitions: int, contenders: Sequence[str]) -> list[Key]:
    """What is to be measured: a training for the classic loop and fastai, a workload for the others.

    Workload by workload, so that what is compared is measured close together; who begins changes from repetition to
    repetition.
    """
    wanted = []
    for repetition in range(repetitions):
        turn = repetition % len(contenders)
        for workload in workloads:
            for contender in (*contenders[turn:], *contenders[:turn]):
                if contender == "fixed" and not workload.freezes:
                    continue
                for what in (workload.name,) if contender in TOGETHER else workload.trainings:
                    wanted.append(Key(contender=contender, what=what, repetition=repetition, recipe=recipe))
    return list(dict.fromkeys(wanted))


def measure(folder: Path, recipe: Recipe, wanted: Sequence[Key]) -> Measurements:
    """Everything of `wanted` that is missing in `folder`."""
    measurements = Measurements(folder)
    missing = [key for key in wanted if measurements.find(key) is None]
    if not missing:
        return measurements
    experiment = prepare(folder, recipe)
    workers = _warm_up(experiment, dict.fromkeys(key.contender for key in wanted))
    for number, key in enumerate(missing, 1):
        print(f"{number} of {len(missing)}: {key.contender}, {key.what}, repetition {key.repetition + 1}", flush=True)
        for contender, result in _run(experiment, key, workers):
            made = replace(key, contender=contender)
            measurements.add(
                Measurement(key=made, seconds=result.seconds, accuracy=result.accuracy, stages=result.stages)
            )
            print(f"    {contender}: {result.seconds:.2f} s, accuracy {result.accuracy:.3f}", flush=True)
    return measurements


def configs_of(experiment: Experiment, workload: Workload, repetition: int) -> list[RunConfig]:
    """The runs of a workload, the cheapest first."""
    seeds = range(workload.seeds * repetition, workload.seeds * (repetition + 1))
    return [experiment.config(training, seed) for training in workload.trainings for seed in seeds]


def _run(experiment: Experiment, key: Key, workers: int) -> Iterator[tuple[str, Result]]:
    """(contender, result); Thaw gives two, but neither before both are there, so that an interruption repeats both."""
    if key.contender in ("classic", "fixed"):
        fixed = key.contender == "fixed"
        yield key.contender, classic.train_classic(experiment, key.what, key.repetition, workers=workers, fixed=fixed)
    elif key.contender == "fastai":
        yield "fastai", fastai_loop.train_fastai(experiment, key.what, key.repetition, workers=workers)
    else:
        configs = configs_of(experiment, WORKLOADS[key.what], key.repetition)
        if key.contender == "bare":
            yield "bare", bare.train_bare(experiment, configs)
        else:
            cold, again = thaw.train_thaw(experiment, configs)
            yield from ((AGAIN, again), ("thaw", cold))  # the one whose absence is noticed comes last


def _warm_up(experiment: Experiment, contenders: Iterable[str]) -> int:
    """Everybody once, on few images for one epoch; how many processes decode for the classic loop and fastai."""
    workers = classic.faster_workers(experiment)
    print(f"The classic loop and fastai decode with {workers} workers, the faster of {classic.LOADER_WORKERS} here.")
    small = prepare(experiment.folder.parent, replace(experiment.recipe, images=8, epochs=1))
    for contender in contenders:
        for _ in _run(small, Key(contender=contender, what="linear_probe", recipe=small.recipe), workers):
            pass
    return workers
