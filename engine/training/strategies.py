"""Strategies: what can be trained and what stays frozen, each said once with its plan and texts.

To add one, write its plan here under `@strategy`; an option of its own goes into runconfig. Loads without torch. Not
here: how names become phases at some rate (phases), the plan of a whole configuration (freezing).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypedDict, Unpack

from engine.errors import ConfigError
from engine.models.outline import Outline, blocks_by_stage, last_blocks
from engine.runconfig import RunConfig
from engine.training.patterns import selected
from engine.training.phases import FALL, Phases, all_at_rate, names_of, one_phase, timed_phase, two_phases
from engine.training.rates import RATES

SEEDS = 3
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
    only_solved: bool = False
    """Whether it cannot be stepped where it cannot be solved."""
    reads_stages: bool = False
    """Whether its head reads every stage (models.side_outputs), not the last features alone."""
    probes_first: bool = False
    """Whether its first phase, of the head alone, is solved, and the others step from there; see solvable."""

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
    only_solved: bool
    reads_stages: bool
    probes_first: bool


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
    return one_phase(outline, config, names_of(outline.blocks[-1:]))


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
    only_solved=True,
)
def prototypes(outline: Outline, config: RunConfig) -> Phases:
    return linear_probe(outline, config)


@strategy(
    "Probe of all stages",
    "Solve a head that reads the average of every stage beside the last features (Head2Toe).",
    "For images unlike photographs: what a frozen backbone knew early on and has since left out.",
    seeds=1,
    solved=True,
    only_solved=True,
    reads_stages=True,
)
def multi_layer_probe(outline: Outline, config: RunConfig) -> Phases:
    return linear_probe(outline, config)


@strategy(
    "Last block",
    "Train the head and the last block of the backbone.",
    "A little adaptation for a fraction of the cost.",
)
def last_block(outline: Outline, config: RunConfig) -> Phases:
    return one_phase(outline, config, names_of(last_blocks(outline, 2)))


@strategy(
    "Last N blocks",
    "Train the last N blocks, the head included.",
    "You choose how deep the adaptation goes.",
    asks="last_n",
)
def last_n(outline: Outline, config: RunConfig) -> Phases:
    return one_phase(outline, config, names_of(last_blocks(outline, config.last_n)))


@strategy(
    "Last stage",
    "Train the head and the last stage, such as layer4 of a ResNet.",
    "Enough for most photographs that look unlike the pretraining set.",
)
def last_stage(outline: Outline, config: RunConfig) -> Phases:
    return one_phase(outline, config, names_of(block for stage in blocks_by_stage(outline)[-2:] for block in stage))


@strategy(
    "Named blocks",
    "Train exactly the blocks or parameters you name, and the head.",
    "Patterns may use * and ?; a middle block is surgical fine-tuning.",
    asks="patterns",
)
def named(outline: Outline, config: RunConfig) -> Phases:
    return one_phase(outline, config, selected(outline, config.patterns))


@strategy(
    "Full fine-tuning",
    "Train everything.",
    "Most accurate when there are enough images or they look unlike everyday photographs; slowest.",
)
def full_finetune(outline: Outline, config: RunConfig) -> Phases:
    return one_phase(outline, config, names_of(outline.blocks))


@strategy(
    "Probe, then fine-tune",
    "Solve the head first, then train everything from there at a tenth of the rate (LP-FT).",
    "A head that is right already does not spoil the features.",
    probes_first=True,
)
def probe_then_finetune(outline: Outline, config: RunConfig) -> Phases:
    return two_phases(outline, config, first=outline.blocks[-1:], second=outline.blocks)


@strategy(
    "Between probe and fine-tuning",
    "Probe, then fine-tune, then keep the mixture of both sets of weights that validation likes best (WiSE-FT).",
    "What fine-tuning gains without all that it forgets, for a few more passes over the validation images.",
    probes_first=True,
)
def wise_ft(outline: Outline, config: RunConfig) -> Phases:
    first, second = probe_then_finetune(outline, config)
    if second.epochs < 2:
        raise ConfigError("wise_ft needs three epochs: to probe, to fine-tune and to mix. Raise epochs.")
    return first, replace(second, epochs=second.epochs - 1), replace(second, epochs=1, how="interpolated")


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
        names = names_of(block for stage in stages[-depth:] for block in stage)
        epochs = share + (number >= count - extra)  # the longer phases come last, where most parameters train
        fall = FALL ** (number / max(1, count - 1))
        phases.append(timed_phase(outline, config, names, epochs=epochs, fall=fall))
    return tuple(phases)


@strategy(
    "Two phases",
    "Train the last N blocks first, then twice as many at a tenth of the rate.",
    "The recipe of many notebooks.",
    asks="last_n",
)
def two_phase(outline: Outline, config: RunConfig) -> Phases:
    first, second = last_blocks(outline, config.last_n), last_blocks(outline, 2 * config.last_n)
    return two_phases(outline, config, first=first, second=second)


@strategy(
    "Biases and norms",
    "Train the head and only biases and norms of the backbone (BitFit).",
    "Few parameters move, but every layer can shift.",
)
def bias_norm(outline: Outline, config: RunConfig) -> Phases:
    *backbone, head = outline.blocks
    light = tuple(p.name for block in backbone for p in block.parameters if p.kind in ("bias", "norm"))
    return one_phase(outline, config, light + names_of([head]))


@strategy(
    "Continue a run",
    "Continue an own checkpoint with everything trainable at a tiny rate (5e-5).",
    "For a last polish, or new images of the same classes.",
    start="checkpoint",
)
def from_run(outline: Outline, config: RunConfig) -> Phases:
    return all_at_rate(outline, config, RATES[config.optimizer].polish)


@strategy(
    "From scratch",
    "Train everything from random weights.",
    "The floor that shows what the pretraining is worth; weak on a few hundred images.",
    start="random",
)
def from_scratch(outline: Outline, config: RunConfig) -> Phases:
    return all_at_rate(outline, config, RATES[config.optimizer].head)
