"""Groups: which images of an import belong together (a person, a video, a burst, near-copies of one picture), so that
no split parts them.

Knows records and names only. Not here: finding near-copies and bursts (relations), dividing (split).
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.data.dataset_records import Draft, GroupBy, Image
from engine.data.grouping.connected import connected

LEAST_GROUPS = 3
"""With fewer there is nothing to divide."""
LEAST_UNASKED = 5
"""As many the source has to name for them to be used without having been asked for."""
_MOST_ALONE = 0.1
"""Of the images, that may be alone in their group before names are taken to count images and not to group them."""
_MOST_NAMED = 0.5
"""Of the images, whose names may begin with what is most of their class and nothing else: such names are classes."""
_LARGEST = 0.5
"""Of the images, that the largest group may hold."""
_COUNTER = re.compile(r"[\W_]*\d+$")
_SEPARATORS = re.compile(r"[\W_]+")


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """One way of putting images into groups: the group of every image, '' for one that is alone."""

    by: GroupBy
    groups: tuple[str, ...]

    @property
    def count(self) -> int:
        return len({*self.groups} - {""})


def groupings(draft: Draft) -> tuple[Grouping, ...]:
    """The groups that the source names, that file names suggest, and of pictures taken in one burst, as far as there
    are any."""
    bursts = {file: burst[0] for burst in draft.bursts for file in burst}
    ways = (
        Grouping(by="source", groups=tuple(image.group for image in draft.images)),
        Grouping(by="name", groups=_from_names(draft.images)),
        Grouping(by="time", groups=tuple(bursts.get(image.file, "") for image in draft.images)),
    )
    return tuple(way for way in ways if way.count >= (1 if way.by == "time" else LEAST_GROUPS))


def grouped(draft: Draft, by: GroupBy = "auto") -> Draft:
    """`draft` with the group of every image: what `by` says, together with near-copies, which always belong together;
    whatever shares an image is one group. "auto" is what the source itself names, where it names any."""
    known = {way.by: way for way in groupings(draft)}
    chosen = known.get("source" if by == "auto" else by)
    if by == "auto" and chosen and chosen.count < LEAST_UNASKED:
        chosen = None
    names = chosen.groups if chosen else ("",) * len(draft.images)
    copies = {file: number for number, files in enumerate(draft.near_copies) for file in files}
    keys = [
        [image.sha256, *([f"group {name}"] if name else []), *([copies[image.file]] if image.file in copies else [])]
        for image, name in zip(draft.images, names, strict=True)
    ]
    images = list(draft.images)
    for places in connected(keys):
        said = {names[place] for place in places} - {""}
        near = any(images[place].file in copies for place in places)
        of_copies = f"copies {min(images[place].sha256 for place in places)[:12]}" if near and len(places) > 1 else ""
        for place in places:
            images[place] = replace(images[place], group=min(said, default=of_copies))
    return replace(draft, images=tuple(images), group_by=chosen.by if chosen else "none")


def _from_names(images: Sequence[Image]) -> tuple[str, ...]:
    """What file names begin with, where that puts most images into groups that are not the classes: up to the first
    separator, or up to the number at the end. A whole name is no beginning: it stands for itself."""
    stems = [image.name.rpartition("/")[2].rpartition(".")[0] for image in images]
    ways = ([_SEPARATORS.split(stem, maxsplit=1)[0] for stem in stems], [_COUNTER.sub("", stem) for stem in stems])
    labels = [image.label for image in images]
    begun = [[name if name != stem else "" for name, stem in zip(names, stems, strict=True)] for names in ways]
    fine = [names for names in begun if _telling(names, labels)]
    return tuple(min(fine, key=lambda names: len(set(names)), default=[""] * len(images)))


def _telling(names: Sequence[str], labels: Sequence[int]) -> bool:
    """Whether these are groups: neither the classes nor a number for every image, be it that each class counts anew."""
    counts, pairs, classes = Counter(names), Counter(zip(names, labels, strict=True)), Counter(labels)
    alone = sum(count for count in counts.values() if count == 1) + counts[""]
    named = sum(
        count for (name, label), count in pairs.items() if counts[name] == count and 2 * count >= classes[label]
    )
    counting = len(pairs) == len(names)
    large = max(counts.values(), default=0) > _LARGEST * len(names)
    several = len(counts.keys() - {""}) >= LEAST_GROUPS
    return several and not (counting or large or named > _MOST_NAMED * len(names) or alone > _MOST_ALONE * len(names))
