import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest
from pictures import make_folder, many, picture, two_classes

from engine import record_files
from engine.data.dataset import commit, delete_dataset, health_card, list_datasets, open_dataset
from engine.data.dataset_records import SPLITS, Dataset
from engine.data.drafts import discard_draft, draft_folder, draft_health_card
from engine.data.importer import scan
from engine.errors import DatasetError, EngineError
from engine.workspace import Workspace


def draft(workspace: Workspace, root: Path, files: dict[str, bytes] | None = None) -> str:
    return scan(workspace, make_folder(root / "set", files or two_classes(20)), name="insects")


def test_commit_stores_what_the_card_promised(workspace: Workspace, tmp_path: Path) -> None:
    draft_id = draft(workspace, tmp_path)
    promised = draft_health_card(workspace, draft_id)
    dataset = commit(workspace, draft_id)
    assert dataset.name == "insects" and dataset.classes == ("ants", "bees")
    assert health_card(dataset) == promised
    assert [image.index for image in dataset.images] == list(range(40))
    assert {split: len(dataset.images_of(split)) for split in SPLITS} == {"train": 28, "val": 6, "test": 6}
    assert list(workspace.incoming.iterdir()) == []
    assert {path.name for path in dataset.folder.iterdir()} == {"dataset.json", "images.json", "images", "thumbs"}


def test_equal_content_seed_and_shares_give_equal_fingerprints(workspace: Workspace, tmp_path: Path) -> None:
    first = commit(workspace, draft(workspace, tmp_path))
    again = commit(workspace, draft(workspace, tmp_path))
    other = commit(workspace, draft(workspace, tmp_path), seed=1)
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert [image.split for image in first.images] == [image.split for image in again.images]


def test_names_are_unique_and_open_by_id_or_name(workspace: Workspace, tmp_path: Path) -> None:
    first = commit(workspace, draft(workspace, tmp_path), name=" 개미와 벌 ")
    second = commit(workspace, draft(workspace, tmp_path), name="개미와 벌")
    assert (first.name, second.name) == ("개미와 벌", "개미와 벌 (2)")
    assert open_dataset(workspace, "개미와 벌") == open_dataset(workspace, first.id) == first
    assert [summary.id for summary in list_datasets(workspace)] == [second.id, first.id]
    summary = list_datasets(workspace)[1]
    assert (summary.images, summary.classes, summary.fingerprint) == (40, 2, first.fingerprint)


@pytest.mark.parametrize("asked", ["wasps", "dataset-0000000000", "../../etc", "dataset-../x", ""])
def test_what_is_not_there_names_what_is(workspace: Workspace, tmp_path: Path, asked: str) -> None:
    with pytest.raises(EngineError):
        open_dataset(workspace, asked)
    commit(workspace, draft(workspace, tmp_path))
    with pytest.raises(EngineError, match=r"'insects'|not an id"):
        open_dataset(workspace, asked)


def test_a_draft_is_accepted_once(workspace: Workspace, tmp_path: Path) -> None:
    draft_id = draft(workspace, tmp_path)

    def accept(_: int) -> bool:
        try:
            return isinstance(commit(workspace, draft_id), Dataset)
        except EngineError:
            return False

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(accept, range(6))) == 1
    assert len(list_datasets(workspace)) == 1


