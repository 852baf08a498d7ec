"""Runner: every contender of every workload in every repetition, in turns; what has been measured already is not
measured again.

Not here: what the contenders do, the table.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from engine.bench import parts, whole_commands
from engine.bench.contenders import bare_loop, classic, fastai_loop, thaw
from engine.bench.contenders.assignment import Result
from engine.bench.experiment import Experiment, prepare
from engine.bench.measurements import Key, Measurement, Measurements, Recipe
from engine.bench.workloads import (
    AGAIN,
    CONTENDERS,
    DEFAULTS,
    FIRST_START,
    OTHERS,
    TOGETHER,
    WORKLOADS,
    Workload,
    seeds_of,
)


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


def first_start_keys(recipe: Recipe, *, repetitions: int) -> list[Key]:
    """Thaw and the classic loop as whole commands, who begins changing, and importing the images once."""
    return [Key(contender="thaw", what="import", recipe=recipe, whole=True)] + [
        Key(contender=contender, what=what, repetition=repetition, recipe=recipe, whole=True)
        for repetition in range(repetitions)
        for what in FIRST_START
        for contender in (("thaw", "classic") if repetition % 2 else ("classic", "thaw"))
    ]


def accuracy_keys(
    recipe: Recipe, strategies: Sequence[str], *, repetitions: int, without: Sequence[str] = ()
) -> list[Key]:
    """Thaw at its defaults and the others as whole commands, a seed each repetition where seeds differ; importing the
    images once."""
    entrants = [*((DEFAULTS, strategy) for strategy in strategies), *OTHERS]
    return [Key(contender="thaw", what="import", recipe=recipe, whole=True)] + [
        Key(contender=contender, what=what, repetition=repetition, recipe=recipe, whole=True)
        for repetition in range(repetitions)
        for contender, what in entrants
        if contender not in without and repetition < seeds_of(contender, what)
    ]


def measure_workloads(folder: Path, recipe: Recipe, wanted: Sequence[Key]) -> Measurements:
    """Everything of `wanted` that is missing in `folder`."""
    measurements = Measurements(folder)
    missing = [key for key in wanted if measurements.find(key) is None]
    if not missing:
        return measurements
    experiment = prepare(folder, recipe)
    warm = [name for name in CONTENDERS if any(key.contender == name and not key.whole for key in wanted)]
    workers = _warm_up(experiment, warm) if warm or any(key.whole for key in wanted) else 0
    for number, key in enumerate(missing, 1):
        print(f"{number} of {len(missing)}: {key.contender}, {key.what}, repetition {key.repetition + 1}", flush=True)
        for contender, result in _run(experiment, key, workers):
            measurements.add(
                Measurement(
                    key=replace(key, contender=contender),
                    seconds=result.seconds,
                    accuracy=result.accuracy,
                    stages=result.stages,
                    answers=result.answers,
                )
            )
            print(f"    {contender}: {result.seconds:.2f} s, accuracy {result.accuracy:.3f}", flush=True)
    return measurements


def _run(experiment: Experiment, key: Key, workers: int) -> Iterator[tuple[str, Result]]:
    """(contender, result); Thaw gives two, but neither before both are there, so that an interruption repeats both."""
    if key.whole:
        yield key.contender, whole_commands.run_whole(experiment, key, workers)
    elif key.contender in ("classic", "fixed"):
        fixed = key.contender == "fixed"
        given = experiment.assignment(key.what, key.repetition, workers=workers, fixed=fixed)
        yield key.contender, classic.train_classic(given)
    elif key.contender in (parts.PART, parts.WITHOUT_PART):
        yield key.contender, parts.train_part(experiment, key)
    elif key.contender == "fastai":
        given = experiment.assignment(key.what, key.repetition, workers=workers)
        yield "fastai", fastai_loop.train_fastai(given)
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
    workers = classic.faster_workers(experiment.assignment("linear_probe", 0))
    print(f"The classic loop and fastai decode with {workers} workers, the faster of {classic.LOADER_WORKERS} here.")
    if not contenders:
        return workers
    small = prepare(experiment.folder.parent, replace(experiment.recipe, images=8, epochs=1))
    for contender in contenders:
        for _ in _run(small, Key(contender=contender, what="linear_probe", recipe=small.recipe), workers):
            pass
    return workers
