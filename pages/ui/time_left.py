"""Forecast: how long a run and the queue will still take, from what was measured so far. Says nothing rather than
guess."""

from collections.abc import Mapping, Sequence
from statistics import median

from engine.store.run import Run

Rows = Sequence[Mapping[str, object]]
RECENT = 5
"""Epochs that count: earlier ones filled caches or belonged to another phase."""


def epoch_seconds(run: Run, rows: Rows) -> float | None:
    """Seconds one epoch takes now: measured, or from the speed of the first epoch under way; None before that."""
    measured = [_number(row.get("seconds")) for row in rows[-RECENT:]]
    if measured:
        return median(measured)
    speed = _number(run.progress.get("images_per_second"))
    images = _number((run.started or {}).get("train_images"))
    return images / speed if speed and images else None


def epochs_done(run: Run, rows: Rows) -> float:
    """Epochs behind the run, the share of the one under way included."""
    step, steps, epoch = (_number(run.progress.get(key)) for key in ("step", "steps", "epoch"))
    share = step / steps if steps and epoch > len(rows) else 0.0
    return len(rows) + min(share, 1.0)


def epochs_planned(run: Run) -> int:
    phases = (run.started or {}).get("phases")
    planned = sum(int(_number(phase.get("epochs"))) for phase in phases) if isinstance(phases, list) else 0
    return planned or run.config.epochs


def seconds_left(run: Run, rows: Rows) -> float | None:
    """Seconds to the end of training, or None while nothing has been measured."""
    pace = epoch_seconds(run, rows)
    return None if pace is None else max(0.0, epochs_planned(run) - epochs_done(run, rows)) * pace


def seconds_of_queued(run: Run, others: Mapping[str, tuple[Run, Rows]]) -> float | None:
    """What a queued run will take, judged by the closest run that was measured: same data, backbone and, if possible,
    strategy."""
    alike = [
        (other.config.strategy == run.config.strategy, pace)
        for other, rows in others.values()
        if (other.config.dataset, other.config.backbone) == (run.config.dataset, run.config.backbone)
        and (pace := epoch_seconds(other, rows)) is not None
    ]
    if not alike:
        return None
    same = [pace for equal, pace in alike if equal]
    return median(same or [pace for _, pace in alike]) * run.config.epochs


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
