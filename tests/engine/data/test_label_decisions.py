"""Decisions about labels: kept until they are applied or discarded, and never a reason for a page to fail."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine import record_files
from engine.data import label_decisions
from engine.data.dataset import delete_dataset, open_dataset, version_origin
from engine.data.dataset_records import Dataset, LabelChange, VersionOrigin
from engine.data.label_decisions import Action, Decision, decide, discard_decisions, read_decisions, withdraw
from engine.data.versions import locate_changes
from engine.errors import DatasetError
from engine.workspace import Workspace
from tests.pictures import other_class

HOSTILE = '‮[x](http://evil.example) <b>고양이</b>\n../.. "}]'


def raw(dataset: Dataset) -> Path:
    return dataset.folder / "decisions.json"


def test_what_was_decided_is_there_for_whoever_comes_next(workspace: Workspace, dataset: Dataset) -> None:
    to = other_class(dataset, 4)
    relabel = Decision(image=4, what="relabel", to=to, why=HOSTILE)
    for decision in (Decision(image=4, what="exclude", why="blurred"), Decision(image=1, what="keep"), relabel):
        decide(dataset, decision)
    found = read_decisions(open_dataset(workspace, dataset.id))
    assert list(found.by_image) == [1, 4] and found.lost == ""
    assert found.by_image[4] == relabel
    assert found.changes == 1  # keeping a label changes nothing
    withdraw(dataset, [4])
    assert list(read_decisions(dataset).by_image) == [1]
    discard_decisions(dataset)
    assert not read_decisions(dataset).by_image and not raw(dataset).exists()
    discard_decisions(dataset)


def test_hostile_names_come_back_letter_for_letter(dataset: Dataset) -> None:
    images = tuple(replace(image, name=f"{HOSTILE}/{image.index}") for image in dataset.images)
    hostile = replace(dataset, classes=(HOSTILE, *dataset.classes[1:]), images=images)
    image = next(image for image in hostile.images if image.label == 1)
    decide(hostile, Decision(image=image.index, what="relabel", to=HOSTILE))
    assert read_decisions(hostile).by_image[image.index].to == HOSTILE
    assert [path.name for path in hostile.folder.glob("*decisions*")] == ["decisions.json"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b'{"decisions": [3]}', b'{"decisions": [{"image": 0, "rm": "-rf"}]}']
)
def test_a_damaged_file_costs_a_sentence_and_nothing_else(dataset: Dataset, content: bytes) -> None:
    raw(dataset).write_bytes(content)
    found = read_decisions(dataset)
    assert not found.by_image and "damaged" in found.lost
    decide(dataset, Decision(image=0, what="exclude", why="half a letter: \ud83d"))
    assert list(read_decisions(dataset).by_image) == [0] and read_decisions(dataset).lost == ""


def test_decisions_on_what_is_not_there_are_dropped(dataset: Dataset) -> None:
    for image in (0, 1, 2, 3):
        decide(dataset, Decision(image=image, what="relabel", to=other_class(dataset, image)))
    rows = json.loads(raw(dataset).read_text())["decisions"]
    rows[0]["image"], rows[1]["file"], rows[2]["to"] = 999, "another.jpg", "no such class"
    raw(dataset).write_text(json.dumps({"decisions": rows}))
    found = read_decisions(dataset)
    assert list(found.by_image) == [3]
    assert found.lost.startswith("3 earlier decisions were dropped")


@pytest.mark.parametrize(
    ("image", "what", "to"),
    [
        *((-1, "exclude", ""), (999, "exclude", ""), (0, "relabel", HOSTILE)),
        *((0, "relabel", ""), (0, "exclude", "red"), (0, "burn", "")),
    ],
)
def test_what_does_not_fit_is_refused(dataset: Dataset, image: int, what: Action, to: str) -> None:
    with pytest.raises(DatasetError, match="Reload the page"):
        decide(dataset, Decision(image=image, what=what, to=to))
    assert not raw(dataset).exists()


def test_applying_makes_a_version_and_forgets_only_what_it_applied(
    workspace: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = other_class(dataset, 4)
    decide(dataset, Decision(image=1, what="exclude", why=HOSTILE))
    decide(dataset, Decision(image=4, what="relabel", to=to, why="둘"))
    decide(dataset, Decision(image=5, what="keep"))
    make = label_decisions.make_version

    def meanwhile(*arguments: object, **named: object) -> Dataset:
        made = make(*arguments, **named)
        decide(dataset, Decision(image=6, what="exclude"))
        return made

    monkeypatch.setattr(label_decisions, "make_version", meanwhile)
    made = label_decisions.apply(workspace, dataset)
    origin = version_origin(made)
    assert origin is not None
    changes = [(change.to, change.file) for change in origin.changes]
    assert changes == [("", dataset.images[1].file), (to, dataset.images[4].file)]
    assert list(read_decisions(dataset).by_image) == [6]
    assert not read_decisions(made).by_image


def test_what_cannot_be_applied_stays(workspace: Workspace, dataset: Dataset) -> None:
    decide(dataset, Decision(image=0, what="keep"))
    with pytest.raises(DatasetError, match="Nothing would differ"):
        label_decisions.apply(workspace, dataset)
    assert list(read_decisions(dataset).by_image) == [0]


def test_a_deleted_dataset_is_not_made_anew(workspace: Workspace, dataset: Dataset) -> None:
    delete_dataset(workspace, dataset.id)
    with pytest.raises(DatasetError, match="was deleted"):
        decide(dataset, Decision(image=0, what="exclude"))
    assert not dataset.folder.exists()


def test_a_full_disk_is_said_and_the_earlier_decisions_stay(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    decide(dataset, Decision(image=0, what="exclude"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(record_files, "atomic_write", full)
    with pytest.raises(DatasetError, match="No space left"):
        decide(dataset, Decision(image=1, what="exclude"))
    assert list(read_decisions(dataset).by_image) == [0]


def test_images_of_one_name_are_told_apart(workspace: Workspace, dataset: Dataset) -> None:
    """As `locate_changes` does it: by name and file."""
    named = replace(dataset, images=tuple(replace(image, name="same.jpg") for image in dataset.images))
    to = other_class(named, 1)
    change = LabelChange(image="same.jpg", was="x", to=to, why="", file=named.images[1].file)
    (found,) = locate_changes(workspace, named, VersionOrigin(dataset=dataset.id, name="x", changes=(change,)))
    assert (found.dataset, found.index) == (named.id, 1)
