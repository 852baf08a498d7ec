"""Reading tree: the folders of an import with their images and what each was taken for, short enough to look at.

Drawn of a reading that was made already. Not here: making one (engine.data.readings).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.data.dataset_records import SPLIT_NAMES, Image, Split, TreeLine

MAX_FOLDERS = 6
"""Folders shown of those inside one."""
MAX_DEPTH = 4
Folder = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Content:
    """Of one folder, however deep: images by class ('' for none) and by given split."""

    classes: Counter[str]
    splits: Counter[Split | None]
    folders: set[Folder]


def reading_tree(
    classes: Sequence[str], labelled: Sequence[tuple[Image, Split | None]], unlabelled: Sequence[Image]
) -> tuple[TreeLine, ...]:
    """The lines of the tree, from the top down; `labelled` are images with the split that their source prescribes."""
    contents: dict[Folder, _Content] = {}
    named = [(image.name, classes[image.label], given) for image, given in labelled]
    for name, label, given in [*named, *((image.name, "", None) for image in unlabelled)]:
        parts = tuple(name.split("/")[:-1])
        for depth in range(len(parts) + 1):
            at = contents.setdefault(parts[:depth], _Content(classes=Counter(), splits=Counter(), folders=set()))
            at.classes[label] += 1
            at.splits[given] += 1
            if depth < len(parts):
                at.folders.add(parts[: depth + 1])
    top: Folder = ()
    while top in contents and len(contents[top].folders) == 1:
        top = next(iter(contents[top].folders))
    return tuple(_lines(contents, top, 0)) if contents else ()


def _lines(contents: Mapping[Folder, _Content], folder: Folder, depth: int) -> Iterator[TreeLine]:
    """The folders inside `folder`."""
    inside = sorted(contents[folder].folders)
    for at in inside[:MAX_FOLDERS]:
        taken = _taken_for(contents[at], at[-1], contents[folder])
        yield TreeLine(depth=depth, name=at[-1], taken_for=taken, images=contents[at].classes.total())
        if taken not in ("class", "no class") and depth + 1 < MAX_DEPTH:
            yield from _lines(contents, at, depth + 1)
    if more := inside[MAX_FOLDERS:]:
        images = sum(contents[at].classes.total() for at in more)
        yield TreeLine(depth=depth, name=f"{len(more):,} more folders", taken_for="", images=images)


def _taken_for(content: _Content, name: str, around: _Content) -> str:
    if set(content.classes) == {""}:
        return "no class"
    if set(content.classes) - {""} == {name}:
        return "class"
    (split, *others) = content.splits
    return SPLIT_NAMES[split] if split and not others and len(around.splits) > 1 else ""
