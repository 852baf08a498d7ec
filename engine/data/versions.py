"""Versions: a new dataset from an old one, with some images left out or given another class; the old one stays as it
is.

Images are hard links where the file system allows it. Not here: who decides which (pages), and finding what looks
wrong.
"""

import errno
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from engine.data.dataset import health_card, open_dataset, unique_name
from engine.data.dataset_records import Dataset, Image, Problem
from engine.data.drafts import rows_of, sync_folder
from engine.data.health import examine
from engine.data.split import fingerprint
from engine.errors import DatasetError
from engine.workspace import Workspace, atomic_write, new_id

_NUMBERED = re.compile(r"^(.*) v(\d{1,4})$", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class LabelChange:
    """What was done to one image and why; an empty `to` says that it was left out."""

    image: str
    was: str
    to: str
    why: str
    file: str = ""
    """Our own name of the image's file, which tells images of one name apart; empty in older records."""


@dataclass(frozen=True, kw_only=True)
class VersionOrigin:
    """Where a version comes from: the dataset it was made of, and every change."""

    dataset: str
    name: str
    changes: tuple[LabelChange, ...]


def make_version(
    workspace: Workspace,
    dataset_id: str,
    *,
    excluded: Mapping[int, str],
    relabelled: Mapping[int, tuple[str, str]],
    name: str = "",
) -> Dataset:
    """A new dataset: images (by index) in `excluded` (-> why) left out, those in `relabelled` (-> (class, why)) with
    another class.

    All others keep label and split. DatasetError when nothing changes, an image or class is unknown, or a class would
    be left empty.
    """
    old = open_dataset(workspace, dataset_id)
    changes = _changes(old, excluded, relabelled)
    images = _changed(old, excluded, {index: to for index, (to, _) in relabelled.items()})
    folder = workspace.incoming / new_id("version")
    try:
        _link(old, images, folder)
        about = _about(workspace, old, images, changes, name.strip() or _next_name(old.name))
        atomic_write(folder / "images.json", json.dumps(rows_of(images), ensure_ascii=False))
        atomic_write(folder / "dataset.json", json.dumps(about, ensure_ascii=False, indent=1))
        folder.rename(workspace.dataset(str(about["id"])))
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "Make room on the disk." if full else "Allow Thaw to write into the workspace folder."
        raise DatasetError(f"The new version of {old.name} cannot be written ({error.strerror}). {remedy}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sync_folder(workspace.datasets)
    return open_dataset(workspace, str(about["id"]))


def version_origin(dataset: Dataset) -> VersionOrigin | None:
    """Of which dataset this is a version, and what was changed; None for one that was imported."""
    raw = json.loads((dataset.folder / "dataset.json").read_text(encoding="utf-8")).get("version_of")
    if raw is None:
        return None
    return VersionOrigin(
        dataset=raw["dataset"], name=raw["name"], changes=tuple(LabelChange(**row) for row in raw["changes"])
    )


@dataclass(frozen=True, kw_only=True)
class LocatedChange:
    """A change and where its image can be seen: the id of a dataset, empty when that was deleted, and the index
    there."""

    change: LabelChange
    dataset: str
    index: int


def locate_changes(workspace: Workspace, dataset: Dataset, of: VersionOrigin) -> tuple[LocatedChange, ...]:
    """Every change of `of`, the origin of `dataset`: what has another class is still here, what was left out is in the
    old one."""
    here = _places(dataset)
    try:
        there = _places(open_dataset(workspace, of.dataset))
    except DatasetError:
        there = {}
    found = []
    for change in of.changes:
        index = (here if change.to else there).get((change.image, change.file))
        known = dataset.id if change.to else of.dataset
        found.append(
            LocatedChange(
                change=change, dataset=known if index is not None else "", index=-1 if index is None else index
            )
        )
    return tuple(found)


def _places(dataset: Dataset) -> dict[tuple[str, str], int]:
    """(name, file) -> index, and (name, "") for records without a file."""
    return {key: image.index for image in dataset.images for key in ((image.name, ""), (image.name, image.file))}


def _changes(
    old: Dataset, excluded: Mapping[int, str], relabelled: Mapping[int, tuple[str, str]]
) -> tuple[LabelChange, ...]:
    """The changes in the order of the images, checked."""
    made = []
    for index in sorted({*excluded, *relabelled}):
        if not 0 <= index < len(old.images):
            raise DatasetError(f"The dataset {old.name} has no image {index}. Choose one of its images.")
        image = old.images[index]
        to, why = ("", excluded[index]) if index in excluded else relabelled[index]
        if index in relabelled and (index in excluded or relabelled[index][0] not in old.classes):
            raise DatasetError(
                f"The image {image.name!r} can have a class of {old.name} or be left out, not {relabelled[index][0]!r}."
            )
        if to != old.classes[image.label]:
            made.append(LabelChange(image=image.name, was=old.classes[image.label], to=to, why=why, file=image.file))
    if not made:
        raise DatasetError(f"Nothing would differ from {old.name}. Exclude or relabel at least one image first.")
    return tuple(made)


def _changed(old: Dataset, excluded: Mapping[int, str], to: Mapping[int, str]) -> tuple[Image, ...]:
    number = {name: label for label, name in enumerate(old.classes)}
    kept = [image for image in old.images if image.index not in excluded]
    images = [
        replace(image, index=index, label=number[to[image.index]] if image.index in to else image.label)
        for index, image in enumerate(kept)
    ]
    counts = Counter(image.label for image in images)
    had = {image.label for image in old.images}
    empty = [old.classes[label] for label in sorted(had) if not counts[label]]
    if empty:
        raise DatasetError(f"The class {empty[0]!r} would be left without images. Keep at least one of them.")
    learnt = {image.label for image in images if image.split == "train"}
    lost = [
        old.classes[label] for label in sorted({image.label for image in old.images if image.split == "train"} - learnt)
    ]
    if lost:
        raise DatasetError(f"The class {lost[0]!r} would be left without training images. Keep at least one of them.")
    return tuple(images)


def _link(old: Dataset, images: tuple[Image, ...], folder: Path) -> None:
    """Images and thumbnails once each, without taking room where links are possible."""
    for part in ("images", "thumbs"):
        (folder / part).mkdir(parents=True)
    for image in {image.file: image for image in images}.values():
        for path in (old.image_path(image), old.thumbnail_path(image)):
            if not os.access(path, os.R_OK):
                raise DatasetError(
                    f"A file of the image {image.name!r} of {old.name} is gone or cannot be read. Import the dataset "
                    f"again."
                )
            target = folder / path.parent.name / path.name
            try:
                os.link(path, target)
            except OSError:  # another file system, or one without links
                shutil.copyfile(path, target)
    for part in ("images", "thumbs"):
        sync_folder(folder / part)


def _about(
    workspace: Workspace, old: Dataset, images: tuple[Image, ...], changes: tuple[LabelChange, ...], name: str
) -> dict[str, object]:
    unique = unique_name(workspace, name)
    left = [  # a decision, not a file that could not be read
        Problem(name=change.image, reason=f"Left out of this version: {change.why}", kind="note")
        for change in changes
        if not change.to
    ]
    problems = (*old.problems, *left)
    layout = f"A version of {old.name}: {len(left)} images left out, {len(changes) - len(left)} with another class."
    card = examine(unique, old.classes, images, problems, layout=layout, given_splits=health_card(old).given_splits)
    return {
        "version": 1,
        "id": new_id("dataset"),
        "name": unique,
        "source": "version",
        "created_at": datetime.now(UTC).isoformat(),
        "classes": old.classes,
        "images": len(images),
        "fingerprint": fingerprint(old.classes, [(image.sha256, image.label, image.split) for image in images]),
        "card": card.to_dict(),
        "version_of": {"dataset": old.id, "name": old.name, "changes": [asdict(change) for change in changes]},
    }


def _next_name(name: str) -> str:
    """`pets v2` after `pets`, `pets v3` after `pets v2`."""
    found = _NUMBERED.match(name)
    return f"{found[1]} v{int(found[2]) + 1}" if found else f"{name} v2"
