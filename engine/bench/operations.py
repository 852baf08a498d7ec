"""Operations: which kernels the bare computation spends its time in: what they take, nobody who computes the same can
save.

Not here: the table (report).
"""

from pathlib import Path

from torch.profiler import ProfilerActivity, profile

from engine.bench import bare
from engine.bench.measurements import Measurement, Measurements
from engine.bench.rows import OPERATION, OPERATIONS, PROFILED, ROWS
from engine.bench.runner import Say, configs_of, key_of
from engine.bench.setting import Recipe, prepare


def measure_operations(folder: Path, recipe: Recipe, say: Say) -> Measurements:
    """Seconds of every kind of operation in the rows of PROFILED, and `all` of the row, where that is missing in
    `folder`."""
    measurements, setting = Measurements(folder), prepare(folder, recipe)
    on_cpu = setting.place.type == "cpu"
    for name in PROFILED:
        if measurements.find(key_of(recipe, OPERATION, f"{name}, all", 0)) is not None:
            continue
        configs = configs_of(setting, ROWS[name], 0)
        bare.train_bare(setting, configs[:1])  # the first of all pays for loading kernels
        with profile(
            activities=[ProfilerActivity.CPU] if on_cpu else [ProfilerActivity.CPU, ProfilerActivity.CUDA]
        ) as recorded:
            outcome = bare.train_bare(setting, configs)
        seconds = dict.fromkeys(OPERATIONS, 0.0)
        for operation in recorded.key_averages():
            kind = next((kind for kind, names in OPERATIONS.items() if operation.key in names), None)
            if kind is not None:
                spent = operation.self_cpu_time_total if on_cpu else operation.self_device_time_total
                seconds[kind] += spent / 1e6
        for kind, spent in {**seconds, "all": outcome.seconds}.items():
            measurements.add(Measurement(key=key_of(recipe, OPERATION, f"{name}, {kind}", 0), seconds=spent))
        say(
            f"operations of {name}: {', '.join(f'{kind} {spent:.2f} s' for kind, spent in seconds.items())}, all "
            f"{outcome.seconds:.2f} s"
        )
    return measurements
