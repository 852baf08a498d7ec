"""State: a model in training with all that a checkpoint must hold; changed by loop and step, saved by checkpoints.

Not here: any training action.
"""

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import nn

from engine.eager import eager
from engine.events import Epoch, Mixture, Penalty
from engine.float64 import widest
from engine.models.chain import Chain
from engine.models.outline import Outline
from engine.runconfig import RunConfig
from engine.training.averaging import Average
from engine.training.mixing import mixer
from engine.training.plan import FreezePlan, Group, groups, phase_at


@dataclass(kw_only=True)
class Position:
    """Where training stands: what a snapshot must hold besides tensors."""

    epoch: int = 0
    """Epochs done."""
    step: int = 0
    """Steps done in the epoch under way."""
    seconds: float = 0.0
    """Spent in the epoch under way."""
    best_epoch: int = 0
    best_score: tuple[float, float] = (-math.inf, -math.inf)
    """The score that selects, then the one that breaks ties: small validation sets have many."""
    history: list[Epoch] = field(default_factory=list)
    parts: int = 1
    """Every batch is computed in so many parts, because memory ran out before."""
    peak_bytes: int = 0
    """The most memory that was seen in use."""
    spent: float = 0.0
    """Seconds in all epochs that are done, and in tries of learning rates before them."""


class Training:
    """Chain, optimizer, running sums and position. `loop.fit` drives it."""

    def __init__(
        self, chain: Chain, outline: Outline, plan: FreezePlan, *, config: RunConfig, dtype: torch.dtype | None = None
    ) -> None:
        self.chain, self.outline, self.plan, self.config, self.dtype = chain, outline, plan, config, dtype
        self.groups = groups(outline, plan)
        self.parameters = dict(chain.model.named_parameters())
        self.device = next(iter(self.parameters.values())).device
        self.optimizer = make_optimizer(self.groups, self.parameters, config)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=dtype is torch.float16)
        self.moving_names = moving_names(chain, plan, config)
        self._moving = [
            (name, *_owner(chain.model, name)) for name in chain.model.state_dict() if name in self.moving_names
        ]
        self.position = Position()
        self.mixer = mixer(config.mix, outline.classes)
        self.class_weights: torch.Tensor | None = None
        self.notes: list[str] = []
        self.first_loss = 0.0
        """Of the very first step; 0 where it was not seen, as in a run that goes on."""
        self.average = Average(self.moving(), config.ema) if config.ema and not plan.solved else None
        self.penalties: tuple[Penalty, ...] = ()
        """What cross-validation tried, where the head was solved."""
        self.mixtures: tuple[Mixture, ...] = ()
        """What validation said of weights between two ends, where they were interpolated."""
        self.first: dict[str, torch.Tensor] = {}
        """CPU copies of `moving` at the end of the first phase, where weights will be interpolated."""
        self.sums = torch.zeros(4, dtype=widest(self.device), device=self.device)
        """Over the epoch under way: weighted loss, weights, correct answers, images; no sync until it ends."""
        self.best: dict[str, torch.Tensor] = {}
        """CPU copies of `moving` in the best epoch."""

    def autocast(self) -> AbstractContextManager[object]:
        return autocast(self.device, self.dtype)

    def moving(self) -> dict[str, torch.Tensor]:
        """The tensors that training may change."""
        return {name: getattr(owner, leaf).detach() for name, owner, leaf in self._moving}

    @property
    def finished(self) -> bool:
        if self.plan.interpolated:  # which comes after the steps, however early they end
            history = self.position.history
            return bool(history) and history[-1].phase == len(self.plan.phases) - 1
        return self.position.epoch >= self.plan.epochs or self.steps_ended

    @property
    def phase(self) -> int:
        """Index of the phase that the next epoch, or the one under way, belongs to."""
        if self.plan.interpolated and self.steps_ended and not self.position.step:
            return len(self.plan.phases) - 1
        return phase_at(self.plan, self.position.epoch)[0]

    @property
    def steps_ended(self) -> bool:
        """Whether patience or time has run out."""
        done, patience = self.position.epoch, self.config.patience
        tired = patience > 0 and done - max(self.position.best_epoch, self.plan.before_last_steps) >= patience
        return done > 0 and (tired or self.out_of_time)

    @property
    def out_of_time(self) -> bool:
        limit = self.config.max_minutes * 60
        return bool(limit) and self.position.spent + self.position.seconds >= limit

    def best_tensors(self) -> AbstractContextManager[None]:
        """Inside, the model holds what is judged and kept: the moving average if there is one."""
        return self.average.in_place_of(self.moving()) if self.average else nullcontext()


def _owner(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    """The module that owns the tensor `name`, and what it calls it; a state dict takes a hundred times as long."""
    owner, _, leaf = name.rpartition(".")
    return model.get_submodule(owner), leaf


def autocast(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[object]:
    """Mixed precision in `dtype`; None computes in float32 throughout."""
    return torch.autocast(device.type, dtype=dtype) if dtype else nullcontext()


def make_optimizer(
    groups: tuple[Group, ...], parameters: Mapping[str, nn.Parameter], config: RunConfig
) -> torch.optim.Optimizer:
    """One optimizer with every group of the plan; frozen parameters have no gradient and so stay untouched."""
    described = []
    for group in groups:
        decay = config.weight_decay if group.decays else 0.0
        described.append({"params": [parameters[name] for name in group.parameters], "weight_decay": decay})
    if config.optimizer == "sgd":
        return eager(torch.optim.SGD)(described, lr=0.0, momentum=config.momentum, fused=True)
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return eager(kind)(described, lr=0.0, fused=True)


def set_rates(training: Training, phase: int, share: float) -> None:
    for group, entry in zip(training.groups, training.optimizer.param_groups, strict=True):
        entry["lr"] = group.rates[phase] * share


def moved_by(training: Training, epoch: int) -> frozenset[str]:
    """Names of the tensors that had a chance to train by the end of `epoch` (from 1)."""
    begun, _ = phase_at(training.plan, epoch - 1)
    plan = FreezePlan(phases=training.plan.phases[: begun + 1])
    return moving_names(training.chain, plan, training.config)


def moving_names(chain: Chain, plan: FreezePlan, config: RunConfig) -> frozenset[str]:
    """Names of the tensors that training may change: parameters of the plan, buffers of blocks that ever train."""
    names = frozenset(name for phase in plan.phases for name in phase.parameters)
    if config.batch_norm == "running":
        return names
    return names.union(*(block.buffers for block in chain.blocks if not names.isdisjoint(block.parameters)))
