"""Operations: which kernels the bare computation spends its time in: what they take, nobody who computes the same can
save.

Not here: the table (report).
"""

from pathlib import Path

from torch.profiler import ProfilerActivity, profile

from engine.bench.bare import train_bare
from engine.bench.experiment import prepare
from engine.bench.measurements import Key, Measurement, Measurements, Recipe
from engine.bench.runner import configs_of
from engine.bench.workloads import OPERATION, OPERATIONS, PROFILED, WORKLOADS


def measure_operations(folder: Path, recipe: Recipe) -> None:
    """Seconds of the workloads of PROFILED by kind of operation, where that is missing in `folder`."""
    measurements, experiment = Measurements(folder), prepare(folder, recipe)
    on_cpu = experiment.place.type == "cpu"
    for name in PROFILED:
        key = Key(contender=OPERATION, what=name, recipe=recipe)
        if measurements.find(key) is not None:
            continue
        configs = configs_of(experiment, WORKLOADS[name], 0)
        train_bare(experiment, configs[:1])  # the first of all pays for loading kernels
        with profile(activities=[ProfilerActivity.CPU, *([] if on_cpu else [ProfilerActivity.CUDA])]) as recorded:
            result = train_bare(experiment, configs)
        seconds = dict.fromkeys(OPERATIONS, 0.0)
        for operation in recorded.key_averages():
            spent = operation.self_cpu_time_total if on_cpu else operation.self_device_time_total
            for kind, names in OPERATIONS.items():
                seconds[kind] += spent / 1e6 * (operation.key in names)
        measurements.add(Measurement(key=key, seconds=result.seconds, stages=seconds))
        told = ", ".join(f"{kind} {spent:.2f} s" for kind, spent in seconds.items())
        print(f"operations of {name}: {told}, all {result.seconds:.2f} s", flush=True)
