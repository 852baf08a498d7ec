"""Runner: every contender of every workload in every repetition, in turns; what has been measured already is not
measured again.

Not here: what the contenders do, the table.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from engine.bench import bare_loop, classic, fastai_loop, parts, thaw
from engine.bench.experiment import Experiment, Result, prepare
from engine.bench.measurements import Key, Measurement, Measurements, Recipe
from engine.bench.workloads import AGAIN, CONTENDERS, TOGETHER, WORKLOADS, Workload


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


def measure_workloads(folder: Path, recipe: Recipe, wanted: Sequence[Key]) -> Measurements:
    """Everything of `wanted` that is missing in `folder`."""
    measurements = Measurements(folder)
    missing = [key for key in wanted if measurements.find(key) is None]
    if not missing:
        return measurements
    experiment = prepare(folder, recipe)
    warm = [name for name in CONTENDERS if any(key.contender == name for key in wanted)]
    workers = _warm_up(experiment, warm) if warm else 0
    for number, key in enumerate(missing, 1):
        print(f"{number} of {len(missing)}: {key.contender}, {key.what}, repetition {key.repetition + 1}", flush=True)
        for contender, result in _run(experiment, key, workers):
            measurements.add(
                Measurement(
                    key=replace(key, contender=contender),
                    seconds=result.seconds,
                    accuracy=result.accuracy,
                    stages=result.stages,
                )
            )
            print(f"    {contender}: {result.seconds:.2f} s, accuracy {result.accuracy:.3f}", flush=True)
    return measurements


def _run(experiment: Experiment, key: Key, workers: int) -> Iterator[tuple[str, Result]]:
    """(contender, result); Thaw gives two, but neither before both are there, so that an interruption repeats both."""
    if key.contender in ("classic", "fixed"):
        fixed = key.contender == "fixed"
        yield key.contender, classic.train_classic(experiment, key.what, key.repetition, workers=workers, fixed=fixed)
    elif key.contender in (parts.PART, parts.WITHOUT_PART):
        yield key.contender, parts.train_part(experiment, key)
    elif key.contender == "fastai":
        yield "fastai", fastai_loop.train_fastai(experiment, key.what, key.repetition, workers=workers)
    else:
        workload = WORKLOADS[key.what]
        configs = experiment.configs(workload.trainings, seeds=workload.seeds, repetition=key.repetition)
        if key.contender == "bare":
            yield "bare", bare_loop.train_bare(experiment, configs)
        else:
            cold, again = thaw.train_thaw(experiment, configs)
            yield from ((AGAIN, again), ("thaw", cold))  # the one whose absence is noticed comes last


def _warm_up(experiment: Experiment, contenders: Sequence[str]) -> int:
    """Everybody once, on few images for one epoch; how many processes decode for the classic loop and fastai."""
    workers = classic.faster_workers(experiment)
    print(f"The classic loop and fastai decode with {workers} workers, the faster of {classic.LOADER_WORKERS} here.")
    small = prepare(experiment.folder.parent, replace(experiment.recipe, images=8, epochs=1))
    for contender in contenders:
        for _ in _run(small, Key(contender=contender, what="linear_probe", recipe=small.recipe), workers):
            pass
    return workers
