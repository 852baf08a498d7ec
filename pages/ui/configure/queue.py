"""Queue: from the ticked strategies and a number of seeds to a comparison, and to its runs in the queue.

Not here: what a comparison is, choosing the strategies.
"""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from engine.comparisons.comparison import MOST_SEEDS, Comparison, default_seeds, expand
from engine.models.outline import Outline
from engine.runconfig import RunConfig
from engine.training.solved.solvable import ignores_seed
from engine.training.strategies import SEEDS, STRATEGIES
from pages.ui.resources import comparison_store, run_store
from pages.ui.strategies import Chosen


def seeds_input() -> int | None:
    """The number of seeds a person wants for each strategy; None leaves it to Thaw."""
    others = "".join(f", {one.seeds} for {one.title}" for one in STRATEGIES.values() if one.seeds != SEEDS)
    return st.number_input(
        "Seeds per strategy",
        min_value=1,
        max_value=MOST_SEEDS,
        value=None,
        placeholder="automatic",
        key="seeds",
        help="Runs of each strategy that differ by chance alone. Several show how much of a difference is luck. "
        f"Automatic: one for a single strategy; to compare several, {SEEDS} each{others}.",
        persist_state="session",
    )


def comparison_of(chosen: Sequence[Chosen], shared: RunConfig, *, seeds: int | None) -> Comparison:
    """The comparison of the ticked strategies. Each gets as many seeds as asked for, from that of `shared` on; without
    a number a single strategy gets one, and several as many as they are worth."""
    arms = []
    for one in chosen:
        count = seeds or (1 if len(chosen) == 1 else len(default_seeds(one.arm.strategy)))
        count = 1 if ignores_seed(one.config) else count
        own = {name: value for name, value in one.arm.settings.items() if value != getattr(shared, name)}
        arms.append(replace(one.arm, seeds=tuple(range(shared.seed, shared.seed + count)), settings=own))
    backbones = ((shared.backbone, shared.weights),)
    return Comparison(name="", dataset=shared.dataset, backbones=backbones, strategies=tuple(arms), shared=shared)


def start(comparison: Comparison, outline: Outline) -> None:
    """Queue its runs and show the page that follows them: Monitor for one, which is no comparison, Compare for more."""
    config, *more = expand(comparison)
    if more:
        created = comparison_store().create(comparison, {config.backbone: outline})
        st.switch_page("compare.py", query_params={"comparison": created.id})
    name = f"{comparison.name} {config.strategy}" if comparison.name else ""
    st.switch_page("monitor.py", query_params={"run": run_store().enqueue(config, name=name).id})
