"""Training loop, as a generator: yields what happened and does not know who is listening.

Stop = close the generator. A snapshot taken between two events resumes bit for bit on a CPU.
Never yield inside autocast or no_grad: that state belongs to the thread and would leak into the consumer.
"""

import math
import time
from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
import torch
from torch import nn

from engine.errors import DivergedError, TrainingError
from engine.events import Epoch, Note, Progress, Step
from engine.float64 import exact
from engine.training import batches as feeding
from engine.training.averaging import copy_tensors
from engine.training.batches import Source
from engine.training.frozen.prefix import through_frozen
from engine.training.interpolation import interpolate
from engine.training.plan import Phase, phase_at, prefix_length, trainable_blocks, untouched
from engine.training.schedule import factor
from engine.training.solved.solving import solve_head
from engine.training.state import Training, set_rates
from engine.training.step import Batch, optimise, step_seed

FINITE_CHECK_STEPS = 50
"""On a GPU the loss is looked at this often: looking waits for the device."""
DIVERGED, BEYOND_DOUBT = 10.0, 1000.0
"""Times the loss of guessing, ln of the classes: where it does not fall or training ends with it; and anywhere."""


def fit(training: Training, train: Source, val: Source | None) -> Iterator[Step | Epoch | Note | Progress]:
    """Train to the end of the plan, or until patience or time runs out."""
    training.class_weights = class_weights_of(training, train)
    while not training.finished:
        index = training.phase  # time that runs out meanwhile does not make it another
        match enter_phase(training).how:
            case "solved":
                yield from solve_head(training, train)
            case "interpolated":
                yield from _interpolate(training, val)
            case _:
                yield from train_epoch(training, train)
        yield _finish_epoch(training, val, index)
        _demand_convergence(training)


def enter_phase(training: Training) -> Phase:
    """Set requires_grad and the mode of every block for the phase under way, a pure function of the position; returns
    it."""
    phase = training.plan.phases[training.phase]
    for name, parameter in training.parameters.items():
        parameter.requires_grad_(name in phase.names)
        if name not in phase.names:
            parameter.grad = None  # a stale gradient would still move a frozen parameter
    flags = trainable_blocks(training.outline, phase)
    training.chain.train_blocks({index for index, trains in enumerate(flags) if trains})
    if training.config.batch_norm == "running":
        for module in training.chain.model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
    return phase


def train_epoch(training: Training, train: Source) -> Iterator[Step | Note]:
    """The rest of the epoch under way, a Step per batch; it ends early when the time budget is used up."""
    config, position = training.config, training.position
    index, first_epoch = phase_at(training.plan, position.epoch)
    phase = training.plan.phases[index]
    balanced = config.sampling == "balanced"
    order = feeding.epoch_order(train.targets, seed=config.seed, epoch=position.epoch, balanced=balanced)
    batches = feeding.cut(order, config.batch_size)
    prefix = prefix_length(training.outline, phase)
    start = 0  # mixing blends pixels, so it needs them
    if training.mixer is None:
        start = train.start(untouched(training.outline, training.plan, position.epoch), position.epoch)
    resumed = time.monotonic()
    for rows, inputs in feeding.filled(train, batches[position.step :], epoch=position.epoch, start=start):
        done = (position.epoch - first_epoch) * len(batches) + position.step
        share = factor(config.schedule, step=done, steps=phase.epochs * len(batches), warmup=config.warmup)
        set_rates(training, index, share)
        targets = train.targets[torch.from_numpy(rows).to(training.device)]
        seed = step_seed(config.seed, position.epoch, position.step)
        loss = optimise(training, Batch(inputs=inputs, targets=targets, start=start, prefix=prefix, seed=seed))
        if training.average:
            training.average.update(training.moving())
        position.step += 1
        if training.device.type == "cpu" or position.step % FINITE_CHECK_STEPS == 0 or position.step == len(batches):
            _demand_finite(training, loss)
        position.seconds += time.monotonic() - resumed
        while training.notes:
            yield Note(text=training.notes.pop(0))
        yield Step(epoch=position.epoch + 1, step=position.step, steps=len(batches), images=len(rows))
        if training.out_of_time:
            return
        resumed = time.monotonic()  # a pause is not training time


def evaluate(training: Training, source: Source) -> tuple[float, float]:
    """(mean unweighted cross-entropy, accuracy) of the model as it stands, on the deterministic crop."""
    logits = exact(torch.cat(list(infer(training, source, epoch=training.position.epoch))))
    targets = source.targets.to(logits.device)
    loss = nn.functional.cross_entropy(logits, targets)
    return loss.item(), (logits.argmax(1) == targets).double().mean().item()


def infer(training: Training, source: Source, *, epoch: int) -> Iterator[torch.Tensor]:
    """float32 logits [n, classes] batch by batch in the order of `source`, every block in eval mode.

    The model must stand as at the end of `epoch` (0-based) or before, which decides what is as it was at the start.
    """
    training.chain.train_blocks(set())
    reach = untouched(training.outline, training.plan, min(epoch, training.plan.epochs - 1))
    start = source.start(reach, None)
    batches = feeding.cut(np.arange(len(source.targets)), max(64, training.config.batch_size))
    for _, inputs in feeding.filled(source, batches, epoch=None, start=start):
        yield _logits(training, inputs, start=start, reach=reach)


@torch.no_grad()
def _logits(training: Training, inputs: torch.Tensor, *, start: int, reach: int) -> torch.Tensor:
    with training.autocast():
        return training.chain(through_frozen(training.chain, inputs, start=start, stop=reach), reach).float()


