"""Strategies: tiles to tick, one per freeze strategy, with the option that some of them ask for.

Not here: what they train (training.strategies) and how that is drawn (block_strip). A new strategy shows up by itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st

from engine.comparisons.comparison import Arm, config_of
from engine.config import option_named
from engine.errors import ConfigError
from engine.models.outline import Outline
from engine.options import Value
from engine.runconfig import RunConfig
from engine.training.budget import budgeted
from engine.training.freezing import plan_for, validate
from engine.training.patterns import matches
from engine.training.plan import FreezePlan, trainable_size
from engine.training.schedule import curve
from engine.training.solved.solvable import UNREAD_WHEN_SOLVED, is_solved
from engine.training.strategies import STRATEGIES, Strategy
from pages.ui import forms, text
from pages.ui.figures import charts, palette
from pages.ui.figures.block_strip import amount, of_plan
from pages.ui.resources import workspace

FIRST = "linear_probe"


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """One ticked strategy: an arm of the comparison to come, its run with the first seed, and either what that will
    train or why it cannot start."""

    arm: Arm
    """Without seeds, which are counted last."""
    config: RunConfig
    plan: FreezePlan
    """Without phases where there is a problem."""
    problem: str = ""

    @property
    def title(self) -> str:
        return title(self.config.strategy)


def tiles(base: RunConfig, outline: Outline) -> list[Arm]:
    """Draw the tiles, with how much of `base` would train; an arm for every ticked one, with the option of its own."""
    arms: list[Arm] = []
    asked: dict[str, Value] = {}
    with st.grid(min_column_width=230, border=True):
        for strategy in STRATEGIES.values():
            with st.container(gap="xsmall"):
                arm = _tile(strategy, asked)
                plan = judge(base, arm or Arm(strategy=strategy.name, seeds=()), outline).plan
                if plan.phases:
                    most = max(trainable_size(outline, phase) for phase in plan.phases)
                    wider = "more than " if strategy.reads_stages else ""  # by what, the outline does not know
                    st.caption(f"{wider}{amount(most)} of {amount(outline.size)} parameters")
            if arm is not None:
                arms.append(arm)
    for arm in arms:
        if patterns := str(arm.settings.get("patterns", "")).strip():
            _matching(patterns, outline)
    return arms


def judge(shared: RunConfig, arm: Arm, outline: Outline) -> Chosen:
    """What `arm` will train beside others that share `shared`, or the sentence that says why it cannot."""
    config = config_of(shared, arm, shared.seed)
    try:
        return Chosen(arm=arm, config=config, plan=plan_for(outline, budgeted(validate(config), workspace())))
    except ConfigError as error:
        return Chosen(arm=arm, config=config, plan=FreezePlan(phases=()), problem=str(error))


def curves(chosen: Sequence[Chosen]) -> list[charts.Curve]:
    """The learning rate of the head under every strategy. Curves often coincide: dashes let the one below show."""
    colours = palette.categorical()
    return [
        charts.Curve(
            name=one.title,
            points=tuple(_head_rates(one)),
            colour=colours[turn % len(colours)],
            dash=palette.DASHES[turn % len(palette.DASHES)],
        )
        for turn, one in enumerate(one for one in chosen if not one.plan.solved)
    ]


def unread(base: RunConfig, arms: Sequence[Arm]) -> frozenset[str]:
    """The options that nothing ticked reads: those of steps, where everything is solved."""
    solved = bool(arms) and all(is_solved(config_of(base, arm, 0)) for arm in arms)
    return UNREAD_WHEN_SOLVED if solved else frozenset()


def with_values(config: RunConfig, values: Mapping[str, Value]) -> RunConfig:
    """`config` with what was typed into the form."""
    return replace(config, **values)  # type: ignore[arg-type]


def block_table(outline: Outline, chosen: Sequence[Chosen]) -> pd.DataFrame:
    """One row a block: its size, and under every strategy whether it trains (in which phases, when there are
    several)."""
    columns = {"block": [b.name for b in outline.blocks], "parameters": [f"{b.size:,}" for b in outline.blocks]}
    for one in chosen:
        columns[one.title] = [_state(block.trained, block.size) for block in of_plan(outline, one.plan).blocks]
    return pd.DataFrame(columns)


def box_of(name: str) -> str:
    """The key of a strategy's box."""
    return f"strategy_{name}"


def title(name: str) -> str:
    return STRATEGIES[name].title if name in STRATEGIES else name


def _head_rates(chosen: Chosen) -> Iterator[tuple[float, float]]:
    """(epoch, learning rate of the head) from start to end; every phase begins its schedule anew."""
    first, shares = 0, curve(chosen.config.schedule, warmup=chosen.config.warmup)
    for phase in chosen.plan.phases:
        if phase.how == "steps":
            yield from ((first + share * phase.epochs, phase.lr * rate) for share, rate in shares)
        first += phase.epochs


def _state(trained: tuple[int, ...], size: int) -> str:
    if not any(trained):
        return "frozen"
    part = "" if max(trained) == size else f" ({max(trained):,} values)"
    if len(trained) == 1:
        return f"trains{part}"
    return f"trains in phase {', '.join(str(phase + 1) for phase, values in enumerate(trained) if values)}{part}"


def _tile(strategy: Strategy, asked: dict[str, Value]) -> Arm | None:
    """One strategy, None when it is not ticked; `asked` collects the options that tiles have asked for."""
    st.session_state.setdefault(box_of(strategy.name), strategy.name == FIRST)
    # No bold: the label is also what a screen reader says, asterisks included.
    ticked = st.checkbox(
        text.md(strategy.title),
        key=box_of(strategy.name),
        help=text.md(strategy.details),
        persist_state="session",
    )
    st.caption(text.md(strategy.summary))
    if not ticked:
        return None
    if not strategy.asks:
        return Arm(strategy=strategy.name, seeds=())
    option = option_named(strategy.asks)
    if option.name in asked:
        st.caption(text.md(f"{option.label}: {asked[option.name]}, as said before"))
    else:
        asked[option.name] = forms.widget(option)
    return Arm(strategy=strategy.name, seeds=(), settings={option.name: asked[option.name]})


def _matching(patterns: str, outline: Outline) -> None:
    """What every pattern selects, as it is typed."""
    sizes = {parameter.name: parameter.size for block in outline.blocks for parameter in block.parameters}
    lines = []
    for pattern, names in matches(outline, patterns).items():
        if names:
            size = f"{text.count(len(names), 'tensor')}, {amount(sum(sizes[name] for name in names))} parameters"
            listed = text.md(text.listing(list(names), 5))
            lines.append(f":material/check: **{text.md(pattern)}** matches {size}: {listed}")
        else:
            lines.append(f":red[:material/error: **{text.md(pattern)}** matches nothing]")
    with st.container(border=True):
        st.markdown("  \n".join(lines))
