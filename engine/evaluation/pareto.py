"""Pareto front: which strategies are worth their price, where a strategy is beaten only by what is shown to beat it.

Not here: the verdict on the chosen strategy (verdict).
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from engine.evaluation.clusters import Groups
from engine.evaluation.paired import Correct, difference, holm, seed_variances
from engine.evaluation.rivals import ERROR
from engine.evaluation.verdict import Verdict


def shown_better(judged: Sequence[Correct], solved: Sequence[bool] = (), groups: Groups | None = None) -> np.ndarray:
    """Bool [k, k]: row shown to be more accurate than column, Holm over all pairs. `judged` are bool [seeds, images],
    `solved` says of which another seed would give the same, `groups` which images belong together."""
    better = np.zeros((len(judged), len(judged)), dtype=np.bool_)
    pairs = list(combinations(range(len(judged)), 2))
    lucks = seed_variances(judged, solved, groups)
    gaps = [difference(judged[one], judged[other], (lucks[one], lucks[other]), groups=groups) for one, other in pairs]
    for (first, second), gap, p in zip(pairs, gaps, holm(np.array([gap.p for gap in gaps])), strict=True):
        if p <= ERROR:
            better[(first, second) if gap.value > 0 else (second, first)] = True
    return better


def with_verdict(better: np.ndarray, names: Sequence[str], verdict: Verdict) -> np.ndarray:
    """`better` [k, k] with what the verdict shows of the chosen strategy, so that the two never disagree."""
    row = list(names).index(verdict.chosen)
    merged = better.copy()
    merged[row, :], merged[:, row] = False, False
    for rival in verdict.rivals:
        column = list(names).index(rival.name)
        merged[row, column], merged[column, row] = rival.outcome == "better", rival.outcome == "worse"
    return merged


def pareto_front(costs: Sequence[float], better: np.ndarray) -> np.ndarray:
    """Bool [k]: not dominated. Dominated is what costs at least as much as another that is shown to be more
    accurate."""
    price = np.asarray(costs, dtype=np.float64)
    dominated = (better & (price[:, None] <= price[None, :])).any(axis=0)
    return np.asarray(~dominated)
