"""Strategies: what can be trained and what stays frozen, each said once with its plan and texts.

To add one, write its plan here under `@strategy`; an option of its own goes into runconfig. Loads without torch. Not
here: the plan of a whole configuration (freezing), what follows from a plan (plan).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypedDict, Unpack

from engine.errors import ConfigError
from engine.models.outline import BlockOutline, Outline, blocks_by_stage, last_blocks
from engine.runconfig import RunConfig
from engine.training.patterns import selected
from engine.training.plan import Phase
from engine.training.rates import LEAST_OF_DECAY, RATES

SEEDS = 3
_FALL = 10.0
"""The rate of the head in the first phase of several over that in the last."""

Phases = tuple[Phase, ...]
Plan = Callable[[Outline, RunConfig], Phases]
Start = Literal["weights", "random", "checkpoint"]


@dataclass(frozen=True, kw_only=True)
class Strategy:
    name: str
    title: str
    summary: str
    """One sentence: what trains."""
    details: str
    """What that is good for."""
    plan: Plan
    asks: str = ""
    """The option of RunConfig that it reads and most others do not; a text may not be left empty."""
    start: Start = "weights"
    """Of the backbone: the weights of the config, random ones, or a checkpoint of one's own."""
    seeds: int = SEEDS
    """How many a comparison gives it by default."""
    solved: bool = False
    """Whether it is brought to its one optimum instead of being stepped towards it; see solvable."""

    @property
    def description(self) -> str:
        return f"{self.summary} {self.details}"


STRATEGIES: dict[str, Strategy] = {}
"""Name -> strategy, in the order of the Configure page."""


class Traits(TypedDict, total=False):
    """As in Strategy."""

    asks: str
    start: Start
    seeds: int
    solved: bool


def strategy(title: str, summary: str, details: str, **traits: Unpack[Traits]) -> Callable[[Plan], Plan]:
    """Register a plan as the strategy of its name."""

    def register(plan: Plan) -> Plan:
        name = plan.__name__
        STRATEGIES[name] = Strategy(name=name, title=title, summary=summary, details=details, plan=plan, **traits)
        return plan

    return register


def strategy_named(name: str) -> Strategy:
    """ConfigError lists the strategies there are when `name` is none of them."""
    if name not in STRATEGIES:
        raise ConfigError(f"There is no strategy {name!r}. Known strategies: {', '.join(STRATEGIES)}.")
    return STRATEGIES[name]


def starts_at_random(name: str) -> bool:
    """Whether a strategy takes no weights, so that two sets of weights make one run."""
    return name in STRATEGIES and STRATEGIES[name].start == "random"


@strategy(
    "Linear probe",
    "Solve the new head to its optimum; needs no learning rate and no epochs.",
    "The backbone stays a fixed feature extractor: fastest, and hard to beat on few everyday photographs.",
    seeds=1,
    solved=True,
)
def linear_probe(outline: Outline, config: RunConfig) -> Phases:
    return _one_phase(outline, config, _names(outline.blocks[-1:]))


@strategy(
    "Linear probe in steps",
    "Train only the new head, by gradient steps over epochs.",
    "The classic recipe of notebooks, to compare with them: it depends on the learning rate and ends with the epochs.",
    seeds=5,  # a head alone is nearly free
)
def linear_probe_steps(outline: Outline, config: RunConfig) -> Phases:
    return linear_probe(outline, config)


@strategy(
    "Prototypes",
    "Point the head at the mean of each class; nothing is trained.",
    "The floor that every training has to beat; one image a class is enough.",
    seeds=1,
    solved=True,
)
def prototypes(outline: Outline, config: RunConfig) -> Phases:
    return linear_probe(outline, config)


@strategy(
    "Last block",
    "Train the head and the last block of the backbone.",
    "A little adaptation for a fraction of the cost.",
)
def last_block(outline: Outline, config: RunConfig) -> Phases:
    return _one_phase(outline, config, _names(last_blocks(outline, 2)))


@strategy(
    "Last N blocks",
    "Train the last N blocks, the head included.",
    "You choose how deep the adaptation goes.",
    asks="last_n",
)
def last_n(outline: Outline, config: RunConfig) -> Phases:
    return _one_phase(outline, config, _names(last_blocks(outline, config.last_n)))


@strategy(
    "Last stage",
    "Train the head and the last stage, such as layer4 of a ResNet.",
    "Enough for most photographs that look unlike the pretraining set.",
)
def last_stage(outline: Outline, config: RunConfig) -> Phases:
    return _one_phase(outline, config, _names(block for stage in blocks_by_stage(outline)[-2:] for block in stage))


@strategy(
    "Named blocks",
    "Train exactly the blocks or parameters you name, and the head.",
    "Patterns may use * and ?; a middle block is surgical fine-tuning.",
    asks="patterns",
)
def named(outline: Outline, config: RunConfig) -> Phases:
    return _one_phase(outline, config, selected(outline, config.patterns))


