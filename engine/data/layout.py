"""Layout: which class and split each file belongs to, recognised from names and label tables alone.

Opens no image. What belongs to no class is returned as a problem, by name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from engine.data.dataset_records import SPLITS, Problem, Split
from engine.data.split_words import SPLIT_WORDS
from engine.data.tables.accounts import labelled
from engine.data.tables.table_records import TableAccount
from engine.data.zips import StagedFile

_NO_CLASS = "It lies in no class folder. Put it into a folder named after its class."


@dataclass(frozen=True, kw_only=True)
class LabelledFile:
    """A file that claims to be an image of class `label`; `given` is the split its source prescribes."""

    file: StagedFile
    label: str
    given: Split | None
    group: str = ""
    """Of whom or what it is one of several images, such as a person: where the source says so."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What was recognised, with a sentence for the person who brought it."""

    entries: tuple[LabelledFile, ...]
    problems: tuple[Problem, ...]
    given_splits: tuple[Split, ...]
    sentence: str


def recognise(files: Sequence[StagedFile], tables: Sequence[TableAccount]) -> Layout:
    """The classes and splits of `files`: from the tables that label some of them, else from their folders."""
    if any(table.rows for table in tables):
        return _from_tables(files, tables)
    layout = _from_folders(files)
    notes = (Problem(name=table.name, reason=table.sentence, kind="note") for table in tables)
    return replace(layout, problems=(*notes, *layout.problems))


def _from_folders(files: Sequence[StagedFile]) -> Layout:
    paths = {index: file.name.split("/") for index, file in enumerate(files)}
    wrapper = _strip_wrapper(paths)
    tops = {path[0].casefold() for path in paths.values() if len(path) > 1}
    words = {SPLIT_WORDS[top] for top in tops if top in SPLIT_WORDS}
    inner = {path[1].casefold() for path in paths.values() if len(path) > 2}
    if len(words) > 1 and "train" in words and _deep(paths):
        rule, arrangement = partial(_labelled, label=1, split=0, depth=3), "Split folders that contain class folders"
    elif words and len(tops) > 1 and tops <= SPLIT_WORDS.keys():
        rule = partial(_labelled, label=1, depth=3)
        joined = " and ".join(sorted(tops))
        arrangement = f"Class folders; the folders {joined} without train were joined and are split anew"
    elif "train" in (found := {SPLIT_WORDS.get(part) for part in inner}) and len(found) > 1 and None not in found:
        rule, arrangement = partial(_labelled, label=0, split=1, depth=3), "Class folders that contain split folders"
    else:
        rule, arrangement = partial(_labelled, label=0, depth=2), "Class folders"
    entries: list[LabelledFile] = []
    problems: list[Problem] = []
    for file, path in zip(files, paths.values(), strict=True):
        if (labelled := rule(path)) is None:
            problems.append(Problem(name=file.name, reason=_NO_CLASS))
        else:
            entries.append(LabelledFile(file=file, label=labelled[0], given=labelled[1]))
    return _layout(entries, problems, arrangement + (f" inside {wrapper}" if wrapper else ""))


def _from_tables(files: Sequence[StagedFile], tables: Sequence[TableAccount]) -> Layout:
    problems = [
        Problem(name=table.name, reason=reason, kind="note")
        for table in tables
        for reason in (*(() if table.rows else (table.sentence,)), *table.notes)
    ]
    rows = labelled(tables)
    names = " and ".join(table.name for table in tables if table.rows)
    named = {row.file.name for row in rows}
    problems += [
        Problem(name=file.name, reason=f"{names} does not list it.") for file in files if file.name not in named
    ]
    entries = [LabelledFile(file=row.file, label=row.label, given=row.split, group=row.group) for row in rows]
    return _layout(entries, problems, f"A table of labels, {names}")


def _layout(entries: Sequence[LabelledFile], problems: Sequence[Problem], arrangement: str) -> Layout:
    given = tuple(split for split in SPLITS if any(entry.given == split for entry in entries))
    if len(given) < 2 or "train" not in given:
        given, entries = (), [replace(entry, given=None) for entry in entries]
    carved = [split for split in SPLITS if split not in given]
    tail = f"; split as given into {', '.join(given)}" if given else ""
    tail += f"; {' and '.join(carved)} taken out of train" if given and carved else ""
    sentence = f"{arrangement}{tail}."
    return Layout(entries=tuple(entries), problems=tuple(problems), given_splits=given, sentence=sentence)


def _strip_wrapper(paths: dict[int, list[str]]) -> str:
    """Remove folders that wrap everything, such as the one named after the archive; what was removed."""
    removed: list[str] = []
    while True:
        folders = {path[0] for path in paths.values() if len(path) > 1}
        if len(folders) != 1 or not _deep(paths):
            return "/".join(removed)
        removed += folders
        for index, path in paths.items():
            if len(path) > 1:
                paths[index] = path[1:]


def _deep(paths: Mapping[int, Sequence[str]]) -> bool:
    """Whether most files have at least two folders above them, so that the outer one is not their class."""
    depths = [len(path) for path in paths.values() if len(path) > 1]
    return sum(depth > 2 for depth in depths) > len(depths) / 2


def _labelled(
    path: Sequence[str], *, label: int, split: int | None = None, depth: int
) -> tuple[str, Split | None] | None:
    """Class and split at these places of a path of at least `depth` parts; None for a path that has no such places."""
    if len(path) < depth:
        return None
    given = None if split is None else SPLIT_WORDS.get(path[split].casefold())
    return (path[label], given) if given or split is None else None
