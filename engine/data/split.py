"""Split: which images train, which validate, which test; a pure function of content, labels, shares and seed.

Byte-identical images and those of one group (a person, a video, near-copies) always land together, and splits that
the source prescribes are kept as they are. Not here: which images belong together (groups, near_copies).
"""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.data.dataset_records import AS_EVER, SPLITS, Rendering, Split
from engine.data.grouping.connected import connected
from engine.data.grouping.group_split import assigned
from engine.errors import DatasetError

Ratios = tuple[float, float, float]
DEFAULT_RATIOS: Ratios = (0.7, 0.15, 0.15)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What the split needs to know about an image; `given` is the split its source prescribes, `group` what it must not
    be parted from, '' for nothing."""

    sha256: str
    label: int
    given: Split | None
    group: str = ""


def assign(candidates: Sequence[Candidate], *, ratios: Ratios = DEFAULT_RATIOS, seed: int = 0) -> list[Split]:
    """One split per candidate: those given, and the missing ones carved class by class out of train (or out of
    everything).

    Every class gives its first image to train, the next to validation, then test, so that rare classes can at least be
    learnt. Where there are groups, each goes whole to where it brings all of its classes closest to their shares.
    """
    _check(ratios)
    given = {candidate.given for candidate in candidates if candidate.given}
    wanted = {
        split: ratio for split, ratio in zip(SPLITS[1:], ratios[1:], strict=True) if split not in given and ratio > 0
    }
    whole, units = ratios[0] + sum(wanted.values()), _units(candidates, seed)
    if any(candidate.group for candidate in candidates):
        labels = [Counter(candidates[position].label for position in unit) for unit in units]
        placed = assigned(labels, {split: ratio / whole for split, ratio in wanted.items()})
        carved = {position: split for unit, split in zip(units, placed, strict=True) for position in unit}
    else:
        carved = _carved_by_class(candidates, units, wanted=wanted, whole=whole)
    return [carved.get(position, candidate.given or "train") for position, candidate in enumerate(candidates)]


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


def fingerprint(
    classes: Sequence[str],
    rows: Sequence[tuple[str, int, Split]],
    groups: Sequence[str] = (),
    *,
    rendering: Rendering = AS_EVER,
) -> str:
    """A hash of what training and judging can see: class names, and (sha256, label, split) of every image in any order;
    also the group of each row where there are any, and the rendering where it is not the usual one."""
    digest = hashlib.sha256(repr(tuple(classes)).encode("utf-8", "backslashreplace"))
    grouped = [(*row, group) for row, group in zip(rows, groups, strict=True)] if any(groups) else rows
    for row in sorted(grouped):
        digest.update(repr(row).encode("utf-8", "backslashreplace"))
    if rendering != AS_EVER:
        digest.update(repr((rendering.white, rendering.ground)).encode())
    return digest.hexdigest()


def _units(candidates: Sequence[Candidate], seed: int) -> list[list[int]]:
    """Positions that may be carved, as what shares content or group, in seeded order."""
    keys = [[candidate.sha256, *([f"group {candidate.group}"] if candidate.group else [])] for candidate in candidates]
    content = {min(candidates[position].sha256 for position in unit): unit for unit in connected(keys)}
    # The order depends on content and seed alone, so that names, file order and Python version do not matter.
    ordered = sorted(content, key=lambda sha256: hashlib.sha256(f"{seed}:{sha256}".encode()).digest())
    units = [content[sha256] for sha256 in ordered]
    return [unit for unit in units if all(candidates[position].given in (None, "train") for position in unit)]


def _carved_by_class(
    candidates: Sequence[Candidate], units: Sequence[Sequence[int]], *, wanted: Mapping[Split, float], whole: float
) -> dict[int, Split]:
    """What leaves train, class by class; a unit counts under the label of its first member."""
    classes: dict[int, list[Sequence[int]]] = {}
    for unit in units:
        classes.setdefault(min(candidates[position].label for position in unit), []).append(unit)
    carved: dict[int, Split] = {}
    for of_class in classes.values():
        total, free = sum(len(unit) for unit in of_class), of_class[1:]
        for split, ratio in wanted.items():
            target, taken = max(1, round(total * ratio / whole)), 0
            for unit in list(free):
                if taken and taken + len(unit) > target:
                    continue
                carved |= dict.fromkeys(unit, split)
                free.remove(unit)
                taken += len(unit)
                if taken >= target:
                    break
    return carved


def _check(ratios: Ratios) -> None:
    fine = len(ratios) == 3 and all(math.isfinite(ratio) and ratio >= 0 for ratio in ratios)
    if not fine or ratios[0] <= 0 or abs(sum(ratios) - 1) > 1e-6:
        raise DatasetError(
            f"The shares of train, validation and test are {ratios}; they must be positive and add up to 1, such as "
            f"0.7, 0.15, 0.15."
        )
