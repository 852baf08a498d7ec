"""The learning rate as a pure function of the step. Loads without torch: the Configure page draws it too."""

import math

WARMUP_FLOOR = 1e-3
"""Share of the peak at which warm-up begins: the first step must move something."""


def factor(schedule: str, *, step: int, steps: int, warmup: float) -> float:
    """Share of the peak learning rate at `step` (0-based) of `steps`.

    cosine: linear warm-up, then half a cosine to zero (Loshchilov and Hutter 2017); step: a tenth after 60 % and a
    hundredth after 85 % of the steps; constant: the peak after warm-up.
    """
    warm_steps = math.floor(steps * warmup)
    if step < warm_steps:
        return WARMUP_FLOOR + (1 - WARMUP_FLOOR) * (step + 1) / (warm_steps + 1)
    if schedule == "constant":
        return 1.0
    share = (step - warm_steps) / max(1, steps - warm_steps)
    if schedule == "step":
        return 1.0 if share < 0.6 else 0.1 if share < 0.85 else 0.01
    return 0.5 * (1 + math.cos(math.pi * share))


def curve(schedule: str, *, warmup: float, points: int = 200) -> list[tuple[float, float]]:
    """(share of training, share of the peak rate)."""
    return [(step / (points - 1), factor(schedule, step=step, steps=points, warmup=warmup)) for step in range(points)]