def _interpolate(training: Training, val: Source | None) -> Iterator[Progress | Note]:
    """Leave the model between the end of the first phase and the best epoch after it."""
    began, moving = time.monotonic(), training.moving()
    if val is None or not len(val.targets):
        yield Note(text="There are no validation images to choose a mixture of weights by, so none was made.")
        return
    fine_tuned = training.position.best_epoch > training.plan.phases[0].epochs
    after = training.best if fine_tuned else _copied(moving)
    judge, by_loss = partial(evaluate, training, val), training.config.select == "loss"
    try:
        training.mixtures = yield from interpolate((training.first, after), moving, judge, by_loss=by_loss)
    except GeneratorExit:
        copy_tensors(after, moving)  # a checkpoint may be saved now, to go on from
        raise
    if training.average:
        training.average.begin(moving)
    share = next(mixture.share for mixture in training.mixtures if mixture.chosen)
    training.position.seconds += time.monotonic() - began
    yield Note(text=f"Validation likes {100 * share:.0f} % of the fine-tuned weights best, the rest from before them.")


def _finish_epoch(training: Training, val: Source | None, index: int) -> Epoch:
    """Judge the epoch that has ended, keep its weights if they are the best so far, and move on."""
    position, config, plan = training.position, training.config, training.plan
    total, weight, correct, images = training.sums.tolist()
    trained = (total / weight, correct / images) if images else (math.nan, -math.inf)
    stepped = plan.phases[index].how == "steps"
    with training.best_tensors():
        validated = evaluate(training, val) if val is not None and len(val.targets) else None
        loss, accuracy = validated or trained
        score = (accuracy, -loss) if config.select == "accuracy" else (-loss, accuracy)
        best = score > position.best_score
        if best:
            training.best = _copied(training.moving())
        if plan.interpolated and position.epoch + 1 == plan.phases[0].epochs:
            training.first = _copied(training.moving())
    entries = zip(training.groups, training.optimizer.param_groups, strict=True) if stepped else ()
    rates = {group.name: entry["lr"] for group, entry in entries}
    epoch = Epoch(
        epoch=position.epoch + 1,
        phase=index,
        train_loss=trained[0] if images else None,
        train_accuracy=trained[1] if images else None,
        val_loss=loss if validated else None,
        val_accuracy=accuracy if validated else None,
        lr=rates,
        grad_norm=_gradient_norms(training) if stepped else {},
        seconds=position.seconds,
        images_per_second=images / max(position.seconds, 1e-9),
        best=best,
        penalties=training.penalties,
        mixtures=training.mixtures,
    )
    training.penalties = training.mixtures = ()
    if best:
        position.best_epoch, position.best_score = epoch.epoch, score
    position.spent += position.seconds
    position.epoch, position.step, position.seconds = epoch.epoch, 0, 0.0
    position.history.append(epoch)
    training.sums.zero_()
    return epoch


def _copied(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.cpu().clone() for name, tensor in tensors.items()}


def _gradient_norms(training: Training) -> dict[str, float]:
    """Block -> L2 norm of its gradient in the last step."""
    norms = {}
    for block in training.chain.blocks:
        gradients = [grad for name in block.parameters if (grad := training.parameters[name].grad) is not None]
        if gradients:  # without the loss scale: fused optimizers have taken it out
            norms[block.name] = torch.nn.utils.get_total_norm(gradients)
    # half precision skips a step that overflows
    return {name: value for name, norm in norms.items() if math.isfinite(value := norm.item())}


def class_weights_of(training: Training, train: Source) -> torch.Tensor | None:
    """float32 [classes], inversely proportional to the training counts; None when the config weighs all alike."""
    if training.config.class_weights == "none":
        return None
    counts = torch.bincount(train.targets, minlength=training.outline.classes).float()
    return counts.sum() / (counts.clamp(min=1) * training.outline.classes)


def _demand_finite(training: Training, loss: torch.Tensor) -> None:
    value, position = loss.item(), training.position
    first = not position.epoch and position.step == 1
    if first:
        training.first_loss = value
    if math.isfinite(value):
        return
    if first:
        raise TrainingError(
            f"The loss is {value} in the first step, before anything was learnt: the weights it started from, or the "
            f"images, are broken. Choose other weights."
        )
    rate = max(entry["lr"] for entry in training.optimizer.param_groups)
    raise DivergedError(
        f"The loss became {value} in epoch {position.epoch + 1}, step {position.step}, at a learning rate of "
        f"{rate:.3g}. Start again with a learning rate ten times lower; the best epoch before this one is kept."
    )


def _demand_convergence(training: Training) -> None:
    """Look at the epoch that has just ended: a loss that nobody can learn from any more, though it is a number."""
    *_, before, epoch = (None, *training.position.history)
    if epoch is None or training.plan.phases[epoch.phase].how != "steps":
        return
    guessing, loss = math.log(training.outline.classes), epoch.train_loss or 0.0
    falls = before is None or loss < (before.train_loss or 0.0)
    anew = before is None or epoch.phase > 0  # a head that was solved may meet another body, far above guessing
    bound = BEYOND_DOUBT if anew or (falls and not training.finished) else DIVERGED
    if epoch.val_loss is not None and not math.isfinite(epoch.val_loss):
        loss = epoch.val_loss
    if not loss <= bound * max(guessing, training.first_loss):  # what is frozen at random may be of any size
        raise DivergedError(
            f"Training diverged: after epoch {epoch.epoch} the loss is {loss:.3g}, where guessing would have "
            f"{guessing:.2g}. Start again with a learning rate ten times lower; the best epoch is kept."
        )
