"""Freeze strategies: each a function (outline, config) -> FreezePlan whose docstring is its tooltip, help and line in
the docs.

Adding one needs no other change. Loads without torch. Not here: what follows from a plan (plan), training by it (loop).
"""

from collections.abc import Callable, Iterable, Sequence

from engine.config import start_problem
from engine.errors import ConfigError
from engine.models.outline import BlockOutline, Outline
from engine.runconfig import RunConfig
from engine.training.patterns import matches, parse_phases, selected
from engine.training.plan import (
    FreezePlan,
    Group,
    Phase,
    groups,
    phase_at,
    prefix_length,
    trainable_blocks,
    trainable_size,
)

__all__ = [
    "STRATEGIES",
    "FreezePlan",
    "Group",
    "Phase",
    "groups",
    "matches",
    "phase_at",
    "plan_for",
    "prefix_length",
    "starting_weights",
    "trainable_blocks",
    "trainable_size",
]

HEAD_RATE = 1e-3
FULL_RATE = 1e-4
CONTINUE_RATE = 5e-5

Strategy = Callable[[Outline, RunConfig], FreezePlan]


def plan_for(outline: Outline, config: RunConfig) -> FreezePlan:
    """The plan of `config` for this backbone: its own phases if it has any, else those of its strategy. ConfigError if
    it has none."""
    if config.strategy not in STRATEGIES:
        raise ConfigError(f"There is no strategy {config.strategy!r}. Known strategies: {', '.join(STRATEGIES)}.")
    starting_weights(config)
    if config.phases.strip():
        plan = FreezePlan(
            strategy=config.strategy, phases=parse_phases(outline, config.phases, rate=config.lr or HEAD_RATE)
        )
    else:
        plan = STRATEGIES[config.strategy](outline, config)
    return _without_norms(outline, plan) if config.batch_norm == "statistics" else plan


def starting_weights(config: RunConfig) -> str:
    """Where the backbone starts, which two strategies have a say in."""
    if config.strategy == "from_scratch":
        return "none"
    if problem := start_problem(config):
        raise ConfigError(problem)
    return config.weights


def linear_probe(outline: Outline, config: RunConfig) -> FreezePlan:
    """Train only the new head. The backbone stays a fixed feature extractor: fastest, and hard to beat on few everyday
    photographs."""
    return _one_phase(outline, config, outline.blocks[-1:])


def last_block(outline: Outline, config: RunConfig) -> FreezePlan:
    """Train the head and the last block of the backbone. A little adaptation for a fraction of the cost."""
    return _one_phase(outline, config, _last_blocks(outline, 2))


def last_n(outline: Outline, config: RunConfig) -> FreezePlan:
    """Train the last N blocks, the head included. You choose how deep the adaptation goes."""
    return _one_phase(outline, config, _last_blocks(outline, config.last_n))


def last_stage(outline: Outline, config: RunConfig) -> FreezePlan:
    """Train the head and the last stage, such as layer4 of a ResNet. Enough for most photographs that look unlike the
    pretraining set."""
    stages = _stages(outline)
    return _one_phase(outline, config, [block for stage in stages[-2:] for block in stage])


def named(outline: Outline, config: RunConfig) -> FreezePlan:
    """Train exactly the blocks or parameters you name, and the head. Patterns may use * and ?; a middle block is
    surgical fine-tuning."""
    return _with(outline, config, selected(outline, config.patterns))


def full_finetune(outline: Outline, config: RunConfig) -> FreezePlan:
    """Train everything. Most accurate when there are enough images or they look unlike everyday photographs;
    slowest."""
    return _one_phase(outline, config, outline.blocks)


def from_scratch(outline: Outline, config: RunConfig) -> FreezePlan:
    """Train everything from random weights. The floor that shows what the pretraining is worth; weak on a few hundred
    images."""
    phase = Phase(
        parameters=_names(outline.blocks), epochs=config.epochs, lr=config.lr or HEAD_RATE, lr_decay=config.lr_decay
    )
    return _plan(config, phase)


def bias_norm(outline: Outline, config: RunConfig) -> FreezePlan:
    """Train the head and only biases and norms of the backbone (BitFit). Few parameters move, but every layer can
    shift."""
    light = {p.name for block in outline.blocks for p in block.parameters if p.kind in ("bias", "norm")}
    head = {p.name for p in outline.blocks[-1].parameters}
    chosen = tuple(name for name in _names(outline.blocks) if name in light | head)
    return _plan(
        config, Phase(parameters=chosen, epochs=config.epochs, lr=config.lr or HEAD_RATE, lr_decay=config.lr_decay)
    )