@strategy(
    "Full fine-tuning",
    "Train everything.",
    "Most accurate when there are enough images or they look unlike everyday photographs; slowest.",
)
def full_finetune(outline: Outline, config: RunConfig) -> Phases:
    return _one_phase(outline, config, _names(outline.blocks))


@strategy(
    "Probe, then fine-tune",
    "Train the head alone first, then everything at a tenth of the rate (LP-FT).",
    "The head's first errors cannot spoil the features.",
)
def probe_then_finetune(outline: Outline, config: RunConfig) -> Phases:
    return _two_phases(outline, config, first=outline.blocks[-1:], second=outline.blocks)


@strategy(
    "Gradual unfreezing",
    "Start with the head and release one more stage per phase, at falling rates (ULMFiT).",
    "Gentle on what was learned before.",
)
def gradual_unfreeze(outline: Outline, config: RunConfig) -> Phases:
    stages = blocks_by_stage(outline)
    count = min(config.epochs, len(stages))
    # the head warms up alone; where phases are fewer than stages, the deeper stages are released together
    depths = [1 + (len(stages) - 1) * number // (count - 1) for number in range(count)] if count > 1 else [len(stages)]
    share, extra = divmod(config.epochs, count)
    phases = []
    for number, depth in enumerate(depths):
        names = _names(block for stage in stages[-depth:] for block in stage)
        epochs = share + (number >= count - extra)  # the longer phases come last, where most parameters train
        fall = _FALL ** (number / max(1, count - 1))
        phases.append(_phase(outline, config, names, epochs=epochs, fall=fall))
    return tuple(phases)


@strategy(
    "Two phases",
    "Train the last N blocks first, then twice as many at a tenth of the rate.",
    "The recipe of many notebooks.",
    asks="last_n",
)
def two_phase(outline: Outline, config: RunConfig) -> Phases:
    first, second = last_blocks(outline, config.last_n), last_blocks(outline, 2 * config.last_n)
    return _two_phases(outline, config, first=first, second=second)


@strategy(
    "Biases and norms",
    "Train the head and only biases and norms of the backbone (BitFit).",
    "Few parameters move, but every layer can shift.",
)
def bias_norm(outline: Outline, config: RunConfig) -> Phases:
    *backbone, head = outline.blocks
    light = tuple(p.name for block in backbone for p in block.parameters if p.kind in ("bias", "norm"))
    return _one_phase(outline, config, light + _names([head]))


@strategy(
    "Continue a run",
    "Continue an own checkpoint with everything trainable at a tiny rate (5e-5).",
    "For a last polish, or new images of the same classes.",
    start="checkpoint",
)
def from_run(outline: Outline, config: RunConfig) -> Phases:
    return _all_at(outline, config, RATES[config.optimizer].polish)


@strategy(
    "From scratch",
    "Train everything from random weights.",
    "The floor that shows what the pretraining is worth; weak on a few hundred images.",
    start="random",
)
def from_scratch(outline: Outline, config: RunConfig) -> Phases:
    return _all_at(outline, config, RATES[config.optimizer].head)


def _one_phase(outline: Outline, config: RunConfig, names: tuple[str, ...]) -> Phases:
    phase = _phase(outline, config, names, epochs=config.epochs)
    everything = phase.names.issuperset(_names(outline.blocks))
    if _one_rate(config) and everything and not config.lr:  # then it is the body's
        phase = replace(phase, lr=RATES[config.optimizer].body)
    return (phase,)


def _all_at(outline: Outline, config: RunConfig, rate: float) -> Phases:
    """Everything at one rate, unless the options say otherwise."""
    lr = config.lr or rate
    body = config.body_lr / lr or 1.0
    decay = config.lr_decay or 1.0
    names = _names(outline.blocks)
    return (Phase(parameters=names, epochs=config.epochs, lr=lr, body_share=body, lr_decay=decay),)


def _two_phases(
    outline: Outline, config: RunConfig, *, first: Sequence[BlockOutline], second: Sequence[BlockOutline]
) -> Phases:
    epochs = config.first_epochs or config.epochs // 2
    if not 0 < epochs < config.epochs:
        raise ConfigError(
            f"{config.strategy} needs epochs for both of its phases: {config.epochs} in all and "
            f"{config.first_epochs or 'half'} for the first leaves none for one. Raise epochs or lower first_epochs."
        )
    return (
        _phase(outline, config, _names(first), epochs=epochs),
        _phase(outline, config, _names(second), epochs=config.epochs - epochs, fall=_FALL),
    )


def _phase(outline: Outline, config: RunConfig, names: tuple[str, ...], *, epochs: int, fall: float = 1.0) -> Phase:
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


def _names(blocks: Iterable[BlockOutline]) -> tuple[str, ...]:
    return tuple(parameter.name for block in blocks for parameter in block.parameters)
