"""Group split: which groups of images train, which validate, which test, when none may be parted.

Knows how many images of each class a group has, and nothing else. Not here: which images those are (split).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

from engine.data.dataset_records import Split

Units = Sequence[Mapping[int, int]]
"""For each group: label -> images."""


def assigned(units: Units, shares: Mapping[Split, float]) -> list[Split]:
    """A split for each of `units`; `shares` of val and test, those that are wanted, as shares of all.

    The largest goes first, each to where the squared distance of its classes from their shares grows least (the rule of
    scikit-learn's StratifiedGroupKFold, for shares that differ; of equals the first in the order given). No split that
    is wanted stays empty while there are groups enough, and train has every class.
    """
    missing = _targets(units, shares)
    totals = _totals(units)
    splits: list[Split] = ["train"] * len(units)

    def growth(split: Split, place: int) -> float:
        return sum(
            count * (count - 2 * missing[split, label]) / totals[label] ** 2 for label, count in units[place].items()
        )

    for place in sorted(range(len(units)), key=lambda place: -sum(units[place].values())):
        splits[place] = min(("train", *shares), key=lambda split: growth(split, place))
        for label, count in units[place].items():
            missing[splits[place], label] -= count
    _give_train_every_class(units, splits)
    for split in shares:
        if split not in splits and (spare := _spare(units, splits)) is not None:
            splits[spare] = split
    return splits


def _totals(units: Units) -> Counter[int]:
    totals = Counter[int]()
    for unit in units:
        totals.update(unit)
    return totals


def _targets(units: Units, shares: Mapping[Split, float]) -> dict[tuple[Split, int], float]:
    """(split, label) -> images; at least one of a class for val that two groups have, and for test that three have."""
    totals, apart = _totals(units), Counter(chain.from_iterable(units))
    targets: dict[tuple[Split, int], float] = {}
    for label, total in totals.items():
        for place, (split, share) in enumerate(shares.items()):
            targets[split, label] = max(1.0, total * share) if apart[label] > place + 1 else 0.0
        targets["train", label] = total - sum(targets[split, label] for split in shares)
    return targets


def _give_train_every_class(units: Units, splits: list[Split]) -> None:
    """Move the smallest group that has it where train lacks a class."""
    for label in set(chain.from_iterable(units)):
        having = [place for place, unit in enumerate(units) if label in unit]
        if all(splits[place] != "train" for place in having):
            splits[min(having, key=lambda place: sum(units[place].values()))] = "train"


def _spare(units: Units, splits: Sequence[Split]) -> int | None:
    """The smallest group of train without which train still has every class; None where there is none."""
    training = [place for place, split in enumerate(splits) if split == "train"]
    having = Counter(chain.from_iterable(units[place] for place in training))
    spare = [place for place in training if all(having[label] > 1 for label in units[place])]
    return min(spare, key=lambda place: sum(units[place].values()), default=None)
