"""Thaw itself, as the dashboard's child runs it: RunConfigs through the pipeline, from the queue to result.csv.

Timed on a workspace in which nothing has been kept yet, then once more on the same one. Not here: the mathematics
(bare).
"""

import cProfile
import io
import pstats
import time
from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from engine.bench.contenders.assignment import Result
from engine.bench.experiment import Experiment
from engine.events import Epoch, Event, Finished, Progress, Started, Step
from engine.runconfig import RunConfig
from engine.runs.pipeline import execute
from engine.store.process_identity import this_process
from engine.store.run_store import RunStore
from engine.workspace import Workspace

_TOP = 25


def train_thaw(experiment: Experiment, configs: Sequence[RunConfig]) -> tuple[Result, Result]:
    """All `configs` one after the other on one fresh workspace, and the same again."""
    with experiment.fresh_workspace() as workspace:
        return run_queue(experiment, workspace, configs), run_queue(experiment, workspace, configs)


def run_queue(experiment: Experiment, workspace: Workspace, configs: Sequence[RunConfig]) -> Result:
    """From the first run to the last event of the last one. All wait in the queue from the start, as a comparison
    leaves them there."""
    stages: dict[str, float] = defaultdict(float)
    store, device, accuracies = RunStore(workspace), str(experiment.place), []
    started = time.perf_counter()
    for config in configs:
        store.enqueue(config)
    while (run := store.claim(device, this_process())) is not None:
        before = time.perf_counter()
        for event in execute(run, workspace, device=device):
            now = time.perf_counter()
            stages[_stage(event)] += now - before
            before = now
            if isinstance(event, Finished):
                accuracies.append(event.summary.val_accuracy or 0.0)
        stages["result.csv"] += time.perf_counter() - before
        store.finish(run.id, "finished")
    seconds = time.perf_counter() - started
    return Result(seconds=seconds, accuracy=fmean(accuracies), stages=stages)


def profile(experiment: Experiment, configs: Sequence[RunConfig]) -> str:
    """Where the time goes: the stages of the pipeline, on a fresh workspace and again, and the functions that took
    longest, with what they called, on another fresh one."""
    text = io.StringIO()
    for title, result in zip(("fresh workspace", "again"), train_thaw(experiment, configs), strict=True):
        print(f"{title}: {result.seconds:.3f} s", file=text)
        for stage, seconds in result.stages.items():
            print(f"  {seconds:9.3f} s  {stage}", file=text)
    with experiment.fresh_workspace() as workspace, cProfile.Profile() as recorder:
        run_queue(experiment, workspace, configs)
    pstats.Stats(recorder, stream=text).sort_stats("cumulative").print_stats(_TOP)
    return text.getvalue()


def _stage(event: Event) -> str:
    """What came before this event."""
    names = {Started: "opening", Step: "training", Epoch: "validation and checkpoint", Finished: "answers"}
    return event.stage if isinstance(event, Progress) else names.get(type(event), type(event).__name__.lower())
