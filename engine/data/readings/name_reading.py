"""Name reading: the classes as part of the files' own names: `cat.0.jpg`, `cat_001.jpg`, `dog (12).jpg`, `003_dog.jpg`.

Not here: whether that is better than what folders and tables say (judgement).
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.data.readings.folder_readings import Parts, folder_parts
from engine.data.readings.folder_tree import folder_of
from engine.data.readings.reading import LabelledFile, Reading, settled
from engine.data.staging.unpacking import StagedFile

_WAYS: Mapping[str, re.Pattern[str]] = {
    "before its number": re.compile(r"^(?P<label>.*?[^\W\d].*?)[\s._-]*[\s._(-]\d+\)?$", re.DOTALL),
    "after its number": re.compile(r"^\(?\d+\)?[\s._-]+(?P<label>[^\W\d].*)$", re.DOTALL),
    "before its first underscore": re.compile(r"^(?P<label>[^\W\d_]+)_.+$", re.DOTALL),
}
MIN_SHARE = 0.8
"""Of the images of a folder that names one class at all; elsewhere names are accidental."""
_EACH = 3
"""Images a class at least, on average: otherwise it is not classes that names tell apart."""


def by_name(files: Sequence[StagedFile]) -> tuple[Reading, ...]:
    """The reading by the first way of naming that finds classes; none where no way does."""
    parts = folder_parts(files)
    for words, pattern in _WAYS.items():
        labels = {file.name: label for file in files if (label := _label(file.name, pattern))}
        named = _named_folders(files, labels)
        labels = {name: label for name, label in labels.items() if folder_of(name) in named}
        counts = Counter(labels.values())
        if len(counts) > 1 and min(counts.values()) > 1 and len(labels) >= _EACH * len(counts):
            example = next(iter(labels)).rpartition("/")[2]
            says = f"Classes are what the file names say {words} ({example})"
            return (settled(replace(_reading(files, labels, parts), says=says)),)
    return ()


def _reading(files: Sequence[StagedFile], labels: Mapping[str, str], parts: Parts) -> Reading:
    entries = tuple(
        LabelledFile(file=file, label=labels[file.name], given=part.split, group=part.group)
        for file in files
        if file.name in labels and (part := parts[folder_of(file.name)])
    )
    aside = {file.name: "Its name tells no class." for file in files if file.name not in labels}
    return Reading(key="name", kind="name", says="", entries=entries, aside=aside)


def _label(name: str, pattern: re.Pattern[str]) -> str:
    stem = name.rpartition("/")[2].rpartition(".")[0]
    found = pattern.match(stem)
    return found["label"].strip(" ._-") if found else ""


def _named_folders(files: Sequence[StagedFile], labels: Mapping[str, str]) -> set[tuple[str, ...]]:
    """Folders most of whose images tell a class."""
    all_, named = Counter(folder_of(file.name) for file in files), Counter(map(folder_of, labels))
    return {folder for folder, count in named.items() if count >= MIN_SHARE * all_[folder]}
