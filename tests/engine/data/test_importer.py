import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pictures import encoded, make_folder, make_zip, many, picture, two_classes
from PIL import Image

from engine.data import uploads
from engine.data.dataset import commit
from engine.data.dataset_records import HealthCard
from engine.data.drafts import draft_health_card
from engine.data.importer import find_source, scan
from engine.errors import DatasetError
from engine.workspace import Workspace
from tests.pictures import new_upload


def card_for(workspace: Workspace, source: Path) -> HealthCard:
    return draft_health_card(workspace, scan(workspace, source))


def totals(card: HealthCard) -> list[tuple[str, int]]:
    return [(entry.name, entry.total) for entry in card.classes]


def upload_of(workspace: Workspace, files: dict[str, bytes]) -> Path:
    upload = new_upload(workspace)
    for name, content in files.items():
        receiver = uploads.Receiver(workspace, upload, name)
        receiver.write(content)
        receiver.close()
    return workspace.incoming_item(upload.id)


Maker = Callable[[Workspace, Path, dict[str, bytes]], Path]
SOURCES: dict[str, Maker] = {
    "zip": lambda workspace, root, files: make_zip(root / "set.zip", files),
    "folder": lambda workspace, root, files: make_folder(root / "set", files),
    "upload": lambda workspace, root, files: upload_of(workspace, files),
    "uploaded zip": lambda workspace, root, files: upload_of(
        workspace, {"set.zip": make_zip(root / "set.zip", files).read_bytes()}
    ),
}


@pytest.mark.parametrize("maker", SOURCES.values(), ids=SOURCES)
def test_one_bad_file_never_blocks_the_rest(workspace: Workspace, tmp_path: Path, maker: Maker) -> None:
    bad = {".DS_Store": b"x", "junk.gif": b"GIF89a", "cut.png": picture()[:90], "notes.txt": b"hello", "empty.jpg": b""}
    card = card_for(workspace, maker(workspace, tmp_path, two_classes() | {f"bees/{name}": bad[name] for name in bad}))
    assert totals(card) == [("ants", 10), ("bees", 10)]
    reasons = {problem.name.removeprefix("bees/"): problem.reason for problem in card.problems}
    words = {
        ".DS_Store": "system file",
        "junk.gif": "cannot be decoded",
        "empty.jpg": "empty",
        "notes.txt": "not a table",
    }
    assert reasons.keys() == bad.keys() and all(words.get(name, "") in reason for name, reason in reasons.items())
    assert card.given_splits == () and card.images == 20 and card.width_range == (40, 40, 40)


def test_images_and_thumbnails_lie_under_our_names(workspace: Workspace, tmp_path: Path) -> None:
    hostile = ("**굵게**/=cmd.png", "<img src=x>/../a.png", "\x07bell/a b.png")
    files = two_classes() | {name: picture(2000 + number) for number, name in enumerate(hostile)}
    dataset = commit(workspace, scan(workspace, make_zip(tmp_path / "h.zip", files)))
    assert dataset.classes == ("**굵게**", "_bell", "ants", "bees")
    for image in dataset.images:
        assert dataset.image_path(image).parent == dataset.folder / "images"
        with Image.open(dataset.thumbnail_path(image)) as small:
            assert small.format == "JPEG" and max(small.size) <= 320
    assert dataset.image_path(dataset.images[0]).read_bytes() == picture(2000), "the original bytes are kept"


def test_nested_split_folders_and_a_carved_test_split(workspace: Workspace, tmp_path: Path) -> None:
    files = many("d/train/ants/sub", 20) | many("d/train/bees", 20, 100)
    files |= many("d/valid/ants", 6, 200) | many("d/valid/bees", 6, 300)
    card = card_for(workspace, make_zip(tmp_path / "s.zip", files))
    assert card.given_splits == ("train", "val")
    assert [(entry.train, entry.val, entry.test) for entry in card.classes] == [(16, 6, 4)] * 2


def test_leak_across_given_splits_is_reported_and_excluded_from_train(workspace: Workspace, tmp_path: Path) -> None:
    files = many("train/ants", 10) | many("train/bees", 10, 100) | many("val/ants", 6) | many("val/bees", 6, 300)
    source = make_zip(tmp_path / "leak.zip", files)
    card = card_for(workspace, source)
    assert card.duplicates_across_splits == 6
    assert ("train/ants/00.png", "val/ants/00.png") in card.duplicates
    kept = commit(workspace, scan(workspace, source))
    assert sum(image.name.startswith("val/") for image in kept.images_of("val")) == 12, "given splits are respected"
    cleaned = commit(workspace, scan(workspace, source), exclude_problems=True)
    assert len({image.sha256 for image in cleaned.images}) == len(cleaned.images) == 26
    assert len(cleaned.images_of("val")) == 12, "the validation set stays as it was given"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_a_table_in_a_zip(workspace: Workspace, tmp_path: Path, encoding: str) -> None:
    rows = [f"images/{n:02d}.png,{'개미' if n % 2 else '꿀벌'}" for n in range(12)]
    table = "\n".join(["file_dir,target", *rows, "images/99.png,개미"]).encode(encoding)
    card = card_for(workspace, make_zip(tmp_path / "t.zip", many("images", 13) | {"labels.csv": table}))
    assert totals(card) == [("개미", 6), ("꿀벌", 6)]
    assert {problem.name for problem in card.problems} == {"labels.csv", "images/12.png"}
    assert any("images/99.png" in problem.reason for problem in card.problems)


