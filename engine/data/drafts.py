"""Draft: a scanned import that nobody has accepted yet, in a folder of `incoming`.

It holds images and thumbnails in their final form; accepting it writes two files and renames the folder.
"""

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

from engine.data.dataset_files import draft_stamp, read_draft, read_import, write_draft
from engine.data.dataset_records import SPLITS, Draft, GroupBy, HealthCard, Image
from engine.data.grouping.groups import grouped
from engine.data.health import SMALL_CLASS, copies, examine
from engine.data.imported import draft_of
from engine.data.split import DEFAULT_RATIOS, Candidate, Ratios, assign
from engine.errors import DatasetError
from engine.workspace import Workspace


def draft_health_card(workspace: Workspace, draft_id: str) -> HealthCard:
    """The health card of an import that waits to be accepted; its counts show the default split."""
    return _kept(workspace, draft_id).card


def load_draft(workspace: Workspace, draft_id: str) -> Draft:
    """The draft `draft_id`; DatasetError when it was accepted, discarded or never finished."""
    return _kept(workspace, draft_id).draft


@dataclass(frozen=True, kw_only=True)
class _Kept:
    draft: Draft

    @cached_property
    def card(self) -> HealthCard:
        return examine(with_splits(self.draft))


def _kept(workspace: Workspace, draft_id: str) -> _Kept:
    folder = draft_folder(workspace, draft_id)
    try:
        return _read(folder, draft_stamp(folder))
    except FileNotFoundError:
        raise DatasetError(
            "This import is no longer waiting: it was accepted or discarded. Import the files again."
        ) from None


@lru_cache(maxsize=2)
def _read(folder: Path, stamp: int) -> _Kept:
    """Kept, because a page that waits for a decision is drawn anew at every click."""
    return _Kept(draft=read_draft(folder))


def take_reading(workspace: Workspace, draft_id: str, key: str) -> None:
    """Read an import that waits in another way, one of its draft's alternatives; nothing is uploaded or decoded again.

    DatasetError when it no longer waits, or knows no such reading.
    """
    load_draft(workspace, draft_id)
    folder = draft_folder(workspace, draft_id)
    try:
        imported = read_import(folder)
    except FileNotFoundError:
        raise DatasetError("This import was made by an earlier version. Import the files again.") from None
    write_draft(folder, draft_of(imported, key))


def discard_draft(workspace: Workspace, draft_id: str) -> None:
    """Forget an import that waits to be accepted; nothing happens when it is already gone."""
    shutil.rmtree(draft_folder(workspace, draft_id), ignore_errors=True)


def draft_folder(workspace: Workspace, draft_id: str) -> Path:
    if not draft_id.startswith("draft-"):
        raise DatasetError(f"{draft_id[:60]!r} is not an import that waits to be accepted.")
    return workspace.incoming_item(draft_id)


def with_splits(draft: Draft, *, ratios: Ratios = DEFAULT_RATIOS, seed: int = 0, group_by: GroupBy = "auto") -> Draft:
    """`draft` with the group and the split of every image, and their indices anew."""
    draft = grouped(draft, group_by)
    candidates = [
        Candidate(sha256=image.sha256, label=image.label, given=given, group=image.group)
        for image, given in zip(draft.images, draft.given, strict=True)
    ]
    pairs = zip(draft.images, assign(candidates, ratios=ratios, seed=seed), strict=True)
    images = (replace(image, index=index, split=split) for index, (image, split) in enumerate(pairs))
    return replace(draft, images=tuple(images))


def without_problems(draft: Draft) -> Draft:
    """`draft` less extra copies, all copies of images with contradicting classes, near-copies of images of a later
    split, and classes that are too small.

    Of copies in several splits those in the latest stay, so that the validation and test sets remain as given.
    """

    def priority(image: Image) -> tuple[int, int]:
        return SPLITS.index(draft.given[image.index] or "train"), -image.index

    groups = copies(draft.images).values()
    kept = [max(group, key=priority) for group in groups if len({image.label for image in group}) == 1]
    kept = _without_leaks(kept, draft)
    totals = Counter(image.label for image in kept)
    large = sorted(label for label in totals if totals[label] >= SMALL_CLASS)
    if len(large) < 2:
        raise DatasetError(
            f"Without its problems this dataset has {len(large)} classes of at least {SMALL_CLASS} images; it takes "
            "two. Continue with everything, or add images."
        )
    images = sorted((image for image in kept if image.label in large), key=lambda image: image.index)
    return replace(
        draft,
        classes=tuple(draft.classes[label] for label in large),
        images=tuple(replace(image, label=large.index(image.label)) for image in images),
        given=tuple(draft.given[image.index] for image in images),
    )


def _without_leaks(images: Sequence[Image], draft: Draft) -> list[Image]:
    """Less those that the source puts into an earlier split than a near-copy of them."""
    cluster = {file: number for number, files in enumerate(draft.near_copies) for file in files}
    given = {image.index: SPLITS.index(split) for image in images if (split := draft.given[image.index])}
    latest: dict[int, int] = {}
    for image in images:
        if image.file in cluster:
            number = cluster[image.file]
            latest[number] = max(latest.get(number, 0), given.get(image.index, 0))
    return [
        image
        for image in images
        if image.file not in cluster or given.get(image.index, len(SPLITS)) >= latest[cluster[image.file]]
    ]