def test_a_failure_while_accepting_gives_the_draft_back(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft_id = draft(workspace, tmp_path)

    def full(path: Path, content: str) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(record_files, "atomic_write", full)
        commit(workspace, draft_id)
    assert list_datasets(workspace) == []
    assert len(commit(workspace, draft_id).images) == 40


def test_discarded_drafts_are_gone(workspace: Workspace, tmp_path: Path) -> None:
    draft_id = draft(workspace, tmp_path)
    discard_draft(workspace, draft_id)
    discard_draft(workspace, draft_id)
    for act in (draft_health_card, commit):
        with pytest.raises(DatasetError, match="no longer waiting"):
            act(workspace, draft_id)
    assert list_datasets(workspace) == [] and list(workspace.incoming.iterdir()) == []


@pytest.mark.parametrize("draft_id", ["upload-0000000000", "../datasets", "draft-../../x"])
def test_foreign_draft_ids_are_refused(workspace: Workspace, draft_id: str) -> None:
    for act in (draft_health_card, discard_draft, commit):
        with pytest.raises(EngineError):
            act(workspace, draft_id)


def test_excluding_problems_drops_copies_conflicts_and_small_classes(workspace: Workspace, tmp_path: Path) -> None:
    twins = {"ants/copy.png": picture(0), "ants/conflict.png": picture(7777), "bees/conflict.png": picture(7777)}
    draft_id = draft(workspace, tmp_path, two_classes(20) | twins | many("wasps", 4, 5000))
    dataset = commit(workspace, draft_id, exclude_problems=True)
    assert dataset.classes == ("ants", "bees")
    assert [sum(image.label == label for image in dataset.images) for label in (0, 1)] == [20, 20]
    assert not any("conflict" in image.name for image in dataset.images)
    assert {path.name for path in (dataset.folder / "images").iterdir()} == {image.file for image in dataset.images}
    card = health_card(dataset)
    assert card.duplicates == () and card.small_classes == ()


def test_everything_readable_stays_otherwise_and_copies_share_a_split(workspace: Workspace, tmp_path: Path) -> None:
    copies = {f"ants/copy-{n}.png": picture(n) for n in range(10)}
    dataset = commit(workspace, draft(workspace, tmp_path, two_classes(20) | copies | many("wasps", 1, 5000)))
    assert len(dataset.images) == 51 and dataset.classes == ("ants", "bees", "wasps")
    splits: dict[str, set[str]] = {}
    for image in dataset.images:
        splits.setdefault(image.sha256, set()).add(image.split)
    assert all(len(found) == 1 for found in splits.values())
    assert [image.split for image in dataset.images if image.label == 2] == ["train"]


def test_excluding_everything_is_refused_and_the_draft_stays(workspace: Workspace, tmp_path: Path) -> None:
    draft_id = draft(workspace, tmp_path, two_classes(4))
    with pytest.raises(DatasetError, match="takes two"):
        commit(workspace, draft_id, exclude_problems=True)
    assert draft_health_card(workspace, draft_id).images == 8


def test_delete_removes_all_of_it(workspace: Workspace, tmp_path: Path) -> None:
    dataset = commit(workspace, draft(workspace, tmp_path))
    delete_dataset(workspace, dataset.id)
    assert list(workspace.datasets.iterdir()) == [] and list(workspace.incoming.iterdir()) == []
    for act in (delete_dataset, open_dataset):
        with pytest.raises(DatasetError):
            act(workspace, dataset.id)
    with pytest.raises(DatasetError, match="deleted"):
        health_card(dataset)


def test_a_damaged_dataset_does_not_hide_the_others(workspace: Workspace, tmp_path: Path) -> None:
    good, bad = commit(workspace, draft(workspace, tmp_path)), commit(workspace, draft(workspace, tmp_path))
    (bad.folder / "dataset.json").write_text("{")
    assert [summary.id for summary in list_datasets(workspace)] == [good.id]
    with pytest.raises(DatasetError, match="damaged"):
        open_dataset(workspace, bad.id)


def test_files_are_plain_json_in_utf8_and_those_of_the_version_before_open(
    workspace: Workspace, tmp_path: Path
) -> None:
    draft_id = draft(workspace, tmp_path, many("개미", 10) | many("꿀벌", 10, 50))
    path, promised = draft_folder(workspace, draft_id) / "draft.json", draft_health_card(workspace, draft_id)
    path.write_text(json.dumps({**json.loads(path.read_text()), "card": asdict(promised)}, ensure_ascii=False))
    dataset = commit(workspace, draft_id)
    path = dataset.folder / "dataset.json"
    about = json.loads(path.read_text(encoding="utf-8"))
    assert "개미" in path.read_text(encoding="utf-8") and about.pop("version_of") is None
    assert list(about) == [
        "version",
        "id",
        "name",
        "source",
        "created_at",
        "classes",
        "images",
        "fingerprint",
        "card",
        "rendering",
    ]
    path.write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")
    images = json.loads((dataset.folder / "images.json").read_text(encoding="utf-8"))
    assert images["columns"] == [
        "index",
        "name",
        "file",
        "label",
        "split",
        "width",
        "height",
        "sha256",
        "bytes",
        "group",
        "flaw",
    ]
    assert len(images["rows"]) == 20
    (dataset.folder / "images.json").write_text(json.dumps(images, ensure_ascii=False), encoding="utf-8")
    assert open_dataset(workspace, dataset.id) == dataset and health_card(dataset) == promised
