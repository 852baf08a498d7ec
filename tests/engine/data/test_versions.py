"""Versions: the old dataset untouched, the others where they were, every change on record."""

import errno
import hashlib
import os
import shutil
from pathlib import Path

import pytest

from engine.data.dataset import delete_dataset, health_card, list_datasets, open_dataset, version_origin
from engine.data.dataset_records import Dataset
from engine.data.versions import locate_changes, make_version
from engine.errors import DatasetError
from engine.workspace import Workspace
from tests.pictures import other_class

HOSTILE = "‮[x](http://evil.example) <b>고양이</b>\n../.."


def content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_old_one_stays_byte_for_byte_and_the_others_keep_their_split(
    workspace: Workspace, dataset: Dataset
) -> None:
    before = content(dataset.folder)
    out, moved = dataset.images[1], dataset.images[4]
    to = other_class(dataset, 4)
    made = make_version(workspace, dataset.id, excluded={1: "blurred"}, relabelled={4: (to, "looks like it")})
    assert content(dataset.folder) == before
    assert made.name == f"{dataset.name} v2" and made.fingerprint != dataset.fingerprint and made.id != dataset.id
    assert [image.index for image in made.images] == list(range(len(dataset.images) - 1))
    by_name = {image.name: image for image in made.images}
    assert out.name not in by_name
    for image in dataset.images:
        if image.index != 1:
            assert by_name[image.name].split == image.split
            assert (by_name[image.name].label == image.label) == (image.index != 4)
    assert made.classes[by_name[moved.name].label] == to
    assert list_datasets(workspace)[0].images == len(made.images)


def test_every_change_is_on_record(workspace: Workspace, dataset: Dataset) -> None:
    to = other_class(dataset, 4)
    made = make_version(workspace, dataset.id, excluded={1: HOSTILE}, relabelled={4: (to, "둘")}, name=HOSTILE)
    found = version_origin(made)
    assert found is not None and (found.dataset, found.name) == (dataset.id, dataset.name)
    assert [(change.image, change.to, change.why) for change in found.changes] == [
        (dataset.images[1].name, "", HOSTILE),
        (dataset.images[4].name, to, "둘"),
    ]
    (problem,) = (problem for problem in health_card(made).problems if problem.name == dataset.images[1].name)
    assert HOSTILE in problem.reason and problem.kind == "note"
    assert version_origin(dataset) is None
    assert make_version(workspace, made.id, excluded={0: "x"}, relabelled={}).images


def test_versions_are_numbered_and_outlive_the_old_one(workspace: Workspace, dataset: Dataset) -> None:
    second = make_version(workspace, dataset.id, excluded={0: "x"}, relabelled={})
    third = make_version(workspace, second.id, excluded={0: "x"}, relabelled={})
    assert (second.name, third.name) == ("colours v2", "colours v3")
    shared = second.image_path(second.images[3])
    assert shared.stat().st_nlink == 3  # no image lies twice on the disk
    delete_dataset(workspace, dataset.id)
    assert all(second.image_path(image).is_file() and second.thumbnail_path(image).is_file() for image in second.images)


def test_without_links_images_are_copied(
    workspace: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    made = make_version(workspace, dataset.id, excluded={0: "x"}, relabelled={})
    image = made.images[0]
    assert made.image_path(image).read_bytes() == dataset.image_path(dataset.images[1]).read_bytes()


def test_an_image_that_is_gone_is_named_and_no_disk_is_blamed(workspace: Workspace, dataset: Dataset) -> None:
    image = dataset.images[3]
    for path in (dataset.image_path(image), dataset.thumbnail_path(image)):
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(DatasetError, match=r"gone or cannot be read\. Import the dataset again") as said:
            make_version(workspace, dataset.id, excluded={0: "x"}, relabelled={})
        assert image.name in str(said.value) and "disk" not in str(said.value)
        path.write_bytes(content)
    assert not list(workspace.incoming.iterdir())


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.ENOSPC, "Make room on the disk"), (errno.EACCES, "Allow Thaw to write")]
)
def test_the_remedy_is_that_of_the_cause(
    workspace: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    def failing(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", failing)
    monkeypatch.setattr(shutil, "copyfile", failing)
    with pytest.raises(DatasetError, match=remedy):
        make_version(workspace, dataset.id, excluded={0: "x"}, relabelled={})


def test_what_could_not_be_read_stays_an_error(workspace: Workspace, dataset: Dataset) -> None:
    """result.csv of every run lists it as a row with an error."""
    made = make_version(workspace, dataset.id, excluded={1: "blurred"}, relabelled={})
    old, new = ([p for p in each.problems if p.kind == "input"] for each in (dataset, made))
    assert old == new and old


REFUSED = {
    "nothing": ({}, {}, "Nothing would differ"),
    "same": ({}, {0: "its own"}, "Nothing would differ"),
    "unknown image": ({999: ""}, {}, "no image 999"),
    "negative": ({}, {-1: "other"}, "no image -1"),
    "unknown class": ({}, {0: HOSTILE}, "can have a class of"),
    "both": ({0: ""}, {0: "other"}, "or be left out"),
    "empty class": (dict.fromkeys(range(8), ""), {}, "left without images"),
    "no training": ("train", {}, "without training images"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_and_leaves_nothing(workspace: Workspace, dataset: Dataset, case: str) -> None:
    words = {"its own": dataset.classes[dataset.images[0].label], "other": other_class(dataset, 0)}
    excluded, relabelled, said = REFUSED[case]
    if excluded == "train":
        excluded = {image.index: "" for image in dataset.images_of("train") if image.label == 0}
    with pytest.raises(DatasetError, match=said):
        relabelled = {index: (words.get(to, to), "") for index, to in relabelled.items()}
        make_version(workspace, dataset.id, excluded=excluded, relabelled=relabelled)
    assert [summary.id for summary in list_datasets(workspace)] == [dataset.id]
    assert not list(workspace.incoming.iterdir())
    assert open_dataset(workspace, dataset.id) == dataset


def test_every_change_can_be_seen_while_the_old_one_is_there(workspace: Workspace, dataset: Dataset) -> None:
    to = other_class(dataset, 4)
    made = make_version(workspace, dataset.id, excluded={1: "blurred"}, relabelled={4: (to, "둘")})
    origin = version_origin(made)
    assert origin is not None
    out, moved = locate_changes(workspace, made, origin)
    assert (out.dataset, out.index) == (dataset.id, 1)
    assert moved.dataset == made.id and made.images[moved.index].name == dataset.images[4].name
    assert [summary.version_of for summary in list_datasets(workspace)] == [dataset.id, ""]
    delete_dataset(workspace, dataset.id)
    out, moved = locate_changes(workspace, made, origin)
    assert (out.dataset, out.index, moved.dataset) == ("", -1, made.id)
