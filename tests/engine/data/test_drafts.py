"""A draft that is read anew: nothing is uploaded or decoded again."""

from pathlib import Path

import pytest
from pictures import make_folder, many

from engine.data.dataset import commit, health_card, open_dataset
from engine.data.drafts import draft_health_card, load_draft, take_reading
from engine.data.imported import ImportChoices
from engine.data.importer import scan
from engine.errors import DatasetError
from engine.workspace import Workspace


def persons(folder: Path) -> Path:
    places = [(person, label) for person in ("p01", "p02") for label in ("ng", "ok")]
    files = {}
    for number, (person, label) in enumerate(places):
        files |= many(f"{person}/{label}", 3, 10 * number)
    return make_folder(folder, files | many("unlabeled", 2, 100))


def test_a_draft_is_read_in_another_way_and_back(workspace: Workspace, tmp_path: Path) -> None:
    draft = scan(workspace, persons(tmp_path / "set"))
    card = draft_health_card(workspace, draft)
    assert [row.name for row in card.classes] == ["ng", "ok"] and card.unlabelled == 2
    assert [(other.key, dict(other.classes)) for other in card.alternatives] == [("1", {"p01": 6, "p02": 6})]
    before = load_draft(workspace, draft)
    assert {image.group for image in before.images} == {"p01", "p02"}
    take_reading(workspace, draft, "1")
    other = draft_health_card(workspace, draft)
    assert [row.name for row in other.classes] == ["p01", "p02"] and other.reading == "1"
    take_reading(workspace, draft, card.reading)
    assert load_draft(workspace, draft) == before
    with pytest.raises(DatasetError, match="cannot be read in that way"):
        take_reading(workspace, draft, "9")


def test_images_without_a_class_stay_beside_the_dataset(workspace: Workspace, tmp_path: Path) -> None:
    dataset = commit(workspace, scan(workspace, persons(tmp_path / "set")))
    assert [image.name for image in dataset.unlabelled] == ["unlabeled/00.png", "unlabeled/01.png"]
    assert all(dataset.image_path(image).is_file() for image in (*dataset.images, *dataset.unlabelled))
    assert len(dataset.images) == 12 and open_dataset(workspace, dataset.id).unlabelled == dataset.unlabelled
    assert sorted(path.name for path in dataset.folder.iterdir()) == [
        *("dataset.json", "images", "images.json", "thumbs", "unlabelled.json")
    ]
    assert health_card(dataset).unlabelled == 2


def test_what_is_asked_for_is_taken_and_what_is_not_there_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    source = persons(tmp_path / "set")
    assert load_draft(workspace, scan(workspace, source, choices=ImportChoices(classes_at="1"))).classes == (
        "p01",
        "p02",
    )
    with pytest.raises(DatasetError, match="Readings that have some: 2"):
        scan(workspace, source, choices=ImportChoices(classes_at="table"))


def test_the_tree_says_what_each_folder_was_taken_for(workspace: Workspace, tmp_path: Path) -> None:
    files = many("set/train/ants", 4) | many("set/train/bees", 4, 20) | many("set/test/ants", 2, 40)
    files |= many("set/test/bees", 2, 60) | many("set/extra", 1, 80)
    card = draft_health_card(workspace, scan(workspace, make_folder(tmp_path / "brought", files)))
    assert [(line.depth, line.name, line.taken_for, line.images) for line in card.tree] == [
        (0, "extra", "no class", 1),
        (0, "test", "test", 4),
        (1, "ants", "class", 2),
        (1, "bees", "class", 2),
        (0, "train", "training", 8),
        (1, "ants", "class", 4),
        (1, "bees", "class", 4),
    ]
