"""State: a model in training with all that a checkpoint must hold. Its parts are changed by loop and step, saved by
checkpoints.

Not here: any training action.
"""

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import nn

from engine.events import Epoch
from engine.models.chain import Chain
from engine.models.outline import Outline
from engine.runconfig import RunConfig
from engine.training.averaging import Average
from engine.training.mixing import mixer
from engine.training.plan import FreezePlan, Group, groups, phase_at, trainable_blocks


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
    history: list[Epoch] = field(default_factory=list)
    parts: int = 1
    """Every batch is computed in so many parts, because memory ran out before."""
    peak_bytes: int = 0
    """The most memory that was seen in use."""
    spent: float = 0.0
    """Seconds of training in all epochs that are done, and in tries of learning rates before them."""


class Training:
    """A model in training: chain, optimizer, running sums and position. `fit` drives it, checkpoints save it."""

    def __init__(
        self, chain: Chain, outline: Outline, plan: FreezePlan, *, config: RunConfig, dtype: torch.dtype | None = None
    ) -> None:
        self.chain, self.outline, self.plan, self.config, self.dtype = chain, outline, plan, config, dtype
        self.groups: tuple[Group, ...] = groups(outline, plan)
        self.parameters: dict[str, nn.Parameter] = dict(chain.model.named_parameters())
        self.device = next(iter(self.parameters.values())).device
        self.optimizer = make_optimizer(self.groups, self.parameters, config)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=dtype is torch.float16)
        self.moving_names = moving_names(chain, outline, plan, config=config)
        self._moving = [
            (name, *_owner(chain.model, name)) for name in chain.model.state_dict() if name in self.moving_names
        ]
        self.position = Position()
        self.mixer = mixer(config.mix, outline.classes)
        self.class_weights: torch.Tensor | None = None
        self.notes: list[str] = []
        self.average = Average(self.moving(), config.ema) if config.ema else None
        self.sums = torch.zeros(4, dtype=torch.float64, device=self.device)
        """Weighted loss, sum of weights, correct answers, images: over the epoch under way; no sync until it ends."""
        self.best: dict[str, torch.Tensor] = {}
        """CPU copies of everything that training may move, as it was in the best epoch."""

    def autocast(self) -> AbstractContextManager[object]:
        return autocast(self.device, self.dtype)

    def moving(self) -> dict[str, torch.Tensor]:
        """The tensors that training may change: parameters of the plan, and buffers of blocks that train in some
        phase."""
        return {name: getattr(owner, leaf).detach() for name, owner, leaf in self._moving}

    @property
    def finished(self) -> bool:
        position, patience = self.position, self.config.patience
        tired = bool(patience and position.epoch and position.epoch - position.best_epoch >= patience)
        return position.epoch >= self.plan.epochs or tired or (position.epoch > 0 and self.out_of_time)

    @property
    def out_of_time(self) -> bool:
        limit = self.config.max_minutes * 60
        return bool(limit) and self.position.spent + self.position.seconds >= limit

    def best_tensors(self) -> AbstractContextManager[None]:
        """Inside, the model holds what is judged and kept: the moving average if there is one."""
        return self.average.in_place_of(self.moving()) if self.average else nullcontext()


def _owner(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    """The module that owns the tensor `name`, and what it calls it: a whole state dict takes a hundred times as long to
    make."""
    owner, _, leaf = name.rpartition(".")
    return model.get_submodule(owner), leaf


def autocast(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[object]:
    """Mixed precision in `dtype`; None computes in float32 throughout."""
    return torch.autocast(device.type, dtype=dtype) if dtype else nullcontext()


def make_optimizer(
    groups: tuple[Group, ...], parameters: Mapping[str, nn.Parameter], config: RunConfig
) -> torch.optim.Optimizer:
    """One optimizer with every group of the plan from step 0; frozen parameters have no gradient and so stay
    untouched."""
    described = [
        {
            "params": [parameters[name] for name in group.parameters],
            "lr": 0.0,
            "weight_decay": config.weight_decay if group.decays else 0.0,
        }
        for group in groups
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(described, momentum=config.momentum, fused=True)
    return (torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam)(described, fused=True)


def set_rates(training: Training, phase: int, share: float) -> None:
    """The learning rates of `phase`, each times `share`."""
    for group, entry in zip(training.groups, training.optimizer.param_groups, strict=True):
        entry["lr"] = group.rates[phase] * share


def moved_by(training: Training, epoch: int) -> frozenset[str]:
    """Names of the tensors that had a chance to train by the end of `epoch` (from 1): those of the phases that had
    begun."""
    begun, _ = phase_at(training.plan, epoch - 1)
    plan = FreezePlan(phases=training.plan.phases[: begun + 1])
    return moving_names(training.chain, training.outline, plan, config=training.config)


def moving_names(chain: Chain, outline: Outline, plan: FreezePlan, *, config: RunConfig) -> frozenset[str]:
    """Names of the tensors that training may change: parameters of the plan, and statistics of blocks that train in
    some phase."""
    names = {name for phase in plan.phases for name in phase.parameters}
    if config.batch_norm != "running":
        trained = zip(*(trainable_blocks(outline, phase) for phase in plan.phases), strict=True)
        for block, flags in zip(chain.blocks, trained, strict=True):
            names.update(block.buffers if any(flags) else ())
    return frozenset(names)
