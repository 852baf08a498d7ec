"""Versions: a new dataset from an old one, with some images left out or given another class; the old one stays as it
is.

Images are hard links where the file system allows it. Not here: who decides which (pages), and finding what looks
wrong.
"""

import errno
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from engine.data.dataset import describe, health_card, open_dataset
from engine.data.dataset_files import write_dataset
from engine.data.dataset_records import SPLITS, Dataset, Draft, Image, LabelChange, Problem, VersionOrigin
from engine.errors import DatasetError
from engine.workspace import Workspace, new_id, sync_folder

_NUMBERED = re.compile(r"^(.*) v(\d{1,4})$", re.DOTALL)


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
        draft = _draft(old, images, changes)
        origin = VersionOrigin(dataset=old.id, name=old.name, changes=changes)
        description = describe(workspace, replace(draft, name=name.strip() or draft.name), version_of=origin)
        write_dataset(folder, description, images)
        folder.rename(workspace.dataset(description.id))
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "Make room on the disk." if full else "Allow Thaw to write into the workspace folder."
        raise DatasetError(f"The new version of {old.name} cannot be written ({error.strerror}). {remedy}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sync_folder(workspace.datasets)
    return open_dataset(workspace, description.id)


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
    here, there = _places(dataset), dict[tuple[str, str], int]()
    with suppress(DatasetError):
        there = _places(open_dataset(workspace, of.dataset))
    located = []
    for change in of.changes:
        where, places = (dataset.id, here) if change.to else (of.dataset, there)
        index = places.get((change.image, change.file), -1)
        located.append(LocatedChange(change=change, dataset=where if index >= 0 else "", index=index))
    return tuple(located)


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
    for what, splits in (("images", SPLITS), ("training images", ("train",))):
        before, after = ({image.label for image in of if image.split in splits} for of in (old.images, images))
        if lost := sorted(before - after):
            name = old.classes[lost[0]]
            raise DatasetError(f"The class {name!r} would be left without {what}. Keep at least one of them.")
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


def _draft(old: Dataset, images: tuple[Image, ...], changes: tuple[LabelChange, ...]) -> Draft:
    """The version as it is described: splits that the old one's source prescribed still count as given."""
    left_out = tuple(  # decisions, not files that could not be read
        Problem(name=change.image, reason=f"Left out of this version: {change.why}", kind="note")
        for change in changes
        if not change.to
    )
    given, moved = health_card(old).given_splits, len(changes) - len(left_out)
    return Draft(
        name=_next_name(old.name),
        source="version",
        layout=f"A version of {old.name}: {len(left_out)} images left out, {moved} with another class.",
        classes=old.classes,
        images=images,
        given=tuple(image.split if image.split in given else None for image in images),
        problems=(*old.problems, *left_out),
        rendering=old.rendering,
        near_copies=_near_copies(old),
    )


def _near_copies(old: Dataset) -> tuple[tuple[str, ...], ...]:
    """Those that its card names, by file."""
    files = {image.name: image.file for image in old.images}
    return tuple(tuple(files[name] for name in names if name in files) for names in health_card(old).near_copies)


def _next_name(name: str) -> str:
    """`pets v2` after `pets`, `pets v3` after `pets v2`."""
    found = _NUMBERED.match(name)
    return f"{found[1]} v{int(found[2]) + 1}" if found else f"{name} v2"
