"""Label decisions: what a person said of single labels and has not yet made a version of; a file in the dataset's
folder. Not here: what looks wrong (jobs.embedding), making the version (versions).
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from engine import record_files
from engine.data.dataset_records import Dataset
from engine.data.versions import make_version
from engine.errors import DatasetError
from engine.workspace import Workspace

Action = Literal["keep", "relabel", "exclude"]

_FILE = "decisions.json"
_one_at_a_time = threading.Lock()
"""Two tabs of one server may decide in the same instant; nobody else writes the file."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is to become of one image, by its index; `to` is the class that a relabelled one is to have."""

    image: int
    what: Action
    to: str = ""
    why: str = ""
    file: str = field(default="", compare=False)
    """Our own name of the image's file, by which a kept decision knows it again; filled in when it is kept."""

    @property
    def changes(self) -> bool:
        return self.what != "keep"


@dataclass(frozen=True, kw_only=True)
class _Stored:
    """The file."""

    decisions: tuple[Decision, ...]


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """Decisions by image, in the order of the images."""

    by_image: Mapping[int, Decision]
    lost: str
    """What of the file could not be used, as a sentence; empty when all of it could."""

    @property
    def changes(self) -> int:
        """How many images a version made of these would change."""
        return sum(decision.changes for decision in self.by_image.values())


def read_decisions(dataset: Dataset) -> Decisions:
    """What was decided and not yet applied. Never fails: a damaged file, or an image that is gone, costs a sentence."""
    stored: tuple[Decision, ...] = ()
    lost = ""
    try:
        stored = record_files.read(dataset.folder / _FILE, _Stored, error=DatasetError).decisions
    except FileNotFoundError:  # nobody has decided anything, or another tab has just discarded it
        stored = ()
    except (OSError, DatasetError):
        lost = "Earlier decisions about labels could not be read: their file is damaged. Decide again."
    fitting = {
        each.image: each for each in stored if _fits(dataset, each) and dataset.images[each.image].file == each.file
    }
    if count := len(stored) - len(fitting):
        noun = "decision was" if count == 1 else "decisions were"
        lost = f"{count} earlier {noun} dropped: no image or class here fits."
    return Decisions(by_image=dict(sorted(fitting.items())), lost=lost)


def decide(dataset: Dataset, decision: Decision) -> None:
    """Remember `decision`, in place of an earlier one about the image. DatasetError when it does not fit, or cannot be
    written."""
    if not _fits(dataset, decision):
        raise DatasetError(
            f"The dataset {dataset.name} has no image {decision.image} that could become {decision.to[:80]!r}. "
            f"Reload the page."
        )
    # half a character would make the file unreadable
    decision = replace(decision, why=decision.why.encode("utf-8", "replace").decode())
    with _one_at_a_time:
        _write(dataset, {**read_decisions(dataset).by_image, decision.image: decision}.values())


def withdraw(dataset: Dataset, images: Iterable[int]) -> None:
    """Forget what was decided of these images. DatasetError when that cannot be written."""
    gone = frozenset(images)
    with _one_at_a_time:
        _write(dataset, [one for image, one in read_decisions(dataset).by_image.items() if image not in gone])


def discard_decisions(dataset: Dataset) -> None:
    """Forget every decision, a damaged file included."""
    with _one_at_a_time:
        (dataset.folder / _FILE).unlink(missing_ok=True)


def apply(workspace: Workspace, dataset: Dataset) -> Dataset:
    """The version that the decisions make; they are forgotten once it is there. DatasetError when nothing would
    change."""
    applied = read_decisions(dataset).by_image
    excluded = {image: each.why for image, each in applied.items() if each.what == "exclude"}
    relabelled = {image: (each.to, each.why) for image, each in applied.items() if each.what == "relabel"}
    version = make_version(workspace, dataset.id, excluded=excluded, relabelled=relabelled)
    # Not all of them: another tab may have decided meanwhile.
    withdraw(dataset, [image for image, one in read_decisions(dataset).by_image.items() if applied.get(image) == one])
    return version


def _write(dataset: Dataset, decisions: Iterable[Decision]) -> None:
    if not dataset.folder.is_dir():  # writing would make a folder anew that was deleted in another tab
        raise DatasetError(f"The dataset {dataset.name} was deleted.")
    kept = tuple(replace(decision, file=dataset.images[decision.image].file) for decision in decisions)
    try:
        if kept:
            record_files.write(dataset.folder / _FILE, _Stored(decisions=kept))
        else:
            (dataset.folder / _FILE).unlink(missing_ok=True)
    except OSError as error:
        raise DatasetError(
            f"Your decision cannot be kept ({error.strerror}). Make room on the disk and decide again."
        ) from error


def _fits(dataset: Dataset, decision: Decision) -> bool:
    if not 0 <= decision.image < len(dataset.images) or decision.what not in get_args(Action):
        return False
    return decision.to in dataset.classes if decision.what == "relabel" else not decision.to
