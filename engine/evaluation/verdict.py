"""Verdict: what a comparison of strategies shows, what it does not, and which strategy to take.

The strategy that validation chose against each of the others, on test images that chose nothing; all statements hold
together at 95 %. Not here: two strategies alone (paired), its sentences (comparisons.wording), cost (pareto).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.data.dataset_records import SPLIT_NAMES, Split
from engine.errors import RunError
from engine.evaluation.bootstrap import chosen_shares
from engine.evaluation.paired import Correct, Difference, checked, difference, holm, interval, pooled_seed_variance
from engine.evaluation.power import images_needed
from engine.evaluation.selection_bias import optimism

Outcome = Literal["better", "worse", "no difference shown", "equivalent"]
ERROR = 0.05
"""How often at most a verdict says "better" or "worse" at least once when all strategies are equally good."""
MARGIN_POINTS = 2.0
"""A smaller difference than this does not matter; a person may choose another."""


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """One strategy: bool arrays [seeds, images] in the same order of images for all, and what it cost.

    `epochs` is among how many validation chose, over all learning rates tried. `correct_test` is None without a test
    split.
    """

    name: str
    correct_test: Correct | None
    correct_val: Correct
    seconds: float
    trainable_parameters: int
    peak_memory_bytes: int
    epochs: int = 1

    def correct(self, split: Split) -> Correct:
        """On the images of `split`; those of validation where there are no test images."""
        return self.correct_test if split == "test" and self.correct_test is not None else self.correct_val


@dataclass(frozen=True, kw_only=True)
class Rival:
    """The chosen strategy against this one; `outcome` is the chosen one's, numbers are points (chosen minus rival).

    `adjusted_p` counts all comparisons. `hidden` is the largest difference the interval leaves open, `more_images` how
    many more would show a difference of the margin with 80 % power; None where only more seeds can.
    """

    name: str
    difference: float
    low: float
    high: float
    p: float
    adjusted_p: float
    outcome: Outcome
    hidden: float
    more_images: int | None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the comparison shows. Accuracies are shares, `optimism` and `margin` points.

    `not_worse` are the strategies not shown to be worse than the chosen one, which is among them unless one is better;
    `cheapest` is the quickest of them. `chosen_share` is how often validation would choose the same on images and seeds
    drawn again. `optimism` is None when test images judged. `single_seed` ran once, `untested` have no test
    predictions.
    """

    chosen: str
    accuracy_val: float
    accuracy_test: float | None
    judged_on: Split
    images: int
    rivals: tuple[Rival, ...]
    not_worse: tuple[str, ...]
    cheapest: str
    seconds: dict[str, float]
    chosen_share: float
    optimism: float | None
    tried_epochs: int
    margin: float
    single_seed: tuple[str, ...]
    untested: tuple[str, ...]


def judge(entrants: Sequence[Entrant], margin: float = MARGIN_POINTS) -> Verdict:
    """The verdict on these strategies; RunError names the one whose images or values do not fit."""
    _check(entrants)
    chosen = max(entrants, key=lambda entrant: (entrant.correct_val.mean(), -entrant.seconds))
    tested = all(entrant.correct_test is not None for entrant in entrants)
    split: Split = "test" if tested else "val"
    judged = {entrant.name: checked(entrant.correct(split), entrant.name) for entrant in entrants}
    rivals = compare(judged, chosen.name, margin=margin, independent=tested)
    beaten = any(rival.outcome == "worse" for rival in rivals)
    fine = {rival.name for rival in rivals if rival.outcome != "better"} | (set() if beaten else {chosen.name})
    not_worse = [entrant for entrant in entrants if entrant.name in fine]
    cheapest = min(
        not_worse, key=lambda entrant: (entrant.seconds, entrant.trainable_parameters, entrant.peak_memory_bytes)
    )
    validation = [checked(entrant.correct_val, entrant.name) for entrant in entrants]
    epochs = max(entrant.epochs for entrant in entrants)
    return Verdict(
        chosen=chosen.name,
        accuracy_val=float(chosen.correct_val.mean()),
        accuracy_test=float(judged[chosen.name].mean()) if tested else None,
        judged_on=split,
        images=judged[chosen.name].shape[1],
        rivals=rivals,
        not_worse=tuple(entrant.name for entrant in not_worse),
        cheapest=cheapest.name,
        seconds={entrant.name: entrant.seconds for entrant in entrants},
        chosen_share=float(chosen_shares(validation)[list(judged).index(chosen.name)]),
        optimism=None if tested else 100 * optimism(validation, epochs),
        tried_epochs=epochs,
        margin=margin,
        single_seed=tuple(name for name, correct in judged.items() if len(correct) == 1),
        untested=tuple(entrant.name for entrant in entrants if entrant.correct_test is None),
    )


