"""Training as a generator: yields what happened and does not know who is listening.

Stop = close the generator. A snapshot taken between two events resumes bit for bit on a CPU.
Never yield inside autocast or no_grad: that state belongs to the thread and would leak into the consumer.
"""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from engine.config import RunConfig
from engine.errors import TrainingError
from engine.models.chain import Chain
from engine.models.outline import Outline
from engine.training import batches as feeding
from engine.training.batches import Source
from engine.training.freezing import FreezePlan, Group, groups, phase_at, prefix_length, trainable_blocks
from engine.training.schedule import factor

FINITE_CHECK_STEPS = 50
"""On a GPU the loss is looked at this often: looking waits for the device."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One optimisation step is done; `step` and `epoch` count from 1."""

    epoch: int
    step: int
    steps: int
    images: int


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One pass over the training images is done and judged. Losses are means per image; validation is unweighted."""

    epoch: int
    phase: int
    train_loss: float
    train_accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    lr: Mapping[str, float]
    seconds: float
    images_per_second: float
    best: bool


@dataclass(kw_only=True)
class Position:
    """Where training stands: everything besides tensors that a snapshot must hold."""

    epoch: int = 0
    """Epochs done."""
    step: int = 0
    """Steps done in the epoch under way."""
    seconds: float = 0.0
    """Spent in the epoch under way."""
    best_epoch: int = 0
    best_score: tuple[float, float] = (-math.inf, -math.inf)
    """The score that selects, then the one that breaks ties: small validation sets have many."""
    history: list[dict[str, object]] = field(default_factory=list)


class Training:
    """A model in training: chain, optimizer, running sums and position. `fit` drives it, checkpoints save it."""

    def __init__(self, chain: Chain, outline: Outline, plan: FreezePlan, config: RunConfig, *, dtype: torch.dtype | None = None) -> None:
        self.chain, self.outline, self.plan, self.config, self.dtype = chain, outline, plan, config, dtype
        self.groups: tuple[Group, ...] = groups(outline, plan)
        self.parameters: dict[str, nn.Parameter] = dict(chain.model.named_parameters())
        self.device = next(iter(self.parameters.values())).device
        self.optimizer = make_optimizer(self.groups, self.parameters, config)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=dtype is torch.float16)
        self.position = Position()
        self.sums = torch.zeros(3, dtype=torch.float64, device=self.device)
        """Weighted loss, sum of weights, correct answers: over the epoch under way; no sync until it ends."""
        self.best: dict[str, torch.Tensor] = {}
        """CPU copies of everything that training may move, as it was in the best epoch."""

    def autocast(self) -> AbstractContextManager[object]:
        return autocast(self.device, self.dtype)

    def moving(self) -> dict[str, torch.Tensor]:
        """The tensors that training may change: parameters of the plan, and buffers of blocks that train in some phase."""
        trained = [trainable_blocks(self.outline, phase) for phase in self.plan.phases]
        names = {name for phase in self.plan.phases for name in phase.parameters}
        for block, flags in zip(self.chain.blocks, zip(*trained, strict=True), strict=True):
            names.update(block.buffers if any(flags) else ())
        return {name: tensor for name, tensor in self.chain.model.state_dict().items() if name in names}

    @property
    def finished(self) -> bool:
        stale = self.position.epoch - self.position.best_epoch
        patience = self.config.patience
        return self.position.epoch >= self.plan.epochs or bool(patience and self.position.epoch and stale >= patience)


def autocast(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[object]:
    """Mixed precision in `dtype`; None computes in float32 throughout."""
    return torch.autocast(device.type, dtype=dtype) if dtype else nullcontext()


def make_optimizer(made: tuple[Group, ...], parameters: Mapping[str, nn.Parameter], config: RunConfig) -> torch.optim.Optimizer:
    """One optimizer with every group of the plan from step 0; frozen parameters have no gradient and so stay untouched."""
    described = [
        {"params": [parameters[name] for name in group.parameters], "lr": 0.0, "weight_decay": config.weight_decay if group.decays else 0.0}
        for group in made
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(described, momentum=config.momentum, fused=True)
    return (torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam)(described, fused=True)


def fit(training: Training, train: Source, val: Source | None) -> Iterator[Step | Epoch]:
    """Train to the end of the plan, or until patience runs out, from wherever `training` stands."""
    class_weights = _class_weights(training, train)
    while not training.finished:
        enter_phase(training)
        yield from train_epoch(training, train, class_weights)
        yield _finish_epoch(training, len(train.targets), val)


def enter_phase(training: Training) -> None:
    """Set requires_grad and the mode of every block for the phase under way: a pure function of the epoch."""
    phase = training.plan.phases[phase_at(training.plan, training.position.epoch)[0]]
    chosen = set(phase.parameters)
    for name, parameter in training.parameters.items():
        parameter.requires_grad_(name in chosen)
        if name not in chosen:
            parameter.grad = None  # a stale gradient would still move a frozen parameter
    flags = trainable_blocks(training.outline, phase)
    training.chain.train_blocks({index for index, trains in enumerate(flags) if trains})


def train_epoch(training: Training, train: Source, class_weights: torch.Tensor | None) -> Iterator[Step]:
    """The rest of the epoch under way, a Step per batch."""
    config, position = training.config, training.position
    index, first_epoch = phase_at(training.plan, position.epoch)
    phase = training.plan.phases[index]
    order = feeding.epoch_order(len(train.targets), seed=config.seed, epoch=position.epoch)
    batches = feeding.cut(order, config.batch_size)
    prefix = prefix_length(training.outline, phase)
    resumed = time.monotonic()
    for rows, inputs in feeding.filled(train, batches[position.step :], position.epoch):
        done = (position.epoch - first_epoch) * len(batches) + position.step
        share = factor(config.schedule, step=done, steps=phase.epochs * len(batches), warmup=config.warmup)
        _set_rates(training, index, share)
        torch.manual_seed(int(np.random.SeedSequence([config.seed, position.epoch, position.step]).generate_state(1)[0]))
        loss = _step(training, inputs, train.targets[torch.from_numpy(rows).to(training.device)], class_weights, prefix, train.start)
        position.step += 1
        if training.device.type == "cpu" or position.step % FINITE_CHECK_STEPS == 0 or position.step == len(batches):
            _demand_finite(training, loss)
        position.seconds += time.monotonic() - resumed
        yield Step(epoch=position.epoch + 1, step=position.step, steps=len(batches), images=len(rows))
        resumed = time.monotonic()  # a pause is not training time


def evaluate(training: Training, source: Source) -> tuple[float, float]:
    """(mean unweighted cross-entropy, accuracy) of the model as it stands, on the deterministic crop."""
    logits = torch.cat(list(infer(training, source)))
    targets = source.targets.to(logits.device)
    loss = nn.functional.cross_entropy(logits.double(), targets)
    return loss.item(), (logits.argmax(1) == targets).double().mean().item()


def infer(training: Training, source: Source) -> Iterator[torch.Tensor]:
    """float32 logits [n, classes] batch by batch in the order of `source`, every block in eval mode."""
    training.chain.train_blocks(set())
    rows = np.arange(len(source.targets))
    for _, inputs in feeding.filled(source, feeding.cut(rows, max(64, training.config.batch_size)), None):
        yield _logits(training, inputs, source.start)


@torch.no_grad()
def _logits(training: Training, inputs: torch.Tensor, start: int) -> torch.Tensor:
    with training.autocast():
        return training.chain(inputs, start).float()


def _step(
    training: Training, inputs: torch.Tensor, targets: torch.Tensor, class_weights: torch.Tensor | None, prefix: int, start: int
) -> torch.Tensor:
    """One forward, one backward, one update. Returns the mean loss of the batch, still on the device."""
    with torch.no_grad(), training.autocast():
        features = training.chain(inputs, start, prefix) if start < prefix else inputs
    with training.autocast():
        logits = training.chain(features, max(start, prefix)).float()
    total = nn.functional.cross_entropy(
        logits, targets, weight=class_weights, label_smoothing=training.config.label_smoothing, reduction="sum"
    )
    weight = class_weights[targets].sum() if class_weights is not None else torch.tensor(float(len(targets)), device=targets.device)
    loss = total / weight
    training.optimizer.zero_grad(set_to_none=True)
    training.scaler.scale(loss).backward()
    training.scaler.step(training.optimizer)
    training.scaler.update()
    training.sums += torch.stack([total.detach(), weight, (logits.detach().argmax(1) == targets).sum()]).double()
    return loss.detach()


def _finish_epoch(training: Training, images: int, val: Source | None) -> Epoch:
    """Judge the epoch that has just ended, keep its weights if they are the best so far, and move on."""
    position, config = training.position, training.config
    index, _ = phase_at(training.plan, position.epoch)
    total, weight, correct = training.sums.tolist()
    val_loss, val_accuracy = evaluate(training, val) if val is not None and len(val.targets) else (None, None)
    judged = (val_loss, val_accuracy) if val_loss is not None and val_accuracy is not None else (total / weight, correct / images)
    score = (judged[1], -judged[0]) if config.select == "accuracy" else (-judged[0], judged[1])
    best = score > position.best_score
    rates = {group.name: entry["lr"] for group, entry in zip(training.groups, training.optimizer.param_groups, strict=True)}
    epoch = Epoch(
        epoch=position.epoch + 1,
        phase=index,
        train_loss=total / weight,
        train_accuracy=correct / images,
        val_loss=val_loss,
        val_accuracy=val_accuracy,
        lr=rates,
        seconds=position.seconds,
        images_per_second=images / max(position.seconds, 1e-9),
        best=best,
    )
    position.epoch, position.step, position.seconds = position.epoch + 1, 0, 0.0
    position.history.append(vars(epoch).copy())
    training.sums.zero_()
    if best:
        position.best_epoch, position.best_score = position.epoch, score
        training.best = {name: tensor.detach().cpu().clone() for name, tensor in training.moving().items()}
    return epoch


def _set_rates(training: Training, phase: int, share: float) -> None:
    for group, entry in zip(training.groups, training.optimizer.param_groups, strict=True):
        entry["lr"] = group.rates[phase] * share


def _class_weights(training: Training, train: Source) -> torch.Tensor | None:
    if training.config.class_weights == "none":
        return None
    counts = torch.bincount(train.targets, minlength=training.outline.classes).float()
    return counts.sum() / (counts.clamp(min=1) * training.outline.classes)


def _demand_finite(training: Training, loss: torch.Tensor) -> None:
    value = loss.item()
    if math.isfinite(value):
        return
    position = training.position
    rate = max(entry["lr"] for entry in training.optimizer.param_groups)
    raise TrainingError(
        f"The loss became {value} in epoch {position.epoch + 1}, step {position.step}, at a learning rate of {rate:.3g}. "
        "Start again with a learning rate ten times lower; the best epoch before this one is kept."
    )