def gradual_unfreeze(outline: Outline, config: RunConfig) -> FreezePlan:
    """Start with the head and release one more stage per phase, at falling rates (ULMFiT). Gentle on what was learned
    before."""
    stages = _stages(outline)
    count = min(config.epochs, len(stages))
    # the head warms up alone; where phases are fewer than stages, the deeper stages are released together
    depths = [1 + (len(stages) - 1) * number // (count - 1) for number in range(count)] if count > 1 else [len(stages)]
    lengths = _shares(config.epochs, count)
    phases = []
    for number, (depth, epochs) in enumerate(zip(depths, lengths, strict=True)):
        falling = (FULL_RATE / HEAD_RATE) ** (number / max(1, count - 1))
        names = _names(block for stage in stages[-depth:] for block in stage)
        phases.append(
            Phase(parameters=names, epochs=epochs, lr=(config.lr or HEAD_RATE) * falling, lr_decay=config.lr_decay)
        )
    return _plan(config, *phases)


def probe_then_finetune(outline: Outline, config: RunConfig) -> FreezePlan:
    """Train the head alone first, then everything at a tenth of the rate (LP-FT). The head's first errors cannot spoil
    the features."""
    first, second = _two_lengths(config)
    probe = Phase(parameters=_names(outline.blocks[-1:]), epochs=first, lr=config.lr or HEAD_RATE)
    rest = Phase(
        parameters=_names(outline.blocks), epochs=second, lr=(config.lr or HEAD_RATE) / 10, lr_decay=config.lr_decay
    )
    return _plan(config, probe, rest)


def two_phase(outline: Outline, config: RunConfig) -> FreezePlan:
    """Train the last N blocks first, then twice as many at a tenth of the rate. The recipe of many notebooks."""
    first, second = _two_lengths(config)
    shallow = Phase(parameters=_names(_last_blocks(outline, config.last_n)), epochs=first, lr=config.lr or HEAD_RATE)
    deeper = _names(_last_blocks(outline, 2 * config.last_n))
    return _plan(
        config,
        shallow,
        Phase(parameters=deeper, epochs=second, lr=(config.lr or HEAD_RATE) / 10, lr_decay=config.lr_decay),
    )


def from_run(outline: Outline, config: RunConfig) -> FreezePlan:
    """Continue an own checkpoint with everything trainable at a tiny rate (5e-5). For a last polish, or new images of
    the same classes."""
    phase = Phase(
        parameters=_names(outline.blocks), epochs=config.epochs, lr=config.lr or CONTINUE_RATE, lr_decay=config.lr_decay
    )
    return _plan(config, phase)


STRATEGIES: dict[str, Strategy] = {
    strategy.__name__: strategy
    for strategy in (
        linear_probe,
        last_block,
        last_n,
        last_stage,
        named,
        full_finetune,
        probe_then_finetune,
        gradual_unfreeze,
        two_phase,
        bias_norm,
        from_run,
        from_scratch,
    )
}


def _one_phase(outline: Outline, config: RunConfig, blocks: Sequence[BlockOutline]) -> FreezePlan:
    return _with(outline, config, _names(blocks))


def _with(outline: Outline, config: RunConfig, names: tuple[str, ...]) -> FreezePlan:
    """One phase in which `names` train, at the strategy's rate for so many of them unless the config has its own."""
    rate = config.lr or (FULL_RATE if len(names) == len(_names(outline.blocks)) else HEAD_RATE)
    return _plan(config, Phase(parameters=names, epochs=config.epochs, lr=rate, lr_decay=config.lr_decay))


def _plan(config: RunConfig, *phases: Phase) -> FreezePlan:
    return FreezePlan(strategy=config.strategy, phases=phases)


def _last_blocks(outline: Outline, count: int) -> Sequence[BlockOutline]:
    """The last `count` blocks that hold weights; blocks with only a norm (DenseNet's norm5, ViT's ln) come along
    uncounted."""
    weighted = [index for index, block in enumerate(outline.blocks) if _holds_weights(block)]
    return outline.blocks[weighted[-count] if count < len(weighted) else 0 :]


def _stages(outline: Outline) -> list[list[BlockOutline]]:
    """Blocks by stage, in forward order, the head last; a stage without weights goes with the one before it."""
    weighted = {block.stage for block in outline.blocks if _holds_weights(block)}
    stages: list[list[BlockOutline]] = []
    for block in outline.blocks:
        if stages and (stages[-1][-1].stage == block.stage or block.stage not in weighted):
            stages[-1].append(block)
        else:
            stages.append([block])
    return stages


def _holds_weights(block: BlockOutline) -> bool:
    return any(parameter.kind == "weight" for parameter in block.parameters)


def _names(blocks: Iterable[BlockOutline]) -> tuple[str, ...]:
    return tuple(parameter.name for block in blocks for parameter in block.parameters)


def _shares(epochs: int, count: int) -> list[int]:
    """`epochs` in `count` parts; the longer ones come last, where most parameters train."""
    share, extra = divmod(epochs, count)
    return [share + (number >= count - extra) for number in range(count)]


def _two_lengths(config: RunConfig) -> tuple[int, int]:
    first = config.first_epochs or config.epochs // 2
    if not 0 < first < config.epochs:
        raise ConfigError(
            f"{config.strategy} needs epochs for both of its phases: {config.epochs} in all and "
            f"{config.first_epochs or 'half'} for "
            "the first leaves none for one of them. Raise epochs or lower first_epochs."
        )
    return first, config.epochs - first


def _without_norms(outline: Outline, plan: FreezePlan) -> FreezePlan:
    """batch_norm 'statistics': norms keep their scale and shift, only their running statistics follow the data."""
    norms = {p.name for block in outline.blocks for p in block.parameters if p.kind == "norm"}
    phases = tuple(
        Phase(
            parameters=tuple(name for name in phase.parameters if name not in norms),
            epochs=phase.epochs,
            lr=phase.lr,
            lr_decay=phase.lr_decay,
        )
        for phase in plan.phases
    )
    return FreezePlan(strategy=plan.strategy, phases=phases)