def compare(
    judged: dict[str, Correct], chosen: str, *, margin: float = MARGIN_POINTS, independent: bool
) -> tuple[Rival, ...]:
    """The chosen strategy against each other one, with simultaneous intervals that agree with the adjusted p values.

    `independent` says that other images made the choice: then Holm's factors are k-1, k-2, ..., 1. Otherwise any pair
    could have become the one looked at, and the factors are all pairs among those left.
    """
    names = [name for name in judged if name != chosen]
    luck = pooled_seed_variance(list(judged.values()))
    gaps = [difference(judged[chosen], judged[name], luck) for name in names]
    left = np.arange(len(names), 0, -1)
    factors = left if independent else left * (left + 1) // 2
    adjusted = holm(np.array([gap.p for gap in gaps]), factors)
    shown = int((adjusted <= ERROR).sum())
    first, following = (ERROR / factors[0], ERROR / factors[min(shown, len(names) - 1)]) if names else (ERROR, ERROR)
    rivals = []
    for name, gap, p in zip(names, gaps, adjusted, strict=True):
        bounds = _interval(gap, first, shown=True) if p <= ERROR else _interval(gap, following, shown=False)
        rivals.append(_rival(name, gap, float(p), bounds=bounds, margin=margin, error=following))
    return tuple(rivals)


def _interval(gap: Difference, error: float, shown: bool) -> tuple[float, float]:
    """The interval of a step of Holm's procedure: past a rejection only the sign is gained (Guilbaud 2008)."""
    low, high = interval(gap, 1 - error)
    if shown:
        return (max(low, 0.0), high) if gap.value > 0 else (low, min(high, 0.0))
    return min(low, 0.0), max(high, 0.0)


def _rival(
    name: str, gap: Difference, adjusted: float, *, bounds: tuple[float, float], margin: float, error: float
) -> Rival:
    low, high = 100 * bounds[0], 100 * bounds[1]
    outcome: Outcome = "no difference shown"
    if adjusted <= ERROR:
        outcome = "better" if gap.value > 0 else "worse"
    elif max(-low, high) <= margin:
        outcome = "equivalent"
    needed = images_needed(
        margin / 100, gap.image_variance * gap.images, gap.seed_variance or 0.0, freedom=gap.freedom, alpha=float(error)
    )
    return Rival(
        name=name,
        difference=100 * gap.value,
        low=low,
        high=high,
        p=gap.p,
        adjusted_p=adjusted,
        outcome=outcome,
        hidden=max(-low, high),
        more_images=None if needed is None else max(0, needed - gap.images),
    )


def _check(entrants: Sequence[Entrant]) -> None:
    if not entrants:
        raise RunError("A verdict needs at least one finished strategy.")
    if len({entrant.name for entrant in entrants}) < len(entrants):
        raise RunError("Two strategies of a comparison have the same name; give each its own.")
    first = entrants[0]
    for entrant in entrants:
        pairs = {"val": (entrant.correct_val, first.correct_val), "test": (entrant.correct_test, first.correct_test)}
        for split, (correct, usual) in pairs.items():
            if correct is not None and usual is not None and checked(correct, entrant.name).shape[1] != usual.shape[1]:
                raise RunError(
                    f"{entrant.name} was measured on {correct.shape[1]} {SPLIT_NAMES[split]} images and "
                    f"{first.name} on {usual.shape[1]}; compare runs of one split of one dataset."
                )
