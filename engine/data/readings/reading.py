"""Reading: one way to understand what was brought: which image has which class, split and group, and which has none.

Records alone. Not here: how readings are made, and which one is best (judgement).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from engine.data.dataset_records import SPLITS, Problem, Split
from engine.data.staging.unpacking import StagedFile

Kind = Literal["folders", "level", "name", "table"]
NAMED = 3
"""So many images of a folder are named one by one."""
NO_CLASS = "It lies in no class folder. Put it into a folder named after its class."


@dataclass(frozen=True, kw_only=True)
class LabelledFile:
    """A file that claims to be an image of class `label`; `given` is the split its source prescribes."""

    file: StagedFile
    label: str
    given: Split | None
    group: str = ""
    """Of whom or what it is one of several images, such as a person: where the source says so."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One way to understand the files. Either given splits cover all entries and hold train, or there are none."""

    key: str
    """What a person chooses it by: a level, `parent`, `name` or `table`."""
    kind: Kind
    says: str
    """Where the classes are, as the first half of a sentence."""
    entries: tuple[LabelledFile, ...]
    aside: Mapping[str, str] = field(default_factory=dict)
    """Why the image of this name has no class; every image is in `entries` or here."""
    doubts: tuple[str, ...] = ()
    """What a person should be asked before these classes are believed."""
    uses_tables: bool = False
    notes: tuple[Problem, ...] = ()
    """What became of each table under this reading."""

    @cached_property
    def classes(self) -> Mapping[str, int]:
        """How many images each class has, the classes in order."""
        counts: dict[str, int] = {}
        for entry in self.entries:
            counts[entry.label] = counts.get(entry.label, 0) + 1
        return dict(sorted(counts.items()))

    @property
    def given_splits(self) -> tuple[Split, ...]:
        present = {entry.given for entry in self.entries}
        return tuple(split for split in SPLITS if split in present)

    @property
    def sentence(self) -> str:
        """The whole reading in words."""
        given = self.given_splits
        carved = [split for split in SPLITS if given and split not in given]
        tail = f"; {_joined(given)} as given" if given else ""
        tail += f", {_joined(carved)} taken out of train" if carved else ""
        groups = sorted({entry.group for entry in self.entries} - {""})
        tail += f"; {len(groups)} groups such as {groups[0]}" if len(groups) > 1 else ""
        return f"{self.says}{tail}."


def settled(reading: Reading) -> Reading:
    """`reading` with splits that can be kept as given, and without classes that training never sees.

    Splits count where train and another one are there. Images beside val and test that have all their classes are
    train.
    """
    given = {entry.given for entry in reading.entries if entry.given}
    free = {entry.label for entry in reading.entries if entry.given is None}
    if given and "train" not in given and free.issuperset(entry.label for entry in reading.entries):
        return settled(replace(reading, entries=tuple(replace(e, given=e.given or "train") for e in reading.entries)))
    if len(given) < 2 or "train" not in given:
        anew = [split for split in SPLITS if split in given and split != "train"]
        says = f"{reading.says}; {_joined(anew)} came without train, so all are split anew" if anew else reading.says
        return replace(reading, says=says, entries=tuple(replace(entry, given=None) for entry in reading.entries))
    learnt = {entry.label for entry in reading.entries if entry.given in ("train", None)}
    lost = {entry.file.name: _unlearnt(entry) for entry in reading.entries if entry.label not in learnt}
    return replace(
        reading,
        entries=tuple(entry for entry in reading.entries if entry.label in learnt),
        aside={**reading.aside, **lost},
        doubts=(*reading.doubts, *sorted(set(lost.values()))[:3]),
    )


def same_classes(one: Reading, other: Reading) -> bool:
    """Whether both divide the images into the same classes, whatever these are called."""
    mine = {entry.file.name: entry.label for entry in one.entries}
    pairs = {(mine.get(entry.file.name), entry.label) for entry in other.entries}
    return len(mine) == len(other.entries) and len(pairs) == len(one.classes) == len(other.classes)


def contradict(one: Reading, other: Reading) -> bool:
    """Whether images that both know are of one class in the one and of several in the other, both ways."""
    mine = {entry.file.name: entry.label for entry in one.entries}
    pairs = {(mine[e.file.name], e.label) for e in other.entries if e.file.name in mine}
    return len(pairs) > min(len({label for label, _ in pairs}), len({label for _, label in pairs}))


def aside_as_problems(reading: Reading) -> tuple[Problem, ...]:
    """What became of tables, and what has no class: a few images by name, more of them by folder."""
    folders: dict[tuple[str, str], list[str]] = {}
    for name, why in reading.aside.items():
        folders.setdefault((name.rpartition("/")[0], why), []).append(name)
    problems = list(reading.notes)
    for (folder, why), names in folders.items():
        together = [f"{folder or 'The top'}/ ({len(names)} images)"] if len(names) > NAMED else names
        problems += [Problem(name=name, reason=why, kind="note") for name in together]
    return tuple(problems)


def beside_classes(reading: Reading, folders: Sequence[str]) -> tuple[str, ...]:
    """The last names of those of `folders`, paths, that lie where the class folders of `reading` lie."""
    around: set[str] = set()
    for entry in reading.entries:
        before, found, _ = f"/{entry.file.name}".partition(f"/{entry.label}/")
        around |= {before} if found else set()
    return tuple(f"/{path}".rpartition("/")[2] for path in folders if f"/{path}".rpartition("/")[0] in around)


def _unlearnt(entry: LabelledFile) -> str:
    return f"There is {entry.label} in {entry.given}, but not in train: no class."


def _joined(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
