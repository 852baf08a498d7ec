"""Judgement: which reading explains the files best, which ones it leaves behind, and what remains to be asked.

All rules by which readings are compared stand here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engine.data.dataset_records import Split
from engine.data.readings.folder_words import are_dates, are_parts, are_serial, is_odd_class_name, mentions_split
from engine.data.readings.reading import NO_CLASS, Kind, Reading, contradict, same_classes
from engine.errors import DatasetError

MAX_RIVALS = 4
CLOSE = 0.5
"""A rival that scores so little less could as well be meant."""
_TRUST: Mapping[Kind, float] = {"table": 0.35, "folders": 0.3, "level": 0.0, "name": -0.4}
"""Added to the share of images with a class: a table is made on purpose, names are often accidental."""
_NUMBERED, _PARTS = 0.4, 0.8
"""Taken off for classes called `c0, c1`, and for such as `part_1, p02`: parts or persons."""
_TOO_MANY = 0.5
"""Taken off for classes of hardly an image each: those are names of images."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The reading that was taken, with its doubts, and those that a person may have meant, the likelier first."""

    reading: Reading
    rivals: tuple[Reading, ...] = ()


def judged(readings: Sequence[Reading], *, asked: str = "") -> Judged:
    """The best of `readings`, or the one whose key is `asked`.

    DatasetError when there is no such reading, or when the best one has nothing but splits for classes. Where no
    reading has two classes, the one with most images is given.
    """
    files = max((len(reading.entries) + len(reading.aside) for reading in readings), default=0)
    usable = [reading for reading in readings if len(reading.classes) > 1]
    ranked = sorted(usable, key=lambda reading: -score(reading, files))
    if asked:
        return _as_asked(asked, ranked)
    best, *others = _different(ranked) or [max(readings, key=lambda reading: len(reading.entries))]
    if len(best.classes) > 1 and all(map(is_odd_class_name, best.classes)):
        lone = [reading for reading in readings if reading.kind == "folders" and len(reading.classes) == 1]
        if not lone:
            raise DatasetError(_nonsense(best))
        return Judged(reading=lone[0])
    close = [reading for reading in others if score(reading, files) > score(best, files) - CLOSE]
    doubts = tuple(dict.fromkeys((*best.doubts, *_doubts(best, close))))
    rivals = [reading for reading in others if score(reading, files) > 0]
    return Judged(reading=replace(best, doubts=doubts), rivals=tuple(rivals[:MAX_RIVALS]))


def score(reading: Reading, files: int) -> float:
    """How well `reading` explains `files` images: the share it gives a class, and how sensible the classes are."""
    classes, images = reading.classes, max(1, len(reading.entries))
    senseless = sum(count for name, count in classes.items() if is_odd_class_name(name)) / images
    senseless /= 2 if reading.kind == "folders" else 1  # there the siblings were asked already
    names = [name for name in classes if not is_odd_class_name(name)] if reading.kind != "table" else []
    numbered = _PARTS if are_parts(names) or are_dates(names) else _NUMBERED if are_serial(names) else 0.0
    many = _TOO_MANY if len(classes) > max(10, images / 2) else 0.0
    explained = images + sum(why != NO_CLASS for why in reading.aside.values()) * (reading.kind == "folders")
    return explained / max(1, files) + _TRUST[reading.kind] - senseless - numbered - many


def _doubts(best: Reading, close: Sequence[Reading]) -> list[str]:
    """What is odd about the best reading, given those that are nearly as good."""
    odd = [name for name in best.classes if is_odd_class_name(name) or mentions_split(name)]
    doubts = [f"{_named(odd)} would be a class, but is called like a split or a folder of other things."] if odd else []
    if best.kind != "table" and are_parts(list(best.classes)):
        doubts.append(f"The classes {_named(list(best.classes))} are numbered like parts or persons.")
    if best.kind == "name":
        doubts.append("The classes are taken from the names of the files.")
    for other in close:
        if (best.kind == "table") != (other.kind == "table") and other.kind != "level" and contradict(best, other):
            doubts.append("Folders and a table tell different classes of the same images.")
    if best.given_splits:
        splits: dict[str, set[Split]] = {}
        for entry in best.entries:
            splits.setdefault(entry.label, set()).add(entry.given or "train")
        for split in best.given_splits:
            alone = [name for name in best.classes if splits[name] == {split}]
            verb = "class {} stands" if len(alone) == 1 else "classes {} stand"
            doubts += [f"The {verb.format(_named(alone))} in {split} only."] if alone else []
    return doubts


def _different(ranked: Sequence[Reading]) -> list[Reading]:
    """Those that divide the images otherwise than the ones before them, and are called otherwise."""
    different: list[Reading] = []
    for reading in ranked:
        if not any(reading.key == kept.key or same_classes(reading, kept) for kept in different):
            different.append(reading)
    return different


def _as_asked(asked: str, ranked: Sequence[Reading]) -> Judged:
    found = next((reading for reading in ranked if reading.key == asked), None)
    if found is None:
        known = ", ".join(dict.fromkeys(reading.key for reading in ranked)) or "none"
        raise DatasetError(f"There are no two classes to be had at {asked!r}. Readings that have some: {known}.")
    others = _different([found, *(reading for reading in ranked if reading is not found)])[1:]
    return Judged(reading=found, rivals=tuple(others[:MAX_RIVALS]))


def _nonsense(reading: Reading) -> str:
    return (
        f"The only folders with images are {_named(list(reading.classes))}, as splits are called, and nothing "
        "says which image is of which class. Put the images of each class into a folder of its own inside them, add a "
        f"table of file,label, or insist with --classes-at {reading.key}."
    )


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
