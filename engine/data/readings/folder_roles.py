"""Folder roles: the part that each folder of a tree plays: a class, a split, a group, something to go through or to set
aside.

Decided from the top down, from names and from what siblings have in common; where the signs do not suffice, the
likelier part is taken and the place carries a doubt. Not here: which files that makes images of which class.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.data.dataset_records import Split
from engine.data.readings.folder_tree import Folder, FolderTree
from engine.data.readings.folder_words import (
    are_dates,
    are_parts,
    are_serial,
    is_container,
    is_decoration,
    is_of_masks,
    is_unlabelled,
    split_word,
    splits_among,
)

Role = Literal["through", "split", "group", "class", "aside"]
LOOSE = 0.3
"""At most this share of the images may lie beside the subfolders of a folder that is there for its subfolders."""
Decision = dict[Folder, "Place"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """The part of a folder. `why` it is set aside, and what a person should be asked about it: sentences or ''."""

    role: Role
    split: Split | None = None
    why: str = ""
    doubt: str = ""


def folder_roles(tree: FolderTree) -> dict[Folder, Place]:
    """The parts of the folders; what lies inside a class without a part of its own is left out."""
    return dict(_opened(tree, (), frozenset()))


def _opened(tree: FolderTree, folder: Folder, known: frozenset[str]) -> Iterator[tuple[Folder, Place]]:
    """The parts of all folders below `folder`; `known` are classes that another split has."""
    kids = tree.inside.get(folder, ())
    aside = _set_aside(tree, kids)
    live = tuple(kid for kid in kids if kid not in aside)
    decided = aside | _decision(tree, live, known)
    splits = [kid for kid, place in decided.items() if place.role == "split"]
    shared = known | _shared(tree, splits) | {kid[-1] for kid, place in decided.items() if place.role == "class"}
    for kid, place in decided.items():
        yield kid, place
        if place.role == "class":
            yield from _within_class(tree, kid)
        elif place.role != "aside":
            yield from _opened(tree, kid, shared)


def _set_aside(tree: FolderTree, kids: Sequence[Folder]) -> Decision:
    """Folders that are called like no class, where their siblings bear that out."""
    others = [kid for kid in kids if not (is_unlabelled(kid[-1]) or is_decoration(kid[-1]) or is_of_masks(kid[-1]))]
    decided: Decision = {}
    for kid in kids:
        if is_unlabelled(kid[-1]) and others:
            decided[kid] = Place(role="aside", why="It is called like images without a class.")
        elif is_of_masks(kid[-1]) and any(is_container(other[-1]) for other in others):
            decided[kid] = Place(role="aside", why="It is called like masks or labels, not like photographs.")
        elif is_decoration(kid[-1]) and any(_subs(tree, o) and _subs(tree, o) != _subs(tree, kid) for o in others):
            decided[kid] = Place(role="aside", why="It lies beside the folders that hold the classes.")
        elif not split_word(kid[-1]) and _repeats(tree, kid, kids):
            decided[kid] = Place(role="aside", why="It holds folders of the same names as those beside it.")
    return decided


def _decision(tree: FolderTree, kids: Sequence[Folder], known: frozenset[str]) -> Decision:
    """The first rule that applies; folders that no rule speaks of are classes."""
    if len(kids) == 1:
        return {kids[0]: _alone(tree, kids[0], known)}
    for rule in (_as_splits, _as_containers, _as_levels):
        if decided := rule(tree, kids):
            return decided
    return {kid: Place(role="class") for kid in kids}


def _alone(tree: FolderTree, kid: Folder, known: frozenset[str]) -> Place:
    """Without a sibling: a split, a wrapper of something, or the only class of a split."""
    if kid[-1] in known:
        return Place(role="class")
    if split := split_word(kid[-1]):
        return Place(role="split", split=split)
    return Place(role="through" if kid[-1:] == kid[-2:-1] or is_container(kid[-1]) or _branches(tree, kid) else "class")


def _as_splits(tree: FolderTree, kids: Sequence[Folder]) -> Decision:
    """Folders called like splits, and those beside them."""
    named = splits_among([kid[-1] for kid in kids])
    splits = {kid: named[kid[-1]] for kid in kids if kid[-1] in named}
    others = [kid for kid in kids if kid not in splits]
    words, deep = set(splits.values()), any(_subs(tree, kid) for kid in splits)
    if "train" not in words and len(others) > 1 and (deep or "test" in words):
        flat = f"{_listed(splits)}: taken as images without a class, because it is called like a split."
        return _classes(others) | _split_places(splits, "" if deep else flat)
    if not splits or (others and len(words) == 1 and (not deep or _alike(tree, splits, others))):
        return {}
    classes, taken = _shared(tree, list(splits)), _split_places(splits)
    for other in others:
        alike = classes & set(_subs(tree, other))
        doubt = (
            f"{other[-1]} holds folders called like the classes ({_names(alike)}) and is set aside." if alike else ""
        )
        taken[other] = Place(role="aside", why=f"It lies beside {_listed(splits)}.", doubt=doubt)
    return taken


def _as_containers(tree: FolderTree, kids: Sequence[Folder]) -> Decision:
    """A folder such as `images` or `data`: entered where it holds the classes, set aside beside them."""
    boxes = [kid for kid in kids if is_container(kid[-1])]
    full = [kid for kid in boxes if _subs(tree, kid)]
    others = [kid for kid in kids if kid not in boxes]
    if not boxes or not others:
        return dict.fromkeys(boxes, Place(role="through"))
    if full:
        doubt = f"{_listed(full)} holds the classes; {_listed(others)} beside it is set aside."
        why = f"It lies beside {_listed(full)}, which holds the classes."
        return dict.fromkeys(boxes, Place(role="through")) | dict.fromkeys(
            others, Place(role="aside", why=why, doubt=doubt)
        )
    if len(others) == 1 and not _subs(tree, others[0]):
        return {}
    why = "It has no class folders and lies beside folders that are classes."
    box = Place(role="aside", why=why, doubt=f"{_listed(boxes)}: set aside, because no class is called so.")
    return dict.fromkeys(boxes, box) | _decision(tree, others, frozenset())


def _as_levels(tree: FolderTree, kids: Sequence[Folder]) -> Decision:
    """Whether the classes are these folders or those inside them."""
    inner = {kid: subs for kid in kids if (subs := _subs(tree, kid))}
    if len(inner) < len(kids):  # among flat folders, one folder inside is no second class
        inner = {kid: subs for kid, subs in inner.items() if len(subs) > 1}
    deep, flat = list(inner), [kid for kid in kids if kid not in inner]
    names = {name for subs in inner.values() for name in subs}
    if not deep or len(splits_among(sorted(names))) == len(names):
        return {}
    same = _same(list(inner.values()))
    if flat and len(flat) <= len(deep) and (same or len(deep) == 1):
        doubt = f"{_listed(flat)}: set aside, because {_listed(deep)} beside it has subfolders, which are the classes."
        return dict.fromkeys(deep, Place(role="group" if same else "through")) | dict.fromkeys(
            flat, Place(role="aside", why=f"It has no subfolders, unlike {_listed(deep)}.", doubt=doubt)
        )
    if same and not flat:
        return _groups_or_classes(kids, sorted(names))
    doubtful = bool(flat) or any(len(subs) > 1 for subs in inner.values())
    below = f"{_listed(kids)} are taken as classes, though there are folders inside them ({_names(names)})."
    return _classes(kids, doubt=below if doubtful and not all(map(str.isnumeric, names)) else "")


def _groups_or_classes(kids: Sequence[Folder], inner: Sequence[str]) -> Decision:
    """Every folder holds folders of the same names: those are the classes, unless they are the numbered ones."""
    outer = [kid[-1] for kid in kids]
    sure = are_parts(outer) or are_dates(outer)
    outer_groups = sure or are_serial(outer)
    inner_groups = are_serial(inner) or are_dates(inner)
    if not outer_groups and (inner_groups or all(map(str.isnumeric, inner))):
        doubt = f"{_listed(kids)} are taken as classes, though all hold the folders {_names(inner)}."
        return _classes(kids, doubt="" if are_parts(inner) or are_dates(inner) else doubt)
    doubt = f"{_listed(kids)} all hold the folders {_names(inner)}: these are taken as the classes, not those."
    return dict.fromkeys(kids, Place(role="group", doubt="" if sure and not inner_groups else doubt))


def _within_class(tree: FolderTree, folder: Folder) -> Iterator[tuple[Folder, Place]]:
    """Splits, groups and masks inside a class."""
    kids = tree.inside.get(folder, ())
    boxed = any(is_container(kid[-1]) for kid in kids)
    masks = [kid for kid in kids if boxed and is_of_masks(kid[-1])]
    rest = [kid for kid in kids if kid not in masks]
    yield from dict.fromkeys(masks, Place(role="aside", why="It is called like masks, not like photographs.")).items()
    splits = splits_among([kid[-1] for kid in rest])
    if rest and len(splits) == len(rest):
        yield from _split_places({kid: splits[kid[-1]] for kid in rest}).items()
    elif are_serial([kid[-1] for kid in rest]):
        yield from dict.fromkeys(rest, Place(role="group")).items()
    for kid in rest:
        if is_container(kid[-1]):
            yield from _within_class(tree, kid)


def _alike(tree: FolderTree, some: Collection[Folder], others: Collection[Folder]) -> bool:
    """Whether one of `others` holds folders of the names that one of `some` holds."""
    names = {subs for kid in some if (subs := _subs(tree, kid))}
    return any(_subs(tree, other) in names for other in others)


def _repeats(tree: FolderTree, kid: Folder, kids: Sequence[Folder]) -> bool:
    """Whether `kid` holds again what lies beside it."""
    if len(tree.inside.get(kid, ())) < len(kids) - 1:
        return False
    beside = {other[-1] for other in kids if other != kid}
    return len(beside) > 1 and beside <= {inner[-1] for inner in tree.inside.get(kid, ())}


def _subs(tree: FolderTree, folder: Folder) -> tuple[str, ...]:
    """Names inside `folder` that may be classes, where it is there for its subfolders; through what says nothing."""
    at = folder
    while len(kids := tree.inside.get(at, ())) == 1 and _says_nothing(kids[0]):
        at = kids[0]
    if tree.direct.get(at, 0) > LOOSE * tree.below[at]:
        return ()
    names = [kid[-1] for kid in kids]
    splits, boxed = splits_among(names), any(map(is_container, names))
    if len(set(splits.values())) > 1:
        return tuple(splits)
    return tuple(name for name in names if not (is_container(name) or is_unlabelled(name) or (boxed and _beside(name))))


def _beside(name: str) -> bool:
    """Whether it is called like what lies beside a container of images."""
    return is_of_masks(name) or is_decoration(name)


def _says_nothing(folder: Folder) -> bool:
    """Whether it is inside another one without a reason: called alike, like a container or like a split."""
    return folder[-1:] == folder[-2:-1] or is_container(folder[-1]) or split_word(folder[-1]) is not None


def _shared(tree: FolderTree, folders: Sequence[Folder]) -> frozenset[str]:
    """Names that stand inside several of `folders`."""
    counts = Counter(name for folder in folders for name in set(_subs(tree, folder)))
    return frozenset(name for name, count in counts.items() if count > 1)


def _same(names: Sequence[Sequence[str]]) -> bool:
    """Whether folders with these names inside hold the same ones, but for a few that are missing here and there."""
    counts = Counter(name for inside in names for name in set(inside))
    if len(names) < 2 or len(counts) < 2 or not all(names):
        return False
    covered = sum(counts.values()) / (len(counts) * len(names))
    return covered >= 0.5 and sum(count > 1 for count in counts.values()) >= len(counts) / 2


def _branches(tree: FolderTree, folder: Folder) -> bool:
    """Whether several folders lie in `folder`, perhaps inside others that are alone."""
    while len(kids := tree.inside.get(folder, ())) == 1:
        folder = kids[0]
    return len(kids) > 1 and tree.direct.get(folder, 0) <= LOOSE * tree.below[folder]


def _classes(kids: Sequence[Folder], doubt: str = "") -> Decision:
    return dict.fromkeys(kids, Place(role="class", doubt=doubt))


def _split_places(splits: Mapping[Folder, Split], doubt: str = "") -> Decision:
    return {kid: Place(role="split", split=split, doubt=doubt) for kid, split in splits.items()}


def _listed(folders: Iterable[Folder]) -> str:
    return _names([folder[-1] for folder in folders])


def _names(names: Collection[str]) -> str:
    """A few of them, as part of a sentence."""
    first = sorted(names)[:3]
    return ", ".join(first) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
