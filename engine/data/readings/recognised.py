"""Recognised: staged files sorted into images, tables and the rest, with every reading of what the images are called.

Looks at names and first bytes; decodes nothing but suspected masks. Not here: the readings themselves
(engine.data.readings).
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from engine.data import uploads
from engine.data.dataset_records import Problem
from engine.data.decoder import why_not
from engine.data.file_names import clean_name, stand_in, system_file, system_folder
from engine.data.imported import ImportChoices
from engine.data.masks import find_masks, note_on
from engine.data.readings.reading import Reading
from engine.data.readings.recognition import recognise
from engine.data.staging.unpacking import Staged, StagedFile
from engine.data.tables.accounts import is_table, read_tables
from engine.errors import DatasetError

IMAGE_SUFFIXES = frozenset(
    (
        *("jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "tif", "tiff", "gif"),
        *("ppm", "pgm", "pbm", "pnm", "avif", "heic", "heif", "hif"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """The images with their readings, the best one first, and what is no image, by name."""

    images: tuple[StagedFile, ...]
    readings: tuple[Reading, ...]
    problems: tuple[Problem, ...]
    masks: frozenset[str]
    """Names of images that only the last reading takes for pictures."""
    bare: tuple[str, ...]
    """Folders without any file that is called like an image."""


def recognise_staged(staged: Staged, choices: ImportChoices, *, empty: Iterable[str]) -> Recognised:
    """Sort the staged files into images, label tables and the rest, and find out what the images are called; `empty`
    are folders that nothing was staged of."""
    images: list[StagedFile] = []
    tables: list[StagedFile] = []
    problems: list[Problem] = []
    for file in staged.files:
        if system_file(file.name):
            problems.append(Problem(name=file.name, reason="system file", kind="system"))
        elif stand_in(file.name):
            problems.append(Problem(name=file.name, reason="It stands in for an image that was not found."))
        elif is_table(file.name):
            tables.append(file)
        elif file.name.rpartition(".")[2].lower() in IMAGE_SUFFIXES or (reason := why_not(file.path)) is None:
            images.append(file)
        else:
            problems.append(Problem(name=file.name, reason=reason))
    masks = () if choices.keep_masks else find_masks(images)
    named = [*(file.name for file in staged.files), *(p.name for p in staged.problems if p.kind == "input")]
    bare = {parent for name in named for parent in _parents(name)}.union(empty)
    return Recognised(
        images=tuple(images),
        readings=_readings(images, tables, masks=masks, choices=choices),
        problems=(*staged.problems, *problems),
        masks=frozenset(mask.name for mask in masks),
        bare=tuple(sorted(bare.difference(parent for image in images for parent in _parents(image.name)))),
    )


def _readings(
    images: Sequence[StagedFile], tables: Sequence[StagedFile], *, masks: Sequence[StagedFile], choices: ImportChoices
) -> tuple[Reading, ...]:
    """Of the images without `masks`; the last one takes these for pictures, where there are any."""
    left_out = {mask.name for mask in masks}
    pictures = [image for image in images if image.name not in left_out]
    judged = recognise(pictures, read_tables(tables, pictures, choices.columns), asked=choices.classes_at)
    readings = (judged.reading, *judged.rivals)
    if not masks:
        return readings
    noted = tuple(replace(reading, notes=(*reading.notes, note_on(masks))) for reading in readings)
    with suppress(DatasetError):  # with so many images more it may be no sensible reading
        accounts = read_tables(tables, images, choices.columns)
        kept = recognise(images, accounts, asked=judged.reading.key).reading
        return (*noted, replace(kept, key="masks", says=f"{kept.says}, with the {len(masks)} that look like masks"))
    return noted


def empty_folders(source: Path) -> Iterator[str]:
    """Folders inside the folder `source` that hold nothing at all; what else lies in folders is staged."""
    if source.is_dir() and not uploads.is_upload(source):
        for at, folders, files in os.walk(source):
            folders[:] = [name for name in folders if not system_folder(name)]
            if not folders and not files and (name := clean_name(Path(at).relative_to(source).as_posix())):
                yield name


def _parents(name: str) -> Iterator[str]:
    """The folders that `name` lies in, as paths."""
    while name := name.rpartition("/")[0]:
        yield name
