"""Group health: what near-copies and groups make of a set of labelled images, counted and put into sentences.

Judges records only. A part of the health card (health). Not here: how groups are made (groups).
"""

from collections.abc import Sequence
from dataclasses import replace

from engine.data.dataset_records import SPLITS, Draft, GroupBy, HealthCard, Image
from engine.data.grouping.groups import Grouping, groupings

_SOURCES: dict[GroupBy, str] = {
    "source": "named by the source",
    "name": "that file names begin with",
    "time": "of pictures taken within moments of each other",
}


def group_facts(card: HealthCard, draft: Draft) -> HealthCard:
    """`card` with what is known of near-copies and groups in `draft`, whose images have their groups and splits."""
    by_file: dict[str, list[Image]] = {}
    for image in draft.images:
        by_file.setdefault(image.file, []).append(image)
    clusters = [[image for file in files for image in by_file.get(file, [])] for files in draft.near_copies]
    clusters = [images for images in clusters if len({image.file for image in images}) > 1]
    by_group: dict[str, set[str]] = {}
    for image in draft.images:
        if image.group:
            by_group.setdefault(image.group, set()).add(image.split)
    # what is in the images by now are the groups of their near-copies, no longer what the source names
    unused = [way for way in groupings(draft) if way.by != "source"] if draft.group_by == "none" else []
    return replace(
        card,
        near_copies=tuple(tuple(image.name for image in images) for images in clusters),
        near_copies_across_splits=sum(_leaking(images) for images in clusters),
        groups=len(by_group),
        parted_groups=sum(len(splits) > 1 for splits in by_group.values()),
        found_groups=tuple(_found(way) for way in unused),
    )


def group_warnings(card: HealthCard) -> list[str]:
    """What a person should know before trusting a score."""
    warnings = []
    if card.near_copies:
        extra = sum(len(group) - 1 for group in card.near_copies)
        images = "1 image shows" if extra == 1 else f"{extra} images show"
        kept = "" if card.near_copies_across_splits else " They stay in one split."
        warnings.append(
            f"{images} the same picture as another (encoded, sized, cropped, mirrored or turned anew).{kept}"
        )
    if card.near_copies_across_splits:
        warnings.append(
            f"{card.near_copies_across_splits} validation or test images are near-copies of images of an earlier "
            "split, so scores will look better than they are. Excluding problems takes the earlier ones out."
        )
    if card.parted_groups:
        warnings.append(
            f"{card.parted_groups} of {card.groups} groups lie in several of the splits that came with the images: "
            "scores tell of more images of these groups, not of new ones."
        )
    return warnings


def _leaking(images: Sequence[Image]) -> int:
    """How many of these near-copies have another file in an earlier split."""
    first = min(SPLITS.index(image.split) for image in images)
    early = {image.file for image in images if SPLITS.index(image.split) == first}
    return sum(SPLITS.index(image.split) > first and image.file not in early for image in images)


def _found(way: Grouping) -> str:
    """`37 groups that file names begin with, such as p01 and p02: not made use of. ...`"""
    names = sorted({*way.groups} - {""})
    such = f", such as {names[0][:40]} and {names[1][:40]}" if len(names) > 1 and way.by != "time" else ""
    return (
        f"{way.count} {'group' if way.count == 1 else 'groups'} {_SOURCES[way.by]}{such}: not made use of. Where "
        "images of a group are alike, keep each group in one split."
    )
