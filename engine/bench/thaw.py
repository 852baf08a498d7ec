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
from dataclasses import dataclass

from engine import devices
from engine.bench.outcome import Outcome
from engine.bench.setting import Setting
from engine.runconfig import RunConfig
from engine.runs.pipeline import execute
from engine.store.database import Json
from engine.store.process_identity import this_process
from engine.store.run_store import RunStore
from engine.workspace import Workspace

_TOP = 25


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Where the time of a row goes."""

    cold: Outcome
    again: Outcome
    calls: str
    """The functions that took longest, with what they called, when the row ran a third time on a fresh workspace."""


def train_thaw(setting: Setting, configs: Sequence[RunConfig]) -> tuple[Outcome, Outcome]:
    """All `configs` one after the other on one fresh workspace, and the same again."""
    with setting.fresh_workspace() as workspace:
        return run_queue(setting, workspace, configs), run_queue(setting, workspace, configs)


def run_queue(setting: Setting, workspace: Workspace, configs: Sequence[RunConfig]) -> Outcome:
    """From the first run to the last event of the last one. All wait in the queue from the start, as a comparison
    leaves them there."""
    stages: dict[str, float] = defaultdict(float)
    store, accuracies = RunStore(workspace), []
    started = time.perf_counter()
    for config in configs:
        store.enqueue(config)
    while (run := store.claim(str(devices.pick(setting.recipe.device)), this_process())) is not None:
        before = time.perf_counter()
        for event in execute(run, workspace, device=setting.recipe.device):
            now = time.perf_counter()
            stages[_stage(event)] += now - before
            before = now
            if event["event"] == "finished":
                accuracies.append(event["summary"]["val_accuracy"])
        stages["result.csv"] += time.perf_counter() - before
        store.finish(run.id, "finished")
    seconds = time.perf_counter() - started
    rounded = {name: round(spent, 4) for name, spent in stages.items()}
    return Outcome(seconds=seconds, accuracy=sum(accuracies) / len(accuracies), about={"stages": rounded})


def profile(setting: Setting, configs: Sequence[RunConfig]) -> Profile:
    """The stages of the pipeline in seconds, and the functions behind them."""
    cold, again = train_thaw(setting, configs)
    recorder, text = cProfile.Profile(), io.StringIO()
    with setting.fresh_workspace() as workspace, recorder:
        run_queue(setting, workspace, configs)
    pstats.Stats(recorder, stream=text).sort_stats("cumulative").print_stats(_TOP)
    return Profile(cold=cold, again=again, calls=text.getvalue())


def _stage(event: Json) -> str:
    """What came before this event."""
    kind = str(event["event"])
    names = {"started": "opening", "step": "training", "epoch": "validation and checkpoint", "finished": "answers"}
    return str(event.get("stage", kind)) if kind == "progress" else names.get(kind, kind)
