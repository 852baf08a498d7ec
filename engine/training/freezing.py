"""Freezing: what a configuration trains and where it starts, and whether it fits its strategy.

Loads without torch. Not here: the strategies, what follows from a plan (plan).
"""

from dataclasses import replace
from fnmatch import fnmatch

from engine.config import option_named, options
from engine.errors import ConfigError
from engine.events import Started
from engine.models.outline import Outline
from engine.models.sources.source import source_of
from engine.options import problem_with
from engine.runconfig import RunConfig
from engine.training.patterns import parse_phases
from engine.training.plan import FreezePlan, Phase
from engine.training.rates import RATES
from engine.training.solved.solvable import is_solved, probes_first, why_stepped
from engine.training.strategies import STRATEGIES, starts_at_random, strategy_named

LAST_PIXELS = 32
"""Images up to this side are one pixel in the last blocks of most backbones."""


def lone_image(side: int) -> str:
    """Why one image of `side` pixels at a time cannot train, and what can."""
    return (
        f"One image a step cannot be normalised at {side} pixels: choose a batch size (batch_size) of at least 2, "
        f"larger images, or batch_norm=running."
    )


def validate(config: RunConfig) -> RunConfig:
    """`config` itself when every option is within bounds and fits its strategy, else ConfigError with all problems."""
    problems = [problem_with(option, getattr(config, option.name)) for option in options()]
    problems += [_missing_answer(config), _start_problem(config), _lone_image(config)]
    if any(problems):
        raise ConfigError(" ".join(filter(None, problems)))
    return config


def plan_for(outline: Outline, config: RunConfig, *, stepped: bool = False) -> FreezePlan:
    """The phases of `config` for this backbone, its own or those of its strategy; `stepped`: with steps in place of
    what would be solved. ConfigError if it has none.

    Automatic epochs must be numbers already (budget.budgeted).
    """
    strategy = strategy_named(config.strategy)
    starting_weights(config)
    if config.phases.strip():
        phases = parse_phases(outline, config.phases, rate=config.lr or RATES[config.optimizer].head)
    elif strategy.only_solved and not stepped and (why := why_stepped(config)):
        raise ConfigError(
            f"{strategy.name} is not possible here, because {why}. Choose linear_probe, which steps then."
        )
    else:
        assert config.epochs, "automatic epochs are not known from an outline: ask budget.budgeted first"
        phases = strategy.plan(outline, config)
    if config.batch_norm == "statistics":  # norms keep scale and shift, only their running statistics follow the data
        norms = {p.name for block in outline.blocks for p in block.parameters if p.kind == "norm"}
        phases = tuple(
            replace(phase, parameters=tuple(name for name in phase.parameters if name not in norms)) for phase in phases
        )
    if is_solved(config) and not stepped:
        phases = tuple(replace(phase, epochs=1, lr=0.0, how="solved") for phase in phases)
    if probes_first(config) and not stepped:
        phases = _from_solved_head(phases)
    return FreezePlan(phases=phases)


def _from_solved_head(phases: tuple[Phase, ...]) -> tuple[Phase, ...]:
    """The first phase takes one epoch, and the second one the others that it had."""
    first, second, *others = phases
    longer = replace(second, epochs=second.epochs + first.epochs - 1)
    return (replace(first, epochs=1, how="solved"), longer, *others)


def as_begun(plan: FreezePlan, begun: Started) -> FreezePlan:
    """`plan` at the rates that a run began with, whatever is automatic today; as it is where those are unknown."""
    if len(begun.phases) != len(plan.phases):
        return plan
    phases = (
        replace(phase, lr=then.lr, body_share=then.body_share, lr_decay=then.lr_decay)
        for phase, then in zip(plan.phases, begun.phases, strict=True)
    )
    return replace(plan, phases=tuple(phases))


def starting_weights(config: RunConfig) -> str:
    """Where the backbone starts, as in RunConfig.weights. ConfigError when the strategy cannot start there."""
    if problem := _start_problem(config):
        raise ConfigError(problem)
    return "none" if starts_at_random(config.strategy) else config.weights


def _start_problem(config: RunConfig) -> str:
    start = strategy_named(config.strategy).start
    if start == "checkpoint" and not config.weights.startswith(("run:", "file:")):
        strategy = f"The strategy {config.strategy}"
        return f"{strategy} continues a checkpoint: choose an earlier run or a weights file of yours as its weights."
    return ""


def _lone_image(config: RunConfig) -> str:
    """One image of so few pixels is one value a channel in the last blocks, whose variance BatchNorm cannot take."""
    usual = config.batch_size > 1 or config.batch_norm != "batch" or not 0 < config.image_size <= LAST_PIXELS
    if usual or _only_head(config):
        return ""
    if any(fnmatch(config.backbone, pattern) for pattern in source_of(config.backbone).no_batch_norm):
        return ""
    return lone_image(config.image_size)


def _only_head(config: RunConfig) -> bool:
    known = STRATEGIES.get(config.strategy)
    head = (known is not None and known.solved) or config.strategy == "linear_probe_steps"
    return not config.phases.strip() and (head or (config.strategy == "last_n" and config.last_n == 1))


def _missing_answer(config: RunConfig) -> str:
    asks = strategy_named(config.strategy).asks
    if not asks or str(getattr(config, asks)).strip():
        return ""
    option = option_named(asks)
    return f"The strategy {config.strategy} needs {option.label.lower()} ({asks}), such as {option.example!r}."
