"""Dataset: the stored, immutable set of labelled images; accept an import, open, list, delete.

Loads without torch and PIL, so that pages can use it. Reading archives and images is the importer's business.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from engine.data.dataset_files import (
    DESCRIPTION,
    Description,
    read_description,
    read_images,
    read_unlabelled,
    write_dataset,
)
from engine.data.dataset_records import Dataset, DatasetSummary, Draft, GroupBy, HealthCard, Image, VersionOrigin
from engine.data.drafts import draft_folder, load_draft, with_splits, without_problems
from engine.data.health import examine
from engine.data.split import DEFAULT_RATIOS, Ratios, fingerprint
from engine.errors import DatasetError
from engine.workspace import Workspace, checked_id, new_id, sync_folder


def commit(
    workspace: Workspace,
    draft_id: str,
    *,
    name: str = "",
    exclude_problems: bool = False,
    ratios: Ratios = DEFAULT_RATIOS,
    seed: int = 0,
    group_by: GroupBy = "auto",
) -> Dataset:
    """Accept a draft: split it, and move it among the datasets in one rename. An empty `name` keeps the import's."""
    draft = load_draft(workspace, draft_id)
    if exclude_problems:
        draft = without_problems(draft)
    draft = with_splits(replace(draft, name=name.strip() or draft.name), ratios=ratios, seed=seed, group_by=group_by)
    description = describe(workspace, draft)
    folder = workspace.dataset(description.id)
    with _claimed(workspace, draft_id) as claimed:
        write_dataset(claimed, description, draft.images, unlabelled=draft.unlabelled)
        claimed.rename(folder)  # on one file system, so all or nothing
    sync_folder(workspace.datasets)
    _drop_what_is_not_listed(folder, (*draft.images, *draft.unlabelled))
    return open_dataset(workspace, folder.name)


def describe(workspace: Workspace, draft: Draft, *, version_of: VersionOrigin | None = None) -> Description:
    """What dataset.json is to say of `draft`, whose images have their splits; under a new id and a name of its own."""
    draft = replace(draft, name=_unique_name(workspace, draft.name))
    return Description(
        id=new_id("dataset"),
        name=draft.name,
        source=draft.source,
        created_at=datetime.now(UTC).isoformat(),
        classes=draft.classes,
        images=len(draft.images),
        fingerprint=fingerprint(
            draft.classes,
            [(image.sha256, image.label, image.split) for image in draft.images],
            [image.group for image in draft.images],
            rendering=draft.rendering,
        ),
        card=examine(draft),
        version_of=version_of,
        rendering=draft.rendering,
    )


def open_dataset(workspace: Workspace, id_or_name: str) -> Dataset:
    """The dataset with this id or, of those with this name, the newest; DatasetError lists what there is."""
    by_id = id_or_name.startswith("dataset-")
    summaries = [] if by_id else list_datasets(workspace)
    dataset_id = next((summary.id for summary in summaries if summary.name == id_or_name), id_or_name if by_id else "")
    folder = workspace.dataset(dataset_id) if dataset_id else None
    if folder is None or not (folder / DESCRIPTION).is_file():
        names = [f"'{summary.name}'" for summary in list_datasets(workspace)]
        known = f"There are {', '.join(names[:20])}." if names else "There is none yet: import one first."
        raise DatasetError(f"There is no dataset {id_or_name[:80]!r}. {known}")
    return _read(folder, (folder / DESCRIPTION).stat().st_mtime_ns)


def list_datasets(workspace: Workspace) -> list[DatasetSummary]:
    """All datasets, newest first, from one small file each; a damaged one does not hide the others."""
    summaries = []
    for path in workspace.datasets.glob(f"dataset-*/{DESCRIPTION}"):
        with suppress(OSError, DatasetError):
            found = read_description(path.parent)
            summaries.append(
                DatasetSummary(
                    id=found.id,
                    name=found.name,
                    images=found.images,
                    classes=len(found.classes),
                    created_at=found.created_at,
                    fingerprint=found.fingerprint,
                    source=found.source,
                    version_of=found.version_of.dataset if found.version_of else "",
                )
            )
    return sorted(summaries, key=lambda summary: (summary.created_at, summary.id), reverse=True)


def delete_dataset(workspace: Workspace, dataset_id: str) -> None:
    """Remove a dataset with all its images; DatasetError when there is none."""
    folder = workspace.dataset(dataset_id)
    bin_folder = workspace.incoming / new_id("trash")  # one rename first: a reader never meets half a dataset
    try:
        folder.rename(bin_folder)
    except FileNotFoundError:
        raise DatasetError("This dataset is already gone.") from None
    shutil.rmtree(bin_folder, ignore_errors=True)


def health_card(dataset: Dataset) -> HealthCard:
    """The health card of an accepted dataset, with its final split."""
    return read_description(dataset.folder).card


def version_origin(dataset: Dataset) -> VersionOrigin | None:
    """Of which dataset this is a version, and what was changed; None for one that was imported."""
    return read_description(dataset.folder).version_of


@contextmanager
def _claimed(workspace: Workspace, draft_id: str) -> Iterator[Path]:
    """The draft's folder under a name that no other window knows; given back when accepting it fails."""
    folder, private = draft_folder(workspace, draft_id), workspace.incoming / new_id("accepted")
    try:
        folder.rename(private)
    except FileNotFoundError:
        raise DatasetError("This import was accepted or discarded in another window.") from None
    try:
        yield private
    except BaseException:
        private.rename(folder)
        raise


def _unique_name(workspace: Workspace, name: str) -> str:
    """`name`, or `name (2)` and so on when it is taken: the command line opens datasets by name."""
    taken = {summary.name for summary in list_datasets(workspace)}
    candidates = (name if number == 1 else f"{name} ({number})" for number in range(1, len(taken) + 2))
    return next(candidate for candidate in candidates if candidate not in taken)


def _drop_what_is_not_listed(folder: Path, images: tuple[Image, ...]) -> None:
    """Remove what only the draft needed. A crash before this leaves unused files and no harm."""
    stems = {image.file.partition(".")[0] for image in images}
    for path in [*(folder / "images").iterdir(), *(folder / "thumbs").iterdir()]:
        if path.name.partition(".")[0] not in stems:
            path.unlink()


@lru_cache(maxsize=8)
def _read(folder: Path, modified_ns: int) -> Dataset:
    """Datasets never change, so a page that asks for one thumbnail after another reads the list once."""
    description = read_description(folder)
    return Dataset(
        id=checked_id(description.id),
        name=description.name,
        classes=description.classes,
        images=read_images(folder),
        problems=description.card.problems,
        fingerprint=description.fingerprint,
        created_at=description.created_at,
        source=description.source,
        folder=folder,
        rendering=description.rendering,
        unlabelled=read_unlabelled(folder),
    )
