"""Cohort: runs that differ in nothing but the seed and train the head alone, on activations in memory: one step moves
all of them.

Every head goes forward on its own batch; one backward pass and one update serve all. The products stay those of a run
on its own, each on memory of its own, so every run gets the bits that it would get alone, whoever else waits. An epoch
is trained when the first of them asks for it; the others find theirs when their turn comes. Not here: who belongs
together (runs.cohorts), judging an epoch (loop).
"""

import math
import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from engine import devices
from engine.training import batches as feeding
from engine.training.activations import FeatureSource
from engine.training.events import Step
from engine.training.schedule import factor
from engine.training.state import Training, make_optimizer, owner_of, set_rates
from engine.training.step import Batch, forward_loss, step_seed, weight_of

MEMORY_BYTES = 128 << 20
"""What is kept of epochs that nobody has asked for yet may take this much, together with what one step holds."""
_COPIES = 4
"""Of a trained tensor: its values, its gradient and two moments of the optimizer. Of a batch: itself and what the head
makes of it."""

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Stand:
    """A run at the end of an epoch, before that epoch is judged."""

    tensors: Tensors
    gradients: Tensors
    optimizer: Mapping[str, Mapping[str, object]]
    sums: Tensor
    seconds: float


@dataclass(kw_only=True)
class _Member:
    seed: int
    start: Tensors
    parameters: dict[str, nn.Parameter]
    active: bool = True
    """Whether it still takes steps."""
    asked: bool = False
    stands: dict[int, Stand] = field(default_factory=dict)
    """By 0-based epoch; gone once they have been asked for."""


def suits(training: Training, train: object) -> bool:
    """Whether `training`, which has not begun, could be one of a cohort: nothing but the head moves, and its inputs lie
    in memory."""
    plan, config, position, last = training.plan, training.config, training.position, _head(training)
    head = training.chain.blocks[last]
    return (
        isinstance(train, FeatureSource)
        and not (position.epoch or position.step or head.buffers)
        and len(plan.phases) == 1
        and plan.phases[0].names == frozenset(head.parameters)
        and not (
            training.mixer or training.average or training.scaler.is_enabled() or config.max_minutes or config.tune > 1
        )
        and all(train.start(last, epoch) == last and train.instant(epoch, last) for epoch in range(plan.epochs))
    )


def room_for(training: Training, train: FeatureSource) -> int:
    """How many runs like `training` may be one cohort: so many that what they keep, and what one step holds, stays
    small."""
    size = sum(training.parameters[name].nbytes for name in training.plan.phases[0].parameters)
    inputs = train.row_bytes(0, _head(training)) * training.config.batch_size
    return MEMORY_BYTES // max(1, size * _COPIES * training.plan.epochs + inputs * _COPIES)


class Cohort:
    """Runs that train together; one asks at a time, from its first epoch to its last."""

    def __init__(self, training: Training, starts: Mapping[int, Tensors]) -> None:
        """`starts`: seed -> what that run's trained tensors are before the first step. `training` stands for all but
        the seeds."""
        self._members = {seed: _member(training, seed, start) for seed, start in starts.items()}
        named = {
            _key(one, name): parameter for one in self._members.values() for name, parameter in one.parameters.items()
        }
        self._groups = tuple(
            replace(
                group, parameters=tuple(_key(one, name) for one in self._members.values() for name in group.parameters)
            )
            for group in training.groups
        )
        self._optimizer = make_optimizer(self._groups, named, training.config)
        self._done = 0

    @property
    def size(self) -> int:
        return len(self._members)

    @property
    def spent(self) -> bool:
        """Whether nobody's turn is still to come."""
        return all(one.asked for one in self._members.values())

    def holds(self, training: Training) -> bool:
        """Whether `training` is one of these, has its first epoch still to ask for, and starts where it was expected
        to."""
        member = self._members.get(training.config.seed)
        if member is None or member.asked:
            return False
        return all(torch.equal(training.parameters[name], tensor) for name, tensor in member.start.items())

    def expect(self, seeds: Collection[int]) -> None:
        """The run at work and those that wait have these seeds: nobody else takes another step, or is kept anything
        for."""
        for one in self._members.values():
            if one.seed not in seeds:
                one.active, one.asked = False, True
                one.stands.clear()

    def epoch(self, training: Training, train: FeatureSource) -> Generator[Step, None, bool]:
        """Put `training` where the epoch under way ends, before it is judged; False where it has to train that epoch
        itself."""
        member, number, seen = self._members.get(training.config.seed), training.position.epoch, 0
        if member is None:
            return False
        member.asked = True
        while member.active and number not in member.stands and self._done <= number:
            for step in self._advance(training, train):
                seen += step.images
                yield step
        stand = member.stands.pop(number, None)
        if stand is not None:
            yield _put(training, train, stand, images=len(train.targets) - seen)
        return stand is not None

    def _advance(self, training: Training, train: FeatureSource) -> Iterator[Step]:
        """One epoch of everybody who may still need it. Whatever cuts it short ends the cohort: some would have moved,
        others not."""
        members, whole = [one for one in self._members.values() if one.active], False
        try:
            yield from self._train(training, train, members)
            whole = True
        except (RuntimeError, MemoryError) as error:
            if not devices.is_out_of_memory(error):
                raise
        finally:
            if not whole:
                self._dissolve()
        if not whole:  # outside the except clause: the exception holds the activations that have to go
            devices.release_memory()

    def _dissolve(self) -> None:
        for one in self._members.values():
            one.active = False
            one.stands.clear()
        self._members.clear()
        self._optimizer.zero_grad(set_to_none=True)

    def _train(self, training: Training, train: FeatureSource, members: Sequence[_Member]) -> Iterator[Step]:
        """Everybody takes the steps of one epoch; a Step after each but the last."""
        config, number, spent, resumed = training.config, self._done, 0.0, time.monotonic()
        balanced = config.sampling == "balanced"
        orders = [feeding.epoch_order(train.targets, seed=one.seed, epoch=number, balanced=balanced) for one in members]
        batches = list(zip(*(feeding.cut(order, config.batch_size) for order in orders), strict=True))
        sums = torch.zeros(len(members), 4, dtype=torch.float64, device=training.device)
        places = {name: owner_of(training.chain.model, name) for name in members[0].parameters}
        for step, rows in enumerate(batches):
            if step:
                spent += time.monotonic() - resumed
                yield Step(epoch=number + 1, step=step, steps=len(batches), images=len(batches[step - 1][0]))
                resumed = time.monotonic()  # a pause is not training time
            set_rates(self._optimizer, self._groups, 0, _share(training, number * len(batches) + step, len(batches)))
            self._optimizer.zero_grad(set_to_none=True)
            made = []
            for one, mine in zip(members, rows, strict=True):
                with _in_place(places, one.parameters, training.parameters):
                    made.append(_forward(training, train, mine, step_seed(one.seed, number, step), number))
            torch.autograd.backward([loss for loss, _ in made])
            self._optimizer.step()
            sums += torch.stack([counted for _, counted in made]).double()
        train.credit(-len(members) * len(train.targets), number, _head(training))  # every run counts its own
        seconds = (spent + time.monotonic() - resumed) / len(members)
        for one, mine in zip(members, sums, strict=True):
            self._keep(one, mine, seconds)
        self._done += 1

    def _keep(self, one: _Member, sums: Tensor, seconds: float) -> None:
        if not math.isfinite(sums[0].item()):  # its own run finds out in which step, and says so
            one.active = False
            return
        one.stands[self._done] = Stand(
            tensors={name: parameter.detach().clone() for name, parameter in one.parameters.items()},
            gradients={
                name: parameter.grad.clone() for name, parameter in one.parameters.items() if parameter.grad is not None
            },
            optimizer={name: _copied(self._optimizer.state[parameter]) for name, parameter in one.parameters.items()},
            sums=sums.clone(),
            seconds=seconds,
        )


