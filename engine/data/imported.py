"""Imported: all readable images of an import with every reading of them, so that a draft can be read anew without
uploading anything again.

Pure data and how a draft follows from it. Not here: making readings (engine.data.readings), and decoding (importer).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from engine.data.dataset_records import AS_EVER, Alternative, Draft, Image, Problem, Rendering, Split
from engine.data.readings.reading import Reading, aside_as_problems, beside_classes
from engine.data.readings.reading_tree import reading_tree
from engine.data.tables.table_records import TableChoice
from engine.errors import DatasetError

UNLABELLED, LEFT_OUT = -1, -2
"""Labels of an image without a class, and of what is no picture by a reading: a mask."""


@dataclass(frozen=True, kw_only=True)
class ImportChoices:
    """What a person wants of an import; what is empty is found out."""

    classes_at: str = ""
    """The key of a reading: a level of folders, `parent`, `name` or `table`."""
    columns: TableChoice | None = None
    keep_masks: bool = False
    """Whether what looks like masks of other pictures is pictures."""


@dataclass(frozen=True, kw_only=True)
class ReadingOfImages:
    """A reading as columns: one row for each image of the import, in its order."""

    key: str
    sentence: str
    doubts: tuple[str, ...]
    classes: tuple[str, ...]
    labels: tuple[int, ...]
    given: tuple[Split | None, ...]
    groups: tuple[str, ...]
    problems: tuple[Problem, ...]
    """What has no class, and classes that have no readable image."""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import found; images carry neither label nor split."""

    name: str
    source: str
    images: tuple[Image, ...]
    problems: tuple[Problem, ...]
    """Files that are no images, whatever the reading."""
    readings: tuple[ReadingOfImages, ...]
    rendering: Rendering = AS_EVER
    near_copies: tuple[tuple[str, ...], ...] = ()
    bursts: tuple[tuple[str, ...], ...] = ()
    """Both as in a draft."""


def of_images(
    reading: Reading, images: Sequence[Image], bare: Sequence[str] = (), *, masks: Collection[str] = ()
) -> ReadingOfImages:
    """`reading` of those of its files that turned out to be `images`; `bare` are folders without any image, `masks`
    the names of those that are left out unless the reading takes them for pictures."""
    entries = {entry.file.name: entry for entry in reading.entries}
    rows = [entries.get(image.name) for image in images]
    classes = tuple(sorted({row.label for row in rows if row}))
    number = {name: label for label, name in enumerate(classes)}
    empty = sorted({name for name in (*reading.classes, *beside_classes(reading, bare)) if name not in number})
    return ReadingOfImages(
        key=reading.key,
        sentence=reading.sentence,
        doubts=reading.doubts,
        classes=classes,
        labels=tuple(
            number[row.label] if row else LEFT_OUT if image.name in masks else UNLABELLED
            for image, row in zip(images, rows, strict=True)
        ),
        given=tuple(row.given if row else None for row in rows),
        groups=tuple(row.group if row else "" for row in rows),
        problems=(*aside_as_problems(reading), *_without_images(empty)),
    )


def draft_of(imported: Imported, key: str) -> Draft:
    """The draft by the reading called `key`; DatasetError when there is none. The others become its alternatives."""
    taken = next((reading for reading in imported.readings if reading.key == key), None)
    if taken is None:
        raise DatasetError("This import cannot be read in that way. Choose one of the readings that it shows.")
    rows = [
        (replace(image, label=label, group=group), given)
        for image, label, given, group in zip(imported.images, taken.labels, taken.given, taken.groups, strict=True)
    ]
    read = sorted((row for row in rows if row[0].label >= 0), key=lambda row: (row[0].label, row[0].name))
    unlabelled = tuple(image for image, _ in rows if image.label == UNLABELLED)
    return Draft(
        name=imported.name,
        source=imported.source,
        layout=taken.sentence,
        classes=taken.classes,
        images=tuple(replace(image, index=index) for index, (image, _) in enumerate(read)),
        given=tuple(given for _, given in read),
        problems=(*imported.problems, *taken.problems),
        rendering=imported.rendering,
        doubts=taken.doubts,
        reading=taken.key,
        alternatives=tuple(_alternative(reading) for reading in imported.readings if reading is not taken),
        tree=reading_tree(taken.classes, read, unlabelled),
        unlabelled=unlabelled,
        near_copies=imported.near_copies,
        bursts=imported.bursts,
    )


def _without_images(names: Sequence[str]) -> tuple[Problem, ...]:
    """One sentence of all of them."""
    if not names:
        return ()
    listed = ", ".join(names[:20]) + (" and others" if len(names) > 20 else "")
    folders = "1 folder holds" if len(names) == 1 else f"{len(names)} folders hold"
    return (Problem(name=listed, reason=f"{folders} no readable image and becomes no class.", kind="note"),)


def _alternative(reading: ReadingOfImages) -> Alternative:
    counts = {name: 0 for name in reading.classes}
    for label in reading.labels:
        if label >= 0:
            counts[reading.classes[label]] += 1
    return Alternative(key=reading.key, sentence=reading.sentence, classes=counts)
