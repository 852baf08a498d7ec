"""Phases: the names that a strategy trains, with epochs and the rates that the options or the optimizer's family give.

Loads without torch. Not here: which names (strategies), phases of one's own (patterns), what a phase means (plan).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from engine.errors import ConfigError
from engine.models.outline import BlockOutline, Outline
from engine.runconfig import RunConfig
from engine.training.plan import Phase
from engine.training.rates import LEAST_OF_DECAY, RATES

FALL = 10.0
"""The rate of the head in the first phase of several over that in the last."""

Phases = tuple[Phase, ...]


def one_phase(outline: Outline, config: RunConfig, names: tuple[str, ...]) -> Phases:
    """All epochs for these parameters."""
    phase = timed_phase(outline, config, names, epochs=config.epochs)
    everything = phase.names.issuperset(names_of(outline.blocks))
    if _one_rate(config) and everything and not config.lr:  # then it is the body's
        phase = replace(phase, lr=RATES[config.optimizer].body)
    return (phase,)


def all_at_rate(outline: Outline, config: RunConfig, rate: float) -> Phases:
    """Everything at one rate, unless the options say otherwise."""
    lr = config.lr or rate
    body = config.body_lr / lr or 1.0
    decay = config.lr_decay or 1.0
    names = names_of(outline.blocks)
    return (Phase(parameters=names, epochs=config.epochs, lr=lr, body_share=body, lr_decay=decay),)


def two_phases(
    outline: Outline, config: RunConfig, *, first: Sequence[BlockOutline], second: Sequence[BlockOutline]
) -> Phases:
    """Half of the epochs for the blocks of `first`, or as many as the options say; the others, at lower rates, for
    those of `second`. ConfigError where one of them gets none."""
    epochs = config.first_epochs or config.epochs // 2
    if not 0 < epochs < config.epochs:
        raise ConfigError(
            f"{config.strategy} needs epochs for both of its phases: {config.epochs} in all and "
            f"{config.first_epochs or 'half'} for the first leaves none for one. Raise epochs or lower first_epochs."
        )
    return (
        timed_phase(outline, config, names_of(first), epochs=epochs),
        timed_phase(outline, config, names_of(second), epochs=config.epochs - epochs, fall=FALL),
    )


def timed_phase(
    outline: Outline, config: RunConfig, names: tuple[str, ...], *, epochs: int, fall: float = 1.0
) -> Phase:
    """At the head's rate divided by `fall`, and the body's own: of the options, else of the optimizer's family.

    A rate of the head that was given takes the body's along. With a decay of 1 and no rate for the body all blocks have
    one rate.
    """
    usual = RATES[config.optimizer]
    lr = (config.lr or usual.head) / fall
    body = config.body_lr / lr or (1.0 if _one_rate(config) else usual.body / usual.head * fall)
    decay = config.lr_decay or max(usual.decay, LEAST_OF_DECAY ** (1 / max(1, len(outline.blocks) - 1)))
    return Phase(parameters=names, epochs=epochs, lr=lr, body_share=body, lr_decay=decay)


def _one_rate(config: RunConfig) -> bool:
    return config.lr_decay == 1 and not config.body_lr


def names_of(blocks: Iterable[BlockOutline]) -> tuple[str, ...]:
    """Of all parameters, in order."""
    return tuple(parameter.name for block in blocks for parameter in block.parameters)
