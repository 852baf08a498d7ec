"""Split: which images train, which validate, which test; a pure function of content, labels, shares and seed.

Byte-identical images always land together, and splits that the source prescribes are kept as they are.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.data.dataset_records import SPLITS, Split
from engine.errors import DatasetError

Ratios = tuple[float, float, float]
DEFAULT_RATIOS: Ratios = (0.7, 0.15, 0.15)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What the split needs to know about an image; `given` is the split its source prescribes."""

    sha256: str
    label: int
    given: Split | None


def assign(candidates: Sequence[Candidate], *, ratios: Ratios = DEFAULT_RATIOS, seed: int = 0) -> list[Split]:
    """One split per candidate: those given, and the missing ones carved class by class out of train (or out of
    everything).

    Every class gives its first group to train, the next to validation, then test, so that rare classes can at least be
    learnt.
    """
    _check(ratios)
    given = {candidate.given for candidate in candidates if candidate.given}
    splits: list[Split] = [candidate.given or "train" for candidate in candidates]
    wanted: list[Split] = [split for split in SPLITS[1:] if split not in given and ratios[SPLITS.index(split)] > 0]
    share = ratios[0] + sum(ratios[SPLITS.index(split)] for split in wanted)
    for groups in _groups_by_label(candidates, seed).values():
        total = sum(len(group) for group in groups)
        free = groups[1:]
        for split in wanted:
            target = max(1, round(total * ratios[SPLITS.index(split)] / share))
            taken = 0
            for group in list(free):
                if taken and taken + len(group) > target:
                    continue
                for position in group:
                    splits[position] = split
                free.remove(group)
                taken += len(group)
                if taken >= target:
                    break
    return splits


def share_of(images: Sequence[tuple[str, int]], percent: int) -> list[int]:
    """Positions of `percent` of the images, given as (sha256, label), in their order: of every class the same share, at
    least one.

    Who is taken depends on content alone, so that a smaller share lies within every larger one.
    """
    classes: dict[int, list[tuple[str, int]]] = {}
    for position, (sha256, label) in enumerate(images):
        classes.setdefault(label, []).append((hashlib.sha256(f"share {sha256}".encode()).hexdigest(), position))
    taken = [sorted(members)[: share_size(len(members), percent)] for members in classes.values()]
    return sorted(position for members in taken for _, position in members)


def share_size(images: int, percent: int) -> int:
    """How many of the `images` of a class are `percent` of them: at least one."""
    return max(1, math.ceil(images * percent / 100))


def fingerprint(classes: Sequence[str], rows: Sequence[tuple[str, int, Split]]) -> str:
    """A hash of what training can see: class names, and (sha256, label, split) of every image in any order."""
    digest = hashlib.sha256(repr(tuple(classes)).encode("utf-8", "backslashreplace"))
    for row in sorted(rows):
        digest.update(repr(row).encode())
    return digest.hexdigest()


def _groups_by_label(candidates: Sequence[Candidate], seed: int) -> dict[int, list[list[int]]]:
    """Positions that may be carved, as groups of identical files, in seeded order, under the label of their first
    member."""
    copies: dict[str, list[int]] = {}
    for position, candidate in enumerate(candidates):
        copies.setdefault(candidate.sha256, []).append(position)
    groups: dict[int, list[list[int]]] = {}
    # The order depends on content and seed alone, so that names, file order and Python version do not matter.
    for sha256 in sorted(copies, key=lambda text: hashlib.sha256(f"{seed}:{text}".encode()).digest()):
        members = copies[sha256]
        if all(candidates[position].given in (None, "train") for position in members):
            groups.setdefault(min(candidates[position].label for position in members), []).append(members)
    return groups


def _check(ratios: Ratios) -> None:
    fine = len(ratios) == 3 and all(math.isfinite(ratio) and ratio >= 0 for ratio in ratios)
    if not fine or ratios[0] <= 0 or abs(sum(ratios) - 1) > 1e-6:
        raise DatasetError(
            f"The shares of train, validation and test are {ratios}; they must be positive and add up to 1, such as "
            f"0.7, 0.15, 0.15."
        )
