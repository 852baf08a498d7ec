"""Queue: from the ticked strategies and a number of seeds to a comparison, and to its runs in the queue.

Not here: what a comparison is (engine.comparisons.comparison), choosing the strategies.
"""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from engine.comparisons.comparison import MOST_SEEDS, Comparison, default_seeds, expand
from engine.models.outline import Outline
from engine.runconfig import RunConfig
from engine.training.strategies import SEEDS, STRATEGIES
from pages.ui import text
from pages.ui.resources import comparison_store, run_store
from pages.ui.strategies import Chosen, title


def seeds_input() -> int | None:
    """The number of seeds a person wants for each strategy; None leaves it to Thaw."""
    return st.number_input(
        "Seeds per strategy",
        min_value=1,
        max_value=MOST_SEEDS,
        value=None,
        placeholder="automatic",
        key="seeds",
        help="Runs of each strategy that differ by chance alone. Several show how much of a difference is luck. "
        f"Automatic: one for a single strategy; to compare several, {SEEDS} each{_exceptions()}.",
        persist_state="session",
    )


def _exceptions() -> str:
    return "".join(f", {one.seeds} for {one.title}" for one in STRATEGIES.values() if one.seeds != SEEDS)


def comparison_of(chosen: Sequence[Chosen], shared: RunConfig, *, seeds: int | None) -> Comparison:
    """The comparison of the ticked strategies, `shared` being what all share. Each gets as many seeds as asked for,
    from that of `shared` on; without a number a single strategy gets one, and several as many as they are worth."""
    arms = []
    for one in chosen:
        count = seeds or (1 if len(chosen) == 1 else len(default_seeds(one.arm.strategy)))
        own = {name: value for name, value in one.arm.settings.items() if value != getattr(shared, name)}
        arms.append(replace(one.arm, seeds=tuple(range(shared.seed, shared.seed + count)), settings=own))
    backbones = ((shared.backbone, shared.weights),)
    return Comparison(name="", dataset=shared.dataset, backbones=backbones, strategies=tuple(arms), shared=shared)


def run_count(comparison: Comparison) -> int:
    """Runs of a comparison with one backbone."""
    return sum(len(arm.seeds) for arm in comparison.strategies)


def queue_summary(comparison: Comparison) -> str:
    """`8 runs in one comparison, the cheapest first: Linear probe 5, Full fine-tuning 3.`"""
    each = ", ".join(f"{title(arm.strategy)} {len(arm.seeds)}" for arm in comparison.strategies)
    return f"{text.count(run_count(comparison), 'run')} in one comparison, the cheapest first: {each}."


def start(comparison: Comparison, outline: Outline) -> None:
    """Queue its runs and show the page that follows them: Monitor for one, which is no comparison, Compare for more.
    ConfigError when the options of two strategies exclude each other."""
    config, *more = expand(comparison)
    if more:
        made = comparison_store().create(comparison, {config.backbone: outline})
        st.switch_page("compare.py", query_params={"comparison": made.id})
    name = f"{comparison.name} {config.strategy}" if comparison.name else ""
    run = run_store().enqueue(config, name=name)
    st.switch_page("monitor.py", query_params={"run": run.id})
