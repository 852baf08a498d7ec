"""Folder tree: the folders of a list of files, with how many files lie in each and below it.

Knows no meaning of a name, and opens nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Folder = tuple[str, ...]
"""A folder as the names from the top down to it; () is the top."""


@dataclass(frozen=True, kw_only=True)
class FolderTree:
    """Folders that hold a file somewhere below them."""

    inside: Mapping[Folder, tuple[Folder, ...]]
    """The folders directly inside a folder, sorted."""
    direct: Mapping[Folder, int]
    """Files directly inside."""
    below: Mapping[Folder, int]
    """Files inside, however deep."""


def folder_of(name: str) -> Folder:
    return tuple(name.split("/")[:-1])


def folder_tree(names: Iterable[str]) -> FolderTree:
    """The folders of files with these names, parts separated by `/`."""
    direct = Counter(map(folder_of, names))
    below: Counter[Folder] = Counter()
    inside: dict[Folder, set[Folder]] = {}
    for folder, files in direct.items():
        for depth in range(len(folder) + 1):
            below[folder[:depth]] += files
            if depth:
                inside.setdefault(folder[: depth - 1], set()).add(folder[:depth])
    return FolderTree(inside={at: tuple(sorted(found)) for at, found in inside.items()}, direct=direct, below=below)


def shown(folder: Folder) -> str:
    return "/".join(folder)
