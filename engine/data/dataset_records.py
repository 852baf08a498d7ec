"""Dataset records: what is known about images, datasets and their health, as plain data that loads without torch or
PIL.

Not here: how they are found (importer), stored (dataset) or judged (health).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
SPLIT_NAMES: Mapping[str, str] = {"train": "training", "val": "validation", "test": "test"}
"""How a split is called in sentences; the only place that says it."""


GroupBy = Literal["auto", "none", "source", "name", "time"]
"""Where the groups of images come from: what the source names if it names any, nothing but near-copies, what the source
names (folders, a column of a table), file names, the times at which pictures were taken."""


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """How images of a dataset become 8-bit RGB where that is not in the files: decided once, then the same for every
    decoder."""

    white: int = 65_535
    """The value that is white where grey has more than 8 bits: 4095 for 12 bits in files of 16."""
    ground: Literal["white", "black"] = "white"
    """What transparent images lie on."""


AS_EVER = Rendering()
"""Of 8-bit images, of grey that uses its 16 bits, and of datasets of earlier versions."""
Flaw = Literal["", "blank", "dark", "few_levels", "drawing"]
"""What makes an image show little: one colour everywhere, nearly black, or at most 32 levels of brightness; where these
reach from black to white, it may well be a drawing."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """One readable image of a dataset."""

    index: int
    """Position in Dataset.images; the only handle that pages and tables use."""
    name: str
    """Path in the source, Unicode NFC. Text from a user: never joined to a path."""
    file: str
    """Our own file name in `images/`: the first 24 digits of the hash and the suffix of the real format."""
    label: int
    split: Split
    width: int
    height: int
    """Pixels as seen, that is after the EXIF orientation."""
    sha256: str
    bytes: int = 0
    group: str = ""
    """What it belongs to (a person, a video, near-copies of one picture), which no split parts; '' for nothing."""
    flaw: Flaw = ""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A file that did not become an image of the dataset, and why, in words."""

    name: str
    reason: str
    kind: Literal["input", "system", "note"] = "input"
    """Whether a person meant it as an image, an operating system left it behind, or it is a remark: on several files,
    or on a decision."""


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """Another way to read what was brought: the `key` it is chosen by, its sentence, and the images of each class."""

    key: str
    sentence: str
    classes: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class TreeLine:
    """One folder of what was brought, `depth` folders down: what it was taken for (`class`, `training`, `no class`),
    and its images."""

    depth: int
    name: str
    taken_for: str
    images: int


@dataclass(frozen=True, kw_only=True)
class ClassHealth:
    """How many images a class has, and where."""

    name: str
    train: int
    val: int
    test: int
    total: int


@dataclass(frozen=True, kw_only=True)
class HealthCard:
    """What a person should know before accepting an import."""

    name: str
    classes: tuple[ClassHealth, ...]
    images: int
    width_range: tuple[int, int, int]
    """Smallest, median and largest, in pixels."""
    height_range: tuple[int, int, int]
    problems: tuple[Problem, ...]
    duplicates: tuple[tuple[str, ...], ...]
    """Names in each group of byte-identical files."""
    duplicates_across_splits: int
    """Images that have an identical copy in an earlier split (train, val, test): they make scores too good."""
    label_conflicts: tuple[tuple[str, ...], ...]
    """Those duplicates whose copies carry different classes."""
    imbalance: float
    """Images in the largest class over images in the smallest."""
    small_classes: tuple[str, ...]
    layout: str
    """What was recognised in the source, as a sentence."""
    given_splits: tuple[str, ...]
    """Splits that the source itself prescribes; the others were or will be carved out."""
    bytes: int
    warnings: tuple[str, ...]
    doubts: tuple[str, ...] = ()
    """What should be asked before the classes are believed."""
    reading: str = ""
    """How the images were read, as `alternatives` are called; empty in older datasets."""
    alternatives: tuple[Alternative, ...] = ()
    tree: tuple[TreeLine, ...] = ()
    unlabelled: int = 0
    """Readable images without a class, which are kept beside the dataset."""
    near_copies: tuple[tuple[str, ...], ...] = ()
    """Names in each group of images that show the same picture, encoded, sized, cropped, mirrored or turned anew."""
    near_copies_across_splits: int = 0
    """Images that have a near-copy in an earlier split, for which no identical copy answers."""
    groups: int = 0
    """How many groups no split parts, near-copies among them."""
    parted_groups: int = 0
    """Groups that the splits of the source part."""
    found_groups: tuple[str, ...] = ()
    """What was found of groups that is not made use of, as sentences."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """An immutable set of labelled images with a stored split."""

    id: str
    name: str
    classes: tuple[str, ...]
    images: tuple[Image, ...]
    problems: tuple[Problem, ...]
    fingerprint: str
    """Hash over class names and, for every image, its content, label, split and, where there are any, group."""
    created_at: str
    """ISO 8601, UTC."""
    source: str
    folder: Path
    rendering: Rendering = AS_EVER
    unlabelled: tuple[Image, ...] = ()
    """Images that came with it and have no class; label and split mean nothing."""

    def images_of(self, split: Split) -> tuple[Image, ...]:
        return tuple(image for image in self.images if image.split == split)

    def image_path(self, image: Image) -> Path:
        """The original bytes as they were imported."""
        return self.folder / "images" / image.file

    def thumbnail_path(self, image: Image) -> Path:
        """A small upright JPEG."""
        return self.folder / "thumbs" / f"{image.file.partition('.')[0]}.jpg"


@dataclass(frozen=True, kw_only=True)
class DatasetSummary:
    """One row of a list of datasets."""

    id: str
    name: str
    images: int
    classes: int
    created_at: str
    fingerprint: str
    source: str
    version_of: str = ""
    """Id of the dataset that this is a version of; empty for one that was imported."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An import that nobody has accepted yet. The index of an image is its place; its split is still to be decided."""

    name: str
    source: str
    layout: str
    """What was recognised in the source, as a sentence."""
    classes: tuple[str, ...]
    images: tuple[Image, ...]
    given: tuple[Split | None, ...]
    """For each image the split that its source prescribes."""
    problems: tuple[Problem, ...]
    rendering: Rendering = AS_EVER
    doubts: tuple[str, ...] = ()
    """What should be asked before the classes are believed, as sentences."""
    reading: str = ""
    alternatives: tuple[Alternative, ...] = ()
    tree: tuple[TreeLine, ...] = ()
    unlabelled: tuple[Image, ...] = ()
    """Readable images that have no class by this reading."""
    near_copies: tuple[tuple[str, ...], ...] = ()
    """Groups of files (our own names) that show the same picture."""
    bursts: tuple[tuple[str, ...], ...] = ()
    """Groups of files that one camera took within moments."""
    group_by: GroupBy = "none"
    """Where the groups of the images come from; until it is decided their groups are what the source names."""

    @property
    def given_splits(self) -> tuple[Split, ...]:
        return tuple(split for split in SPLITS if split in self.given)


@dataclass(frozen=True, kw_only=True)
class LabelChange:
    """What was done to one image and why; an empty `to` says that it was left out."""

    image: str
    was: str
    to: str
    why: str
    file: str = ""
    """Our own name of the image's file, which tells images of one name apart; empty in older records."""


@dataclass(frozen=True, kw_only=True)
class VersionOrigin:
    """Where a version comes from: the dataset it was made of, and every change."""

    dataset: str
    name: str
    changes: tuple[LabelChange, ...]
