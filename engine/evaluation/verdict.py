"""Verdict: what a comparison of strategies shows, what it does not, and which strategy to take.

The strategy that validation chose against each of the others, on test images that chose nothing; all statements hold
together at 95 %. Not here: two strategies alone (paired), its sentences (comparisons.wording), cost (pareto).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.data.dataset_records import SPLIT_NAMES, Split
from engine.errors import RunError
from engine.evaluation.advice import Advice, advise
from engine.evaluation.bootstrap import chosen_shares
from engine.evaluation.clusters import Groups, clustered
from engine.evaluation.margin import MARGIN_POINTS
from engine.evaluation.paired import Correct, checked
from engine.evaluation.rivals import Rival, compare
from engine.evaluation.selection_bias import optimism


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """One strategy: bool arrays [seeds, images] in the same order of images for all, and what it cost.

    `epochs` is among how many validation chose, over all learning rates tried. `correct_test` is None without a test
    split. One that is `solved` to its optimum has one run, and another seed would give the same.
    """

    name: str
    correct_test: Correct | None
    correct_val: Correct
    seconds: float
    trainable_parameters: int
    peak_memory_bytes: int
    epochs: int = 1
    solved: bool = False

    def correct(self, split: Split) -> Correct:
        """On the images of `split`; those of validation where there are no test images."""
        return self.correct_test if split == "test" and self.correct_test is not None else self.correct_val


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the comparison shows. Accuracies are shares, `optimism` and `margin` points.

    `not_worse` are the strategies not shown to be worse than the chosen one, which is among them unless one is better;
    `cheapest` is the quickest of them. `chosen_share` is how often validation would choose the same on images and seeds
    drawn again. `optimism` is None when test images judged. `single_seed` ran once although seeds matter to them,
    `solved` because they do not; `untested` have no test predictions. `groups` is in how many groups the images that
    judge come; None where every image stands for itself.
    """

    chosen: str
    accuracy_val: float
    accuracy_test: float | None
    judged_on: Split
    images: int
    groups: int | None = None
    rivals: tuple[Rival, ...]
    advice: Advice
    not_worse: tuple[str, ...]
    cheapest: str
    seconds: dict[str, float]
    chosen_share: float
    optimism: float | None
    tried_epochs: int
    margin: float
    single_seed: tuple[str, ...]
    solved: tuple[str, ...]
    untested: tuple[str, ...]


def judge(
    entrants: Sequence[Entrant], margin: float = MARGIN_POINTS, groups: Mapping[Split, Groups | None] | None = None
) -> Verdict:
    """The verdict on these strategies; RunError names the one whose images or values do not fit. `groups` says of the
    images of a split which belong together."""
    _check(entrants)
    ranked = sorted(entrants, key=lambda entrant: (-entrant.correct_val.mean(), entrant.seconds))
    chosen, cheapest_first = ranked[0], [entrant.name for entrant in sorted(entrants, key=_cost)]
    tested = all(entrant.correct_test is not None for entrant in entrants)
    split: Split = "test" if tested else "val"
    judged = {entrant.name: checked(entrant.correct(split), entrant.name) for entrant in entrants}
    solved = tuple(entrant.name for entrant in entrants if entrant.solved)
    together, among = (groups or {}).get(split), (groups or {}).get("val")
    rivals = compare(judged, chosen.name, margin=margin, independent=tested, solved=solved, groups=together)
    names = [entrant.name for entrant in ranked]
    advice = advise(chosen.name, rivals, margin=margin, cheapest_first=cheapest_first, ranked=names)
    beaten = any(rival.outcome == "worse" for rival in rivals)
    fine = {rival.name for rival in rivals if rival.outcome != "better"} | (set() if beaten else {chosen.name})
    validation = [checked(entrant.correct_val, entrant.name) for entrant in entrants]
    clusters, epochs = clustered(together), [entrant.epochs for entrant in entrants]
    return Verdict(
        chosen=chosen.name,
        accuracy_val=float(chosen.correct_val.mean()),
        accuracy_test=float(judged[chosen.name].mean()) if tested else None,
        judged_on=split,
        images=judged[chosen.name].shape[1],
        groups=len(clusters.sizes) if clusters else None,
        rivals=rivals,
        advice=advice,
        not_worse=tuple(entrant.name for entrant in entrants if entrant.name in fine),
        cheapest=next(name for name in cheapest_first if name in fine),
        seconds={entrant.name: entrant.seconds for entrant in entrants},
        chosen_share=float(chosen_shares(validation, groups=among)[list(judged).index(chosen.name)]),
        optimism=None if tested else 100 * optimism(validation, epochs, groups=among),
        tried_epochs=max(entrant.epochs for entrant in entrants),
        margin=margin,
        single_seed=tuple(name for name, correct in judged.items() if len(correct) == 1 and name not in solved),
        solved=solved,
        untested=tuple(entrant.name for entrant in entrants if entrant.correct_test is None),
    )


def _cost(entrant: Entrant) -> tuple[float, int, int]:
    return entrant.seconds, entrant.trainable_parameters, entrant.peak_memory_bytes


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
