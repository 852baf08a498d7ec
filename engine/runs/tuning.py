"""Tuning: a few learning rates tried on the same images before a run trains for good; validation chooses.

Every run tries as many, so that no strategy wins because one shared rate happens to suit it. Part of the pipeline. Not
here: the range test, which looks at the training loss only (training.lr_range).
"""

import json
import math
from collections.abc import Iterator

from engine.errors import TrainingError
from engine.runconfig import RunConfig
from engine.runs.recorder import TUNING
from engine.runs.session import Session
from engine.runs.sharing import Shared
from engine.store.database import Json
from engine.training.checkpoints import restore_tensors
from engine.training.events import Epoch
from engine.training.loop import fit
from engine.training.plan import scaled
from engine.training.state import Training
from engine.workspace import atomic_write

RATIO = 3.0


def tune(shared: Shared) -> Iterator[Json]:
    """Try the rates, write what came of them, and leave the session at its start with the best one. Nothing for a run
    that goes on.

    A time budget is one for tries and training: everyone may use an equal share, and training gets what the tries have
    left. TrainingError when every rate breaks the loss, and whenever something else than the rate ends a try.
    """
    session = shared.session
    count, begun = session.config.tune, session.training.position.epoch or session.training.position.step
    if count < 2 or begun:
        return
    if (session.folder / TUNING).is_file():
        session.training.position.spent = _spent(json.loads((session.folder / TUNING).read_text())["tries"])
        return
    if not session.splits["val"]:
        yield {
            "event": "note",
            "text": "There are no validation images to choose a learning rate by, so none was tried.",
        }
        return
    tries: list[Json] = []
    for number, factor in enumerate(factors(count), start=1):
        tries.append(
            {
                "factor": factor,
                "lr": factor * session.training.plan.phases[0].lr,
                "val_accuracy": None,
                "val_loss": None,
            }
        )
        stage = {"stage": f"learning rate {number} of {count}", "total": session.training.plan.epochs}
        for done in _attempt(shared, factor, tries[-1]):
            yield {"event": "progress", **stage, "done": done}
    best = chosen(tries, session.config.select)
    atomic_write(session.folder / TUNING, json.dumps({"factor": best["factor"], "tries": tries}, indent=1))
    set_back(session, best["factor"])
    session.training.position.spent = _spent(tries)
    yield {"event": "note", "text": sentence(tries, best)}


def chosen(tries: list[Json], select: str) -> Json:
    """The try that validation likes best; TrainingError when none came to an end."""
    whole = [made for made in tries if made["val_accuracy"] is not None]
    if not whole:
        rates = ", ".join(f"{made['lr']:.3g}" for made in tries)
        lower = f"{min(made['lr'] for made in tries) / 10:.3g}"
        raise TrainingError(
            f"The loss broke at every learning rate tried ({rates}). Start again with a learning rate of {lower}."
        )
    return max(whole, key=lambda made: _score(made, select))


def factors(count: int) -> tuple[float, ...]:
    """`count` factors, three apart, with the strategy's own rate in the middle."""
    return tuple(RATIO ** (number - (count - 1) / 2) for number in range(count))


def set_back(session: Session, factor: float) -> None:
    """The session at its very start, with all rates `factor` times what the strategy says."""
    training = session.training
    restore_tensors(training, session.before.tensors)
    fresh = Training(
        training.chain, training.outline, scaled(training.plan, factor), training.config, dtype=training.dtype
    )
    session.training = fresh


def sentence(tries: list[Json], best: Json) -> str:
    """What was tried, in words."""
    said = ", ".join(f"{made['lr']:.3g} ({_said(made)})" for made in tries)
    edge = " It is the last one on its side: one further out may be better." if best in (tries[0], tries[-1]) else ""
    how = (
        "until its share of the time budget was used up"
        if any(made.get("cut_short") for made in tries)
        else "for the whole training"
    )
    return f"Validation chose the learning rate {best['lr']:.3g}. Tried {how} each: {said}.{edge}"


def _attempt(shared: Shared, factor: float, made: Json) -> Iterator[int]:
    """Train for the whole plan, or while time is left, and note the best epoch in `made`; yields the epochs done."""
    session, own = shared.session, shared.session.training.plan
    set_back(session, factor)
    training = session.training
    training.position.spent = before = _all_but_a_share(session.config)
    try:
        for event in fit(training, shared.training(), shared.source("val")):
            if isinstance(event, Epoch):
                yield event.epoch
        best = training.position.history[training.position.best_epoch - 1]
        made.update(val_accuracy=best["val_accuracy"], val_loss=best["val_loss"])
    except TrainingError as error:
        if math.isfinite(training.sums[0].item()):
            raise  # memory or the disk, which no other rate would mend
        made["error"] = str(error)  # this rate is too high: that is an answer too
    finally:
        made.update(
            seconds=training.position.spent + training.position.seconds - before, cut_short=training.out_of_time
        )
        restore_tensors(training, session.before.tensors)
        session.training = Training(training.chain, training.outline, own, training.config, dtype=training.dtype)


def _all_but_a_share(config: RunConfig) -> float:
    """Seconds that a try counts as spent before it begins, so that it ends when its share of the time budget is used
    up."""
    return 60 * config.max_minutes * config.tune / (config.tune + 1)


def _spent(tries: list[Json]) -> float:
    """Seconds; what an earlier version tried does not say how long that took."""
    return sum(float(made.get("seconds", 0.0)) for made in tries)


def _score(made: Json, select: str) -> tuple[float, float]:
    accuracy, loss = float(made["val_accuracy"]), float(made["val_loss"])
    return (accuracy, -loss) if select == "accuracy" else (-loss, accuracy)


def _said(made: Json) -> str:
    return "the loss broke" if made["val_accuracy"] is None else f"{100 * made['val_accuracy']:.1f} %"
