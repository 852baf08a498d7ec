"""Health: what is wrong or risky about a set of labelled images, counted and put into sentences.

Judges records only; it opens no image and changes nothing. Not here: what belongs together (groups).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.data.dataset_records import (
    AS_EVER,
    SPLIT_NAMES,
    SPLITS,
    ClassHealth,
    Draft,
    Flaw,
    HealthCard,
    Image,
    Rendering,
)
from engine.data.grouping.group_health import group_facts, group_warnings

SMALL_CLASS = 5
"""Fewer images than this and a class can hardly be learnt, let alone measured."""
IMBALANCED = 5.0
SMALL_PIXELS = 32
_LOOKS: Mapping[Flaw, str] = {
    "blank": "are blank, one colour everywhere.",
    "dark": "are nearly black.",
    "few_levels": "use at most 32 of 256 levels of brightness, as masks do and photographs do not.",
    "drawing": "use at most 32 of 256 levels of brightness, as masks and drawings do and photographs do not.",
}


def examine(draft: Draft) -> HealthCard:
    """The health card of `draft`, whose images have their splits."""
    images, rendering = draft.images, _rendering_in_words(draft.rendering)
    groups = [group for group in copies(images).values() if len(group) > 1]
    counts = _count(draft.classes, images)
    sizes = [entry.total for entry in counts]
    conflicts = [group for group in groups if len({image.label for image in group}) > 1]
    card = HealthCard(
        name=draft.name,
        classes=tuple(counts),
        images=len(images),
        width_range=_range([image.width for image in images]),
        height_range=_range([image.height for image in images]),
        problems=draft.problems,
        duplicates=tuple(tuple(image.name for image in group) for group in groups),
        duplicates_across_splits=sum(_repeated_across_splits(group) for group in groups),
        label_conflicts=tuple(tuple(image.name for image in group) for group in conflicts),
        imbalance=round(max(sizes, default=0) / max(1, min(sizes, default=1)), 2),
        small_classes=tuple(entry.name for entry in counts if entry.total < SMALL_CLASS),
        layout=f"{draft.layout} {rendering}".rstrip(),
        given_splits=draft.given_splits,
        bytes=sum(image.bytes for image in images),
        warnings=(),
        doubts=draft.doubts,
        reading=draft.reading,
        alternatives=draft.alternatives,
        tree=draft.tree,
        unlabelled=len(draft.unlabelled),
    )
    card = group_facts(card, draft)
    warnings = (*_warnings_about_classes(card), *_warnings_about_images(card), *_warnings_about_looks(images))
    return replace(card, warnings=(*warnings, *group_warnings(card)))


def copies(images: Sequence[Image]) -> dict[str, list[Image]]:
    """Images by content, in the order in which each content first appears."""
    groups: dict[str, list[Image]] = {}
    for image in images:
        groups.setdefault(image.sha256, []).append(image)
    return groups


def _count(classes: Sequence[str], images: Sequence[Image]) -> list[ClassHealth]:
    counts = Counter((image.label, image.split) for image in images)
    rows = [(name, [counts[label, split] for split in SPLITS]) for label, name in enumerate(classes)]
    return [ClassHealth(name=name, **dict(zip(SPLITS, sizes, strict=True)), total=sum(sizes)) for name, sizes in rows]


def _repeated_across_splits(group: Sequence[Image]) -> int:
    """How many images of `group` (identical copies) have a copy in an earlier split."""
    first = next(split for split in SPLITS if any(image.split == split for image in group))
    return sum(image.split != first for image in group)


def _range(values: Sequence[int]) -> tuple[int, int, int]:
    ordered = sorted(values) or [0]
    return ordered[0], ordered[len(ordered) // 2], ordered[-1]


def _warnings_about_classes(card: HealthCard) -> list[str]:
    warnings = []
    if card.small_classes:
        warnings.append(
            f"Fewer than {SMALL_CLASS} images: {_listed(card.small_classes)}. "
            "Such a class can hardly be learnt; add images or leave it out."
        )
    if card.imbalance >= IMBALANCED:
        warnings.append(
            f"The largest class has {card.imbalance:.0f} times the images of the smallest. "
            "Look at the scores per class, and consider balanced class weights."
        )
    by_casefold: dict[str, list[str]] = {}
    for entry in card.classes:
        by_casefold.setdefault(entry.name.casefold(), []).append(entry.name)
    warnings += [
        f"Classes that differ only in capital letters: {', '.join(names)}. Are they one class?"
        for names in by_casefold.values()
        if len(names) > 1
    ]
    for split in ("val", "test"):
        word = SPLIT_NAMES[split]
        missing = [entry.name for entry in card.classes if not getattr(entry, split)]
        if len(missing) == len(card.classes):
            warnings.append(f"No image is left for {word}: no score can be measured there.")
        elif missing:
            warnings.append(f"Without a {word} image: {_listed(missing)}.")
    return warnings


def _warnings_about_images(card: HealthCard) -> list[str]:
    warnings = []
    if left_out := sum(problem.kind != "note" for problem in card.problems):
        warnings.append(f"{_files(left_out)} left out; the list below says why.")
    if card.duplicates:
        extra = sum(len(group) - 1 for group in card.duplicates)
        warnings.append(f"{_files(extra)} an exact copy of another image.")
    if card.duplicates_across_splits:
        warnings.append(
            f"{card.duplicates_across_splits} validation or test images also occur in an earlier split, "
            "so scores will look better than they are. Excluding problems removes the extra copies."
        )
    if card.label_conflicts:
        warnings.append(
            f"{len(card.label_conflicts)} groups of identical images carry different classes: at least one label is "
            "wrong."
        )
    if len({name for group in card.duplicates for name in group}) == card.images and len(card.duplicates) == 1:
        warnings.append("All images are identical: nothing can be learnt from them.")
    if card.images and min(card.width_range[1], card.height_range[1]) < SMALL_PIXELS:
        warnings.append(
            f"Half of the images are smaller than {SMALL_PIXELS} pixels; enlarged, they show a backbone very little."
        )
    return warnings


def _warnings_about_looks(images: Sequence[Image]) -> list[str]:
    """Of images that show little, how many there are of each kind, with an example."""
    named: dict[Flaw, list[str]] = {}
    for image in images:
        named.setdefault(image.flaw, []).append(image.name)
    if 2 * len(named.get("drawing", ())) > len(images):
        del named["drawing"]  # then that is what the dataset is about
    counted = ((names, words) for flaw, words in _LOOKS.items() if (names := named.get(flaw)))
    return [f"{len(names)} of {len(images)} images {words} For example {names[0]}." for names, words in counted]


def _rendering_in_words(rendering: Rendering) -> str:
    """What differs from the usual, as sentences; empty when nothing does."""
    told = []
    if rendering.white != AS_EVER.white:
        bits = rendering.white.bit_length()
        told.append(f"Grey values need {bits} bits, so {rendering.white:,} is white.")
    if rendering.ground != AS_EVER.ground:
        told.append("Transparent images lie on black, for what they show is bright.")
    return " ".join(told)


def _files(count: int) -> str:
    return "1 file is" if count == 1 else f"{count} files are"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (" and others" if len(names) > 8 else "")
