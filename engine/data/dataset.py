"""Dataset: the stored, immutable set of labelled images; accept an import, open, list, delete.

Loads without torch and PIL, so that pages can use it. Reading archives and images is the importer's business.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from engine.data.dataset_records import (
    SPLITS,
    ClassHealth,
    Dataset,
    DatasetSummary,
    HealthCard,
    Image,
    Problem,
    Split,
    card_from_dict,
)
from engine.data.drafts import (
    DRAFT_FILE,
    Draft,
    draft_folder,
    images_from,
    load_draft,
    rows_of,
    sync_folder,
    without_problems,
)
from engine.data.health import examine
from engine.data.split import DEFAULT_RATIOS, Candidate, Ratios, assign, fingerprint
from engine.errors import DatasetError
from engine.workspace import Workspace, atomic_write, checked_id, new_id

__all__ = [
    "DEFAULT_RATIOS",
    "SPLITS",
    "ClassHealth",
    "Dataset",
    "DatasetSummary",
    "HealthCard",
    "Image",
    "Problem",
    "Ratios",
    "Split",
    "commit",
    "delete_dataset",
    "discard",
    "draft_health_card",
    "health_card",
    "list_datasets",
    "open_dataset",
]

_ABOUT = "dataset.json"
_IMAGES = "images.json"


def draft_health_card(workspace: Workspace, draft_id: str) -> HealthCard:
    """The health card of an import that waits to be accepted; its counts show the default split."""
    return load_draft(workspace, draft_id).card


def commit(
    workspace: Workspace,
    draft_id: str,
    *,
    name: str = "",
    exclude_problems: bool = False,
    ratios: Ratios = DEFAULT_RATIOS,
    seed: int = 0,
) -> Dataset:
    """Accept a draft: split it, and move it among the datasets in one rename. An empty `name` keeps the import's."""
    draft = load_draft(workspace, draft_id)
    if exclude_problems:
        draft = without_problems(draft)
    images = _split(draft, ratios, seed)
    about = _about(workspace, draft, images, name.strip() or draft.name)
    folder = workspace.dataset(str(about["id"]))
    with _claimed(workspace, draft_id) as claimed:
        atomic_write(claimed / _IMAGES, json.dumps(rows_of(images), ensure_ascii=False))
        atomic_write(claimed / _ABOUT, json.dumps(about, ensure_ascii=False, indent=1))
        claimed.rename(folder)  # on one file system, so all or nothing
    sync_folder(workspace.datasets)
    _drop_what_is_not_listed(folder, images)
    return open_dataset(workspace, folder.name)


def discard(workspace: Workspace, draft_id: str) -> None:
    """Forget an import that waits to be accepted; nothing happens when it is already gone."""
    shutil.rmtree(draft_folder(workspace, draft_id), ignore_errors=True)


def open_dataset(workspace: Workspace, id_or_name: str) -> Dataset:
    """The dataset with this id or, of those with this name, the newest; DatasetError lists what there is."""
    summaries = list_datasets(workspace) if not id_or_name.startswith("dataset-") else []
    folder = next((workspace.dataset(summary.id) for summary in summaries if summary.name == id_or_name), None)
    if folder is None and id_or_name.startswith("dataset-"):
        folder = workspace.dataset(id_or_name)
    if folder is None or not (folder / _ABOUT).is_file():
        names = [f"'{summary.name}'" for summary in list_datasets(workspace)]
        known = f"There are {', '.join(names[:20])}." if names else "There is none yet: import one first."
        raise DatasetError(f"There is no dataset {id_or_name[:80]!r}. {known}")
    return _read(folder, (folder / _ABOUT).stat().st_mtime_ns)


def list_datasets(workspace: Workspace) -> list[DatasetSummary]:
    """All datasets, newest first, from one small file each."""
    raws = [_read_about(path) for path in workspace.datasets.glob(f"dataset-*/{_ABOUT}")]
    summaries = [
        DatasetSummary(
            id=raw["id"],
            name=raw["name"],
            images=raw["images"],
            classes=len(raw["classes"]),
            created_at=raw["created_at"],
            fingerprint=raw["fingerprint"],
            source=raw["source"],
            version_of=(raw.get("version_of") or {}).get("dataset", ""),
        )
        for raw in raws
        if raw
    ]
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
    raw = _read_about(dataset.folder / _ABOUT)
    if raw is None:
        raise DatasetError(f"The dataset {dataset.name!r} was deleted.")
    return card_from_dict(raw["card"])


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


def _split(draft: Draft, ratios: Ratios, seed: int) -> tuple[Image, ...]:
    """The draft's images with final index and split."""
    candidates = [
        Candidate(sha256=image.sha256, label=image.label, given=given)
        for image, given in zip(draft.images, draft.given, strict=True)
    ]
    splits = assign(candidates, ratios=ratios, seed=seed)
    return tuple(
        replace(image, index=index, split=split)
        for index, (image, split) in enumerate(zip(draft.images, splits, strict=True))
    )


def _about(workspace: Workspace, draft: Draft, images: tuple[Image, ...], name: str) -> dict[str, object]:
    unique = unique_name(workspace, name)
    card = examine(unique, draft.classes, images, draft.problems, layout=draft.layout, given_splits=draft.given_splits)
    return {
        "version": 1,
        "id": new_id("dataset"),
        "name": unique,
        "source": draft.source,
        "created_at": datetime.now(UTC).isoformat(),
        "classes": draft.classes,
        "images": len(images),
        "fingerprint": fingerprint(draft.classes, [(image.sha256, image.label, image.split) for image in images]),
        "card": card.to_dict(),
    }


def unique_name(workspace: Workspace, name: str) -> str:
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
    (folder / DRAFT_FILE).unlink(missing_ok=True)


@lru_cache(maxsize=8)
def _read(folder: Path, modified_ns: int) -> Dataset:
    """Datasets never change, so a page that asks for one thumbnail after another reads the list once."""
    about = _read_about(folder / _ABOUT)
    if about is None:
        raise DatasetError(
            f"The dataset {folder.name} is damaged: {_ABOUT} cannot be read. Delete it and import it again."
        )
    return Dataset(
        id=checked_id(about["id"]),
        name=about["name"],
        classes=tuple(about["classes"]),
        images=images_from(json.loads((folder / _IMAGES).read_text(encoding="utf-8"))),
        problems=tuple(Problem(**entry) for entry in about["card"]["problems"]),
        fingerprint=about["fingerprint"],
        created_at=about["created_at"],
        source=about["source"],
        folder=folder,
    )


def _read_about(path: Path) -> dict | None:
    """The content of a dataset.json, or None for one that vanished or is damaged: it must not hide the others."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
