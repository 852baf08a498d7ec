"""Masks: pictures that mark something in another picture (segmentations), told by their names and by how few colours
they have.

As pictures of their own they would give every class away. Not here: what is done with them (importer).
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image as pillow

from engine.data.dataset_records import Problem
from engine.data.decoder import decode
from engine.data.pool import ordered
from engine.data.staging.unpacking import StagedFile
from engine.errors import ImageError

_WORDS = (
    "masks?|seg|segm|segmentations?|gt|ground[ _-]?truths?|labels?|label[ _-]?ids?|annotations?|anno|mattes?|trimaps?"
)
_AFTER = re.compile(rf"(?P<base>.*[^ _.-])[ _.-]+(?:{_WORDS}|마스크)(?:[ _.-]*\d+)?", re.IGNORECASE)
_BEFORE = re.compile(rf"(?:{_WORDS}|마스크)[ _.-]+(?P<base>.+)", re.IGNORECASE)
_FOLDER = re.compile(rf"(?:.*[ _.-])?(?:{_WORDS}|segmentationclass|segmentationobject|마스크)", re.IGNORECASE)
_SIDE = 256
_FEW_COLOURS = 64
_MANY_TIMES = 4
_NEARLY_ALL = 0.95


@dataclass(frozen=True, kw_only=True)
class _Suspect:
    """A file that may be a mask by its name; by its `twins` alone, of the same name and another ending, only if one of
    them has more colours."""

    file: StagedFile
    twins: tuple[StagedFile, ...] = ()


def find_masks(files: Sequence[StagedFile]) -> tuple[StagedFile, ...]:
    """Which of `files`, all meant as images, are masks: the name of another one with `_mask` or the like, or in a
    folder of masks, or with another ending; and few colours."""
    suspects = list(_suspects(files))
    looked_at = {file.name: file for suspect in suspects for file in (suspect.file, *suspect.twins)}
    colours = dict(zip(looked_at, ordered(_colours, looked_at.values()), strict=True))
    names = set()
    for suspect in suspects:
        own, others = colours[suspect.file.name], [colours[twin.name] for twin in suspect.twins]
        if 0 < own <= _FEW_COLOURS and (not others or max(others) > _MANY_TIMES * own):
            names.add(suspect.file.name)
    return tuple(file for file in files if file.name in names)


def note_on(masks: Sequence[StagedFile]) -> Problem:
    """That they are left out, as one remark."""
    others = f" and {len(masks) - 1} others" if len(masks) > 1 else ""
    reason = (
        "Named like other pictures and of few colours, so taken for masks and left out. "
        "If they are pictures, read it the other way (--keep-masks)."
    )
    return Problem(name=f"{masks[0].name}{others}", reason=reason, kind="note")


def _suspects(files: Sequence[StagedFile]) -> Iterator[_Suspect]:
    beside: dict[tuple[str, str], list[StagedFile]] = defaultdict(list)
    elsewhere: set[str] = set()
    for file in files:
        folder, stem = _place(file)
        beside[folder, stem].append(file)
        if not _in_mask_folder(folder):
            elsewhere.add(stem)
    for file in files:
        folder, stem = _place(file)
        found = _AFTER.fullmatch(stem) or _BEFORE.fullmatch(stem)
        base = found["base"] if found else stem
        twins = tuple(twin for twin in beside[folder, stem] if twin is not file)
        if (found and ((folder, base) in beside or base in elsewhere)) or (
            _in_mask_folder(folder) and elsewhere & {base, stem}
        ):
            yield _Suspect(file=file)
        elif twins:
            yield _Suspect(file=file, twins=twins)


def _place(file: StagedFile) -> tuple[str, str]:
    folder, _, last = file.name.rpartition("/")
    return folder, (last.rpartition(".")[0] or last).casefold()


def _in_mask_folder(folder: str) -> bool:
    return any(_FOLDER.fullmatch(part) for part in folder.split("/"))


def _colours(file: StagedFile) -> int:
    """How many colours it has, seen from afar; 2 where nearly all is black or white, as in a mask that was saved as
    JPEG, and 0 where it cannot be read."""
    try:
        image = decode(file.path, side=_SIDE)
    except ImageError:
        return 0
    size = (min(_SIDE, image.width), min(_SIDE, image.height))
    small = np.asarray(image.resize(size, pillow.Resampling.NEAREST)).reshape(-1, 3)
    extreme = ((small < 16) | (small > 239)).all(axis=1)
    return 2 if extreme.mean() > _NEARLY_ALL else len(np.unique(small, axis=0))
