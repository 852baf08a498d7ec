"""Seeds: how many runs the ticked strategies become, and starting them: as one plain run, or as a comparison.

Not here: what a comparison is (engine.comparisons.comparison), choosing the strategies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import streamlit as st

from engine.comparisons.comparison import MOST_SEEDS, SEEDS, SEEDS_OF, Arm, Comparison, default_seeds
from engine.config import options
from engine.models.outline import Outline
from engine.options import Value
from engine.runconfig import RunConfig
from pages.ui import text
from pages.ui.resources import comparison_store, run_store
from pages.ui.strategies import title

_NOT_ITS_OWN = frozenset({"weights", "seed", "data_seed"})


def ask() -> int | None:
    """The number of seeds a person wants for each strategy; None leaves it to Thaw."""
    return st.number_input(
        "Seeds per strategy",
        min_value=1,
        max_value=MOST_SEEDS,
        value=None,
        placeholder="automatic",
        key="seeds",
        help="Runs of each strategy that differ by chance alone. Several show how much of a difference is luck. "
        f"Automatic: one for a single strategy; to compare several, {SEEDS} each and {SEEDS_OF['linear_probe']} "
        f"where only the head "
        "trains, which costs little.",
        persist_state="session",
    )


def counts(chosen: Sequence[RunConfig], seeds: int | None) -> list[int]:
    """Runs of each strategy: as many as asked for; else one of a single strategy, and of several as many as they are
    worth."""
    if seeds is not None:
        return [seeds] * len(chosen)
    return [1] if len(chosen) == 1 else [len(default_seeds(config.strategy)) for config in chosen]


def in_words(chosen: Sequence[RunConfig], numbers: Sequence[int]) -> str:
    """`8 runs: Linear probe 5, Full fine-tuning 3.`"""
    each = ", ".join(f"{title(config.strategy)} {number}" for config, number in zip(chosen, numbers, strict=True))
    return f"{text.count(sum(numbers), 'run')} in one comparison, the cheapest first: {each}."


def start(
    chosen: Sequence[RunConfig],
    numbers: Sequence[int],
    *,
    name: str,
    values: Mapping[str, Value],
    outline: Outline,
    fingerprint: str,
) -> None:
    """Queue everything and show the page that follows it: Monitor for one run, Compare for more."""
    if len(chosen) == 1 and numbers[0] == 1:
        config = chosen[0]
        run = run_store().enqueue(config, name=f"{name} {config.strategy}" if name else "")
        st.switch_page("monitor.py", query_params={"run": run.id})
    wanted = comparison_of(chosen, numbers, name=name, values=values, fingerprint=fingerprint)
    made = comparison_store().create(wanted, {chosen[0].backbone: outline})
    st.switch_page("compare.py", query_params={"comparison": made.id})


def comparison_of(
    chosen: Sequence[RunConfig], numbers: Sequence[int], *, name: str, values: Mapping[str, Value], fingerprint: str
) -> Comparison:
    """The comparison whose runs are exactly `chosen`, each with seeds from its own on; what all share is in
    `values`."""
    first = chosen[0]
    known = {about.name for about in options()}
    given = {option: value for option, value in values.items() if option in known}
    shared = replace(RunConfig(dataset=first.dataset, backbone=first.backbone, weights=first.weights), **given)  # type: ignore[arg-type]
    return Comparison(
        name=name,
        dataset=first.dataset,
        fingerprint=fingerprint,
        backbones=((first.backbone, first.weights),),
        strategies=tuple(_arm(config, shared, number) for config, number in zip(chosen, numbers, strict=True)),
        shared=shared,
    )


def _arm(config: RunConfig, shared: RunConfig, number: int) -> Arm:
    """Its settings are what it has and the others do not share."""
    names = [about.name for about in options() if about.name not in _NOT_ITS_OWN]
    own = {name: getattr(config, name) for name in names if getattr(config, name) != getattr(shared, name)}
    return Arm(strategy=config.strategy, seeds=tuple(range(config.seed, config.seed + number)), settings=own)
