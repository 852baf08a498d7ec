"""Rate search: a few learning rates tried on the same images before a run trains for good; validation chooses.

Every run tries as many, so that no strategy wins because one shared rate suits it. Part of the pipeline. Not here: the
range test, which looks at the training loss only (training.lr_range).
"""

import math
from collections.abc import Generator, Iterator, Sequence

from engine.errors import DivergedError, TrainingError
from engine.events import Epoch, Note, Progress
from engine.runconfig import RunConfig
from engine.runs.run_files import Try, Tuning, read_tuning, write_tuning
from engine.runs.session import Session
from engine.runs.sharing import Shared
from engine.training.checkpoints import restore_tensors
from engine.training.loop import fit
from engine.training.plan import FreezePlan, scaled
from engine.training.state import Training

RATIO = 3.0


def tune(shared: Shared) -> Iterator[Note | Progress]:
    """Leave the session at its start with the best rate; a run that goes on keeps its own.

    A time budget is shared equally by tries and training, which gets what the tries have left. TrainingError when
    every rate breaks the loss, and whenever something else than the rate ends a try.
    """
    session = shared.session
    config, position = session.config, session.training.position
    if config.tune < 2 or session.training.plan.solved or position.epoch or position.step:
        return
    if tuning := read_tuning(session.folder):
        position.spent = tuning.seconds
        return
    if not session.splits["val"]:
        yield Note(text="There are no validation images to choose a learning rate by, so none was tried.")
        return
    tries: list[Try] = []
    for number, factor in enumerate(factors(config.tune), start=1):
        tries.append((yield from _attempt(shared, factor, f"learning rate {number} of {config.tune}")))
    best = best_try(tries, config.select)
    tuning = Tuning(factor=best.factor, tries=tuple(tries))
    write_tuning(session.folder, tuning)
    _set_back(session, scaled(session.training.plan, best.factor))
    session.training.position.spent = tuning.seconds
    yield Note(text=tuning_summary(tries, best))


def best_try(tries: Sequence[Try], select: str) -> Try:
    """The try that validation likes best; TrainingError when none came to an end."""
    whole = [attempt for attempt in tries if attempt.val_accuracy is not None]
    if not whole:
        rates = ", ".join(f"{attempt.lr:.3g}" for attempt in tries)
        lower = f"{min(attempt.lr for attempt in tries) / 10:.3g}"
        raise TrainingError(
            f"The loss broke at every learning rate tried ({rates}). Start again with a learning rate of {lower}."
        )
    return max(whole, key=lambda attempt: _score(attempt, select))


def factors(count: int) -> tuple[float, ...]:
    """`count` factors, three apart, with the strategy's own rate in the middle."""
    return tuple(RATIO ** (number - (count - 1) / 2) for number in range(count))


def tuning_summary(tries: Sequence[Try], best: Try) -> str:
    """What was tried, in words."""
    rates = ", ".join(f"{attempt.lr:.3g} ({_outcome(attempt)})" for attempt in tries)
    edge = " It is the last one on its side: one further out may be better." if best in (tries[0], tries[-1]) else ""
    short = any(attempt.cut_short for attempt in tries)
    how = "until its share of the time budget was used up" if short else "for the whole training"
    return f"Validation chose the learning rate {best.lr:.3g}. Tried {how} each: {rates}.{edge}"


def _attempt(shared: Shared, factor: float, stage: str) -> Generator[Progress, None, Try]:
    """Train for the whole plan, or while time is left."""
    session, own = shared.session, shared.session.training.plan
    _set_back(session, scaled(own, factor))
    training, error = session.training, None
    position = training.position
    position.spent = before = _all_but_a_share(session.config)
    try:
        for event in fit(training, shared.training(), shared.source("val")):
            if isinstance(event, Epoch):
                yield Progress(stage=stage, done=event.epoch, total=own.epochs)
    except DivergedError as broken:  # this rate is too high: that is an answer too
        error = str(broken)
    finally:
        _set_back(session, own)
    best = None if error else position.history[position.best_epoch - 1]
    return Try(
        factor=factor,
        lr=factor * own.phases[0].lr,
        val_accuracy=best.val_accuracy if best else None,
        val_loss=best.val_loss if best else None,
        seconds=position.spent + position.seconds - before,
        cut_short=training.out_of_time,
        error=error,
    )


def _all_but_a_share(config: RunConfig) -> float:
    """Seconds that count as spent before a try, so that it ends when its share is used up."""
    return 60 * config.max_minutes * config.tune / (config.tune + 1)


def _set_back(session: Session, plan: FreezePlan) -> None:
    """The session at its very start, about to train by `plan`."""
    training = session.training
    restore_tensors(training, session.before.tensors)
    session.training = Training(training.chain, training.outline, plan, config=training.config, dtype=training.dtype)


def _score(attempt: Try, select: str) -> tuple[float, float]:
    accuracy, loss = attempt.val_accuracy or 0.0, attempt.val_loss
    negative = -math.inf if loss is None else -loss
    return (accuracy, negative) if select == "accuracy" else (negative, accuracy)


def _outcome(attempt: Try) -> str:
    return "the loss broke" if attempt.val_accuracy is None else f"{100 * attempt.val_accuracy:.1f} %"
