"""Dataset files: what lies beside the images of a draft and of a dataset, as typed records.

A draft is one file, a dataset two: a small one that lists read, and its images. Not here: when they are written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from engine import record_files
from engine.data.dataset_records import (
    AS_EVER,
    Alternative,
    Draft,
    GroupBy,
    HealthCard,
    Image,
    Problem,
    Rendering,
    Split,
    TreeLine,
    VersionOrigin,
)
from engine.data.imported import Imported, ReadingOfImages
from engine.errors import DatasetError
from engine.workspace import atomic_write

DESCRIPTION = "dataset.json"
_IMAGES, _UNLABELLED, _DRAFT, _IMPORT = "images.json", "unlabelled.json", "draft.json", "import.json"
_COLUMNS = tuple(field.name for field in fields(Image))


@dataclass(frozen=True, kw_only=True)
class Description:
    """dataset.json: everything but the images."""

    version: int = 1
    id: str
    name: str
    source: str
    created_at: str
    classes: tuple[str, ...]
    images: int
    fingerprint: str
    card: HealthCard
    version_of: VersionOrigin | None = None
    rendering: Rendering = AS_EVER


@dataclass(frozen=True, kw_only=True)
class ImageTable:
    """Images as columns and rows: a third of the size of a list of objects."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class _StoredDraft:
    name: str
    source: str
    layout: str
    classes: tuple[str, ...]
    images: ImageTable
    given: tuple[Split | None, ...]
    problems: tuple[Problem, ...]
    rendering: Rendering = AS_EVER
    doubts: tuple[str, ...] = ()
    reading: str = ""
    alternatives: tuple[Alternative, ...] = ()
    tree: tuple[TreeLine, ...] = ()
    unlabelled: ImageTable = ImageTable(columns=_COLUMNS, rows=())
    near_copies: tuple[tuple[str, ...], ...] = ()
    bursts: tuple[tuple[str, ...], ...] = ()
    group_by: GroupBy = "none"


@dataclass(frozen=True, kw_only=True)
class _StoredImport:
    name: str
    source: str
    images: ImageTable
    problems: tuple[Problem, ...]
    readings: tuple[ReadingOfImages, ...]
    rendering: Rendering = AS_EVER
    near_copies: tuple[tuple[str, ...], ...] = ()
    bursts: tuple[tuple[str, ...], ...] = ()


def write_draft(folder: Path, draft: Draft) -> None:
    """Write `draft`; its presence means that the scan is complete."""
    stored = _StoredDraft(**{**vars(draft), "images": _table(draft.images), "unlabelled": _table(draft.unlabelled)})
    atomic_write(folder / _DRAFT, record_files.encode(stored))


def draft_stamp(folder: Path) -> int:
    """Changes whenever the draft in `folder` does; FileNotFoundError where there is none."""
    return (folder / _DRAFT).stat().st_mtime_ns


def read_draft(folder: Path) -> Draft:
    """The draft in `folder`; FileNotFoundError where there is none."""
    stored = record_files.read(folder / _DRAFT, _StoredDraft, error=DatasetError)
    images, unlabelled = (_images(table, folder) for table in (stored.images, stored.unlabelled))
    return Draft(**{**vars(stored), "images": images, "unlabelled": unlabelled})


def write_import(folder: Path, imported: Imported) -> None:
    """Write what drafts of other readings can be made of."""
    stored = _StoredImport(**{**vars(imported), "images": _table(imported.images)})
    atomic_write(folder / _IMPORT, record_files.encode(stored))


def read_import(folder: Path) -> Imported:
    """What was imported into `folder`; FileNotFoundError where that was not kept."""
    stored = record_files.read(folder / _IMPORT, _StoredImport, error=DatasetError)
    return Imported(**{**vars(stored), "images": _images(stored.images, folder)})


def write_dataset(
    folder: Path, description: Description, images: Sequence[Image], *, unlabelled: Sequence[Image] = ()
) -> None:
    """Make `folder`, which holds the images already, that of a dataset."""
    atomic_write(folder / _IMAGES, record_files.encode(_table(images)))
    if unlabelled:
        atomic_write(folder / _UNLABELLED, record_files.encode(_table(unlabelled)))
    record_files.write(folder / DESCRIPTION, description)
    for name in (_DRAFT, _IMPORT):
        (folder / name).unlink(missing_ok=True)


def read_description(folder: Path) -> Description:
    """What dataset.json says; DatasetError when it is damaged or gone."""
    try:
        return record_files.read(folder / DESCRIPTION, Description, error=DatasetError)
    except FileNotFoundError:
        raise DatasetError("This dataset was deleted.") from None


def read_images(folder: Path) -> tuple[Image, ...]:
    """The images of the dataset in `folder`."""
    return _images(record_files.read(folder / _IMAGES, ImageTable, error=DatasetError), folder)


def read_unlabelled(folder: Path) -> tuple[Image, ...]:
    """The images without a class that came with the dataset in `folder`."""
    if not (folder / _UNLABELLED).exists():
        return ()
    return _images(record_files.read(folder / _UNLABELLED, ImageTable, error=DatasetError), folder)


def _table(images: Sequence[Image]) -> ImageTable:
    return ImageTable(columns=_COLUMNS, rows=tuple(tuple(vars(image).values()) for image in images))


def _images(table: ImageTable, folder: Path) -> tuple[Image, ...]:
    rows = [dict(zip(table.columns, row, strict=False)) for row in table.rows]
    return record_files.convert(
        rows, tuple[Image, ...], what=f"The list of images in {folder.name}", error=DatasetError
    )
