"""Folder readings: the classes as folders: as their roles have it, at each level, and each image's own folder.

Levels are counted inside what wraps everything, such as the folder named after an archive.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.data.dataset_records import Split
from engine.data.readings.folder_roles import Place, folder_roles
from engine.data.readings.folder_tree import Folder, FolderTree, folder_of, folder_tree
from engine.data.readings.folder_words import split_word
from engine.data.readings.reading import NO_CLASS, LabelledFile, Reading, settled
from engine.data.staging.unpacking import StagedFile

MAX_LEVELS = 8


@dataclass(frozen=True, kw_only=True)
class FolderPart:
    """What the images directly inside one folder are; `level` is that of the class folder, 0 without one."""

    label: str = ""
    split: Split | None = None
    group: str = ""
    why: str = NO_CLASS
    level: int = 0
    is_no_class: bool = False
    """Whether its images have no class however one looks at the folders."""


Parts = Mapping[Folder, FolderPart]


def by_folder(files: Sequence[StagedFile]) -> tuple[Reading, ...]:
    """The reading by roles first, then those at each level and by the own folder."""
    tree = folder_tree(file.name for file in files)
    roles = folder_roles(tree)
    wrapper = _wrapper(tree, roles)
    parts = {folder: _part(folder, roles) for folder in tree.direct}
    levels = Counter[int]()
    for folder, part in parts.items():
        levels[part.level - len(wrapper)] += tree.direct[folder] if part.label else 0
    level = max(1, levels.most_common(1)[0][0]) if levels else 1
    example = next((folder for folder, part in parts.items() if part.level == level + len(wrapper)), ())
    says = f"Classes are the folders at level {level}{_place(example, wrapper, level)}"
    doubts = tuple(dict.fromkeys(place.doubt for place in roles.values() if place.doubt))
    main = _reading(files, parts, Reading(key=str(level), kind="folders", says=says, entries=(), doubts=doubts))
    return (main, *_at_levels(files, parts, wrapper))


def folder_parts(files: Sequence[StagedFile]) -> Parts:
    """What each folder makes of its images; for classes that come from elsewhere."""
    tree = folder_tree(file.name for file in files)
    roles = folder_roles(tree)
    return {folder: _part(folder, roles) for folder in tree.direct}


def _part(folder: Folder, roles: Mapping[Folder, Place]) -> FolderPart:
    """Gathered on the way from the top down to `folder`."""
    label, level, split, groups = "", 0, Place(role="through"), list[str]()
    flat = ""
    for depth in range(1, len(folder) + 1):
        place, name = roles.get(folder[:depth]), folder[depth - 1]
        if place is None:
            continue
        if place.role == "aside":
            return FolderPart(why=place.why, is_no_class=not place.doubt)
        if place.role == "class":
            label, level = name, depth
        elif place.role == "split":
            split, flat = place, name
        elif place.role == "group":
            groups.append(name)
    why = f"{flat} has images without a class folder." if flat else NO_CLASS
    return FolderPart(label=label, split=split.split, group="/".join(groups), level=level, why=why)


def _at_levels(files: Sequence[StagedFile], parts: Parts, wrapper: Folder) -> Iterator[Reading]:
    """Without a judgement of names: what a person can ask for."""
    deepest = min(MAX_LEVELS, max(map(len, parts), default=0) - len(wrapper))
    for level in range(1, deepest + 1):
        depth = len(wrapper) + level
        renamed = {folder: _renamed(part, folder[depth - 1 : depth]) for folder, part in parts.items()}
        example = next(folder for folder in parts if len(folder) >= depth)
        says = f"Classes are the folders at level {level}{_place(example, wrapper, level)}"
        yield _reading(files, renamed, Reading(key=str(level), kind="level", says=says, entries=()))
    own = {folder: _renamed(part, folder[-1:]) for folder, part in parts.items()}
    says = "Classes are the folders that the images lie in"
    yield _reading(files, own, Reading(key="parent", kind="level", says=says, entries=()))


def _renamed(part: FolderPart, names: Folder) -> FolderPart:
    """`part` with another class, or with none."""
    if part.is_no_class or not names:
        return part if part.is_no_class else FolderPart()
    split = None if split_word(names[0]) else part.split
    return FolderPart(label=names[0], split=split, group="" if part.group == names[0] else part.group, level=1)


def _reading(files: Sequence[StagedFile], parts: Parts, reading: Reading) -> Reading:
    """`reading` of the files as `parts` has them."""
    entries: list[LabelledFile] = []
    aside: dict[str, str] = {}
    for file in files:
        part = parts[folder_of(file.name)]
        if part.label:
            entries.append(LabelledFile(file=file, label=part.label, given=part.split, group=part.group))
        else:
            aside[file.name] = part.why
    return settled(
        Reading(
            key=reading.key,
            kind=reading.kind,
            says=reading.says,
            entries=tuple(entries),
            aside=aside,
            doubts=reading.doubts,
        )
    )


def _wrapper(tree: FolderTree, roles: Mapping[Folder, Place]) -> Folder:
    """The folders that everything with a class lies in."""
    at: Folder = ()
    while len(kids := tree.inside.get(at, ())) == 1 and roles[kids[0]].role == "through":
        at = kids[0]
    return at


def _place(example: Folder, wrapper: Folder, level: int) -> str:
    """Where that is, by an example: ` (train/cats inside pets)`."""
    shown = "/".join(example[len(wrapper) : len(wrapper) + level])
    inside = f"{' ' if shown and level > 1 else ''}inside {'/'.join(wrapper)}" if wrapper else ""
    words = f"{shown if level > 1 else ''}{inside}"
    return f" ({words})" if words else ""
