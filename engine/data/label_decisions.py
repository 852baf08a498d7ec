"""Decisions: what a person said of single labels and has not yet made a version of; a small file in the dataset's own
folder.

Survives tabs and restarts, and goes with its dataset. Not here: what looks wrong (runs.embedded), making the version
(versions).
"""

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from engine.data.dataset_records import Dataset
from engine.data.versions import make_version
from engine.errors import DatasetError
from engine.workspace import Workspace, atomic_write

What = Literal["keep", "relabel", "exclude"]

_FILE = "decisions.json"
_one_at_a_time = threading.Lock()
"""Two tabs of one server may decide in the same instant; nobody else writes the file."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is to become of one image, by its index; `to` is the class that a relabelled one is to have."""

    image: int
    what: What
    to: str = ""
    why: str = ""

    @property
    def changes(self) -> bool:
        return self.what != "keep"


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
    try:
        rows = json.loads((dataset.folder / _FILE).read_text(encoding="utf-8"))["decisions"]
        found = [_decision(dataset, row) for row in rows]
    except FileNotFoundError:
        return Decisions(by_image={}, lost="")
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Decisions(
            by_image={}, lost="Earlier decisions about labels could not be read: their file is damaged. Decide again."
        )
    kept = {one.image: one for one in found if one is not None}
    gone = sum(one is None for one in found)
    said = (
        f"{gone} earlier {'decision was' if gone == 1 else 'decisions were'} dropped: no image or class here fits."
        if gone
        else ""
    )
    return Decisions(by_image=dict(sorted(kept.items())), lost=said)


def decide(dataset: Dataset, decision: Decision) -> None:
    """Remember `decision`, in place of an earlier one about the image. DatasetError when it does not fit, or cannot be
    written."""
    if _misfit(dataset, decision):
        raise DatasetError(
            f"The dataset {dataset.name} has no image {decision.image} that could become {decision.to[:80]!r}. "
            f"Reload the page."
        )
    with _one_at_a_time:
        _write(dataset, {**read_decisions(dataset).by_image, decision.image: decision}.values())


def withdraw(dataset: Dataset, images: Iterable[int]) -> None:
    """Forget what was decided of these images. DatasetError when that cannot be written."""
    gone = frozenset(images)
    with _one_at_a_time:
        _write(dataset, [one for image, one in read_decisions(dataset).by_image.items() if image not in gone])


def discard(dataset: Dataset) -> None:
    """Forget every decision, a damaged file included."""
    with _one_at_a_time:
        (dataset.folder / _FILE).unlink(missing_ok=True)


def apply(workspace: Workspace, dataset: Dataset) -> Dataset:
    """The version that the decisions make; they are forgotten once it is there. DatasetError when nothing would
    change."""
    known = read_decisions(dataset).by_image
    excluded = {image: one.why for image, one in known.items() if one.what == "exclude"}
    relabelled = {image: (one.to, one.why) for image, one in known.items() if one.what == "relabel"}
    made = make_version(workspace, dataset.id, excluded=excluded, relabelled=relabelled)
    # Not all of them: another tab may have decided meanwhile.
    withdraw(dataset, [image for image, one in read_decisions(dataset).by_image.items() if known.get(image) == one])
    return made


def _write(dataset: Dataset, all_: Iterable[Decision]) -> None:
    """Each with the file of its image, which tells it again. ASCII, so that any name comes back as it was."""
    if not dataset.folder.is_dir():  # writing would make a folder anew that was deleted in another tab
        raise DatasetError(f"The dataset {dataset.name} was deleted.")
    rows = [{**asdict(one), "file": dataset.images[one.image].file} for one in all_]
    try:
        if rows:
            atomic_write(dataset.folder / _FILE, json.dumps({"decisions": rows}))
        else:
            (dataset.folder / _FILE).unlink(missing_ok=True)
    except OSError as error:
        raise DatasetError(
            f"Your decision cannot be kept ({error.strerror}). Make room on the disk and decide again."
        ) from error


def _decision(dataset: Dataset, row: Mapping[str, object]) -> Decision | None:
    """One row of the file, or None where the dataset has nothing that it could be about."""
    fields = {name: value for name, value in row.items() if name != "file"}
    decision = Decision(**fields)  # type: ignore[arg-type]
    if not isinstance(decision.image, int) or not all(isinstance(text, str) for text in (decision.to, decision.why)):
        return None
    return None if _misfit(dataset, decision) or dataset.images[decision.image].file != row.get("file") else decision


def _misfit(dataset: Dataset, decision: Decision) -> bool:
    if not 0 <= decision.image < len(dataset.images) or decision.what not in get_args(What):
        return True
    return decision.to not in dataset.classes if decision.what == "relabel" else bool(decision.to)