def test_a_lone_table_with_a_zip_of_images(workspace: Workspace, tmp_path: Path) -> None:
    rows = b"file,label\n" + b"".join(f"images/{n:02d}.png,{'ab'[n % 2]}\n".encode() for n in range(10))
    archive = make_zip(tmp_path / "images.zip", {f"{n:02d}.png": picture(n) for n in range(10)}).read_bytes()
    zipped, plain = {"labels.csv": rows, "images.zip": archive}, {"labels.csv": rows} | many("images", 10)
    for source in (
        upload_of(workspace, zipped),
        make_folder(tmp_path / "beside", zipped) / "labels.csv",
        make_folder(tmp_path / "plain", plain) / "labels.csv",
    ):
        card = card_for(workspace, source)
        assert totals(card) == [("a", 5), ("b", 5)] and [p.name for p in card.problems] == ["labels.csv"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "no files at all"),
        ({"a.txt": b"hello", "b.txt": b"x"}, "Found: 2 .txt"),
        (many("ants", 3), r"'ants' with 3 images"),
        ({f"ants/{n}.jpg": b"broken" for n in range(3)} | {"bees/1.jpg": b"broken"}, "ants/0.jpg: It is not an image"),
        (many("ants", 3) | {"bees/1.jpg": b"broken"}, "Only one class"),
        ({"1.png": picture(1), "2.png": picture(2)}, "folder of their own"),
    ],
)
def test_no_dataset_is_a_refusal_that_lists_what_was_found(
    workspace: Workspace, tmp_path: Path, files: dict[str, bytes], words: str
) -> None:
    source = make_folder(tmp_path / "set", files)
    source.mkdir(exist_ok=True)
    with pytest.raises(DatasetError, match=words):
        scan(workspace, source)
    assert list(workspace.incoming.iterdir()) == []


def test_a_class_without_readable_images_is_left_out_by_name(workspace: Workspace, tmp_path: Path) -> None:
    source = make_folder(tmp_path / "set", two_classes() | {"wasps/1.jpg": b"broken", "flies/1.pdf": b"text"})
    (source / "moths").mkdir()
    card = card_for(workspace, source)
    assert [entry.name for entry in card.classes] == ["ants", "bees"]
    (note,) = [problem for problem in card.problems if problem.kind == "note"]
    assert note.name == "flies, moths, wasps" and note.reason.startswith("3 folders hold no readable image")


class Cancelled(BaseException):
    pass


@pytest.mark.parametrize("when", [("unpack", 3), ("read", 5)])
@pytest.mark.parametrize("uploaded", [False, True])
def test_cancelling_leaves_nothing_behind(
    workspace: Workspace, tmp_path: Path, when: tuple[str, int], uploaded: bool
) -> None:
    archive = make_zip(tmp_path / "set.zip", two_classes())
    source = upload_of(workspace, {"set.zip": archive.read_bytes()}) if uploaded else archive

    def progress(stage: str, done: int, total: int) -> None:
        if (stage, done) == when:
            raise Cancelled

    with pytest.raises(Cancelled):
        scan(workspace, source, progress=progress)
    assert list(workspace.incoming.iterdir()) == []
    assert archive.exists()


def test_a_used_upload_is_gone_and_a_refused_one_stays(workspace: Workspace) -> None:
    good, poor = upload_of(workspace, two_classes()), upload_of(workspace, many("ants", 3))
    scan(workspace, good)
    with pytest.raises(DatasetError):
        scan(workspace, poor)
    assert not good.exists() and poor.exists()


def test_a_folder_is_not_changed(workspace: Workspace, tmp_path: Path) -> None:
    source = make_folder(tmp_path / "set", two_classes())

    def content() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in source.rglob("*")}

    before = content()
    scan(workspace, source)
    assert content() == before


def test_progress_counts_up_to_the_total(workspace: Workspace, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    scan(workspace, make_zip(tmp_path / "s.zip", two_classes()), progress=lambda *event: seen.append(event))
    assert [done for stage, done, _ in seen if stage == "read"] == list(range(21))
    assert seen[-1] == ("compare", 20, 20)


def test_upright_size_is_recorded(workspace: Workspace, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(Image.new("RGB", (50, 20)), "JPEG", exif=exif)
    source = make_folder(tmp_path / "set", two_classes() | {"ants/turned.jpg": turned})
    images = commit(workspace, scan(workspace, source)).images
    assert [(one.width, one.height) for one in images if one.name.endswith("turned.jpg")] == [(20, 50)]


def test_paths_outside_the_allowed_root_are_refused(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed, other = tmp_path / "allowed", tmp_path / "other"
    for folder in (allowed, other):
        folder.mkdir()
    (allowed / "way-out").symlink_to(other)
    monkeypatch.setenv("THAW_DATA_ROOT", str(allowed))
    assert find_source(workspace, str(allowed)) == allowed
    assert find_source(workspace, str(other), anywhere=True) == other
    for path in (other, allowed / ".." / "other", allowed / "way-out", "/etc"):
        with pytest.raises(DatasetError, match="lies outside"):
            find_source(workspace, str(path))
    with pytest.raises(DatasetError, match="nothing at"):
        find_source(workspace, str(allowed / "absent"))
    upload = new_upload(workspace)
    assert find_source(workspace, upload.id) == workspace.incoming_item(upload.id)


@pytest.mark.skipif("THAW_REAL_ZIP" not in os.environ, reason="set THAW_REAL_ZIP to the hymenoptera zip")
def test_the_classic_ants_and_bees(workspace: Workspace) -> None:
    card = card_for(workspace, Path(os.environ["THAW_REAL_ZIP"]))
    assert totals(card) == [("ants", 193), ("bees", 204)]
    assert card.given_splits == ("train", "val")
    assert {Path(problem.name).name for problem in card.problems} == {".DS_Store", "imageNotFound.gif"}