def _member(training: Training, seed: int, start: Tensors) -> _Member:
    copies = {
        name: torch.empty_like(training.parameters[name]).detach().copy_(tensor) for name, tensor in start.items()
    }
    parameters = {name: nn.Parameter(copy.clone()) for name, copy in copies.items()}
    return _Member(seed=seed, start=copies, parameters=parameters)


def _forward(
    training: Training, train: FeatureSource, rows: np.ndarray, seed: int, number: int
) -> tuple[Tensor, Tensor]:
    """(mean loss of a batch under the parameters in place, with its graph; what the batch adds to the sums, float32
    [4])"""
    start = _head(training)
    inputs, targets = train.batch(rows, number, start), train.targets[torch.from_numpy(rows).to(training.device)]
    weight = weight_of(training, targets)
    devices.seed(training.device, seed)
    total, right = forward_loss(
        training, inputs, targets, Batch(inputs=inputs, targets=targets, start=start, prefix=start, seed=seed)
    )
    return total / weight, torch.stack([total.detach(), weight, right, torch.full_like(weight, len(rows))])


def _head(training: Training) -> int:
    return len(training.chain.blocks) - 1


def _share(training: Training, done: int, steps: int) -> float:
    """Of the full learning rate, after `done` steps of an only phase whose epochs have `steps` each."""
    return factor(
        training.config.schedule, step=done, steps=training.plan.epochs * steps, warmup=training.config.warmup
    )


def _key(one: _Member, name: str) -> str:
    return f"{one.seed} {name}"


def _copied(state: Mapping[str, object]) -> dict[str, object]:
    return {name: value.clone() if isinstance(value, Tensor) else value for name, value in state.items()}


@contextmanager
def _in_place(
    places: Mapping[str, tuple[nn.Module, str]], parameters: Mapping[str, nn.Parameter], own: Mapping[str, nn.Parameter]
) -> Iterator[None]:
    """Inside, the model computes with `parameters` instead of its `own`."""
    for name, parameter in parameters.items():
        owner, leaf = places[name]
        owner._parameters[leaf] = parameter
    try:
        yield
    finally:
        for name in parameters:
            owner, leaf = places[name]
            owner._parameters[leaf] = own[name]


@torch.no_grad()
def _put(training: Training, train: FeatureSource, stand: Stand, *, images: int) -> Step:
    """Make `training` stand there, as if it had taken every step itself; its last Step, for `images` of them."""
    position, count = training.position, len(train.targets)
    for name, tensor in stand.tensors.items():
        parameter = training.parameters[name]
        parameter.copy_(tensor)
        parameter.grad = stand.gradients.get(name)
        training.optimizer.state[parameter] = dict(stand.optimizer[name])
    training.sums.copy_(stand.sums)
    steps = len(feeding.cut(np.arange(count), training.config.batch_size))
    set_rates(training.optimizer, training.groups, 0, _share(training, (position.epoch + 1) * steps - 1, steps))
    train.credit(count, position.epoch, _head(training))
    position.step, position.seconds = steps, position.seconds + stand.seconds
    return Step(epoch=position.epoch + 1, step=steps, steps=steps, images=images)
