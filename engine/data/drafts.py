"""Draft: a scanned import that nobody has accepted yet, in a folder of `incoming`.

A draft already holds images and thumbnails in their final form; accepting it writes two JSON files and renames the
folder.
"""

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from engine.data.dataset_records import HealthCard, Image, Problem, Split, card_from_dict
from engine.data.health import SMALL_CLASS, copies
from engine.errors import DatasetError
from engine.workspace import Workspace, atomic_write

DRAFT_FILE = "draft.json"
_COLUMNS = tuple(field.name for field in fields(Image))


@dataclass(frozen=True, kw_only=True)
class Draft:
    """Everything that a scan found. `given` has, for each image, the split its source prescribes."""

    name: str
    source: str
    layout: str
    classes: tuple[str, ...]
    images: tuple[Image, ...]
    given: tuple[Split | None, ...]
    problems: tuple[Problem, ...]
    card: HealthCard

    @property
    def given_splits(self) -> tuple[Split, ...]:
        return self.card.given_splits  # type: ignore[return-value]


def save_draft(folder: Path, draft: Draft) -> None:
    """Write `draft`; its presence means that the scan is complete."""
    content = {
        "name": draft.name,
        "source": draft.source,
        "layout": draft.layout,
        "classes": draft.classes,
        "images": rows_of(draft.images),
        "given": draft.given,
        "problems": [asdict(problem) for problem in draft.problems],
        "card": draft.card.to_dict(),
    }
    for part in ("images", "thumbs"):
        if (folder / part).is_dir():
            sync_folder(folder / part)
    atomic_write(folder / DRAFT_FILE, json.dumps(content, ensure_ascii=False))


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut, as fsync does for the content of a file."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def load_draft(workspace: Workspace, draft_id: str) -> Draft:
    """The draft `draft_id`; DatasetError when it was accepted, discarded or never finished."""
    try:
        raw = json.loads((draft_folder(workspace, draft_id) / DRAFT_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(
            "This import is no longer waiting: it was accepted or discarded. Import the files again."
        ) from None
    return Draft(
        name=raw["name"],
        source=raw["source"],
        layout=raw["layout"],
        classes=tuple(raw["classes"]),
        images=images_from(raw["images"]),
        given=tuple(raw["given"]),
        problems=tuple(Problem(**entry) for entry in raw["problems"]),
        card=card_from_dict(raw["card"]),
    )


def draft_folder(workspace: Workspace, draft_id: str) -> Path:
    if not draft_id.startswith("draft-"):
        raise DatasetError(f"{draft_id[:60]!r} is not an import that waits to be accepted.")
    return workspace.incoming_item(draft_id)


def without_problems(draft: Draft) -> Draft:
    """`draft` less extra copies, all copies of images with contradicting classes, and classes that are too small.

    Of copies in several splits the one in the latest stays, so that the validation and test sets remain as given.
    """
    keep: set[int] = set()
    position_of = {image.index: position for position, image in enumerate(draft.images)}
    for group in copies(draft.images).values():
        if len({image.label for image in group}) == 1:
            kept = max(group, key=lambda image: (("train", "val", "test").index(image.split), -image.index))
            keep.add(position_of[kept.index])
    totals = Counter(draft.images[position].label for position in keep)
    large = {
        label: number for number, label in enumerate(sorted(label for label in totals if totals[label] >= SMALL_CLASS))
    }
    if len(large) < 2:
        raise DatasetError(
            f"Without its problems this dataset has {len(large)} classes of at least {SMALL_CLASS} images; it takes "
            f"two. "
            "Continue with everything, or add images."
        )
    positions = [position for position in sorted(keep) if draft.images[position].label in large]
    return replace(
        draft,
        classes=tuple(draft.classes[label] for label in large),
        images=tuple(
            replace(draft.images[position], label=large[draft.images[position].label]) for position in positions
        ),
        given=tuple(draft.given[position] for position in positions),
    )


def rows_of(images: Sequence[Image]) -> dict[str, object]:
    """Images as columns and rows: a third of the size of a list of objects."""
    return {"columns": _COLUMNS, "rows": [[getattr(image, column) for column in _COLUMNS] for image in images]}


def images_from(raw: dict) -> tuple[Image, ...]:
    return tuple(Image(**dict(zip(raw["columns"], row, strict=True))) for row in raw["rows"])
