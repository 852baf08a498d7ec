import os
from pathlib import Path

import pytest
from pictures import make_folder, make_tar, make_zip

from engine.data import uploads
from engine.data.staging.archives import stage
from engine.data.staging.zips import Limits, Staged
from engine.errors import DatasetError
from engine.workspace import Workspace


def names(staged: Staged) -> list[str]:
    return sorted(file.name for file in staged.files)


def test_a_folder_is_listed_without_copying(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "set", {"ants/1.jpg": b"x", ".git/config": b"x", "bees/2.jpg": b"y"})
    os.mkfifo(source / "pipe.jpg")
    staged = stage(source, tmp_path / "into")
    assert names(staged) == ["ants/1.jpg", "bees/2.jpg"]
    assert {problem.name for problem in staged.problems} == {".git/", "pipe.jpg"}
    assert list((tmp_path / "into").iterdir()) == []


def test_links_are_followed_to_what_may_be_read_and_nowhere_else(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "set", {"all/1.jpg": b"x", "all/2.jpg": b"y"})
    make_folder(tmp_path / "other", {"3.jpg": b"z"})
    (source / "train").mkdir()
    (source / "train" / "1.jpg").symlink_to("../all/1.jpg")
    (source / "train" / "3.jpg").symlink_to(tmp_path / "other" / "3.jpg")
    (source / "train" / "etc").symlink_to("/etc")
    (source / "train" / "gone.jpg").symlink_to("absent")
    (source / "train" / "self").symlink_to("self")
    staged = stage(source, tmp_path / "into")
    assert names(staged) == ["all/1.jpg", "all/2.jpg", "train/1.jpg"]
    reasons = {problem.name: problem.reason for problem in staged.problems}
    assert set(reasons) == {"train/3.jpg", "train/etc", "train/gone.jpg", "train/self"}
    assert "out of the folder" in reasons["train/etc"] and "nowhere" in reasons["train/self"]
    wider = stage(source, tmp_path / "into", within=tmp_path)
    assert "train/3.jpg" in names(wider) and {file.path.read_bytes() for file in wider.files} == {b"x", b"y", b"z"}


def test_folders_that_link_to_each_other_end(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "set", {f"{n}/{n}.jpg": b"x" for n in range(12)})
    for n in range(12):
        (source / str(n) / "up").symlink_to("..")
        for link in ("a", "b"):
            (source / str(n) / link).symlink_to(f"../{(n + 1) % 12}")
    staged = stage(source, tmp_path / "into")
    assert len(staged.files) < 40 and {file.path.name for file in staged.files} == {f"{n}.jpg" for n in range(12)}


def test_zips_side_by_side_become_folders(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "set", {"broken.zip": b"PK\x03\x04 nonsense"})
    for name in ("ants", "bees"):
        make_zip(source / f"{name}.zip", {"1.jpg": b"x"})
    staged = stage(source, tmp_path / "into")
    assert names(staged) == ["ants/1.jpg", "bees/1.jpg"]
    assert [problem.name for problem in staged.problems] == ["broken.zip"]


def test_archives_are_opened_wherever_they_lie_and_once_more_inside(tmp_path: Path) -> None:
    innermost = make_zip(tmp_path / "d.zip", {"4.jpg": b"x"}).read_bytes()
    middle = make_zip(tmp_path / "m.zip", {"3.jpg": b"x", "deep.zip": innermost}).read_bytes()
    train = make_zip(tmp_path / "t.zip", {"train/cat.jpg": b"c"}).read_bytes()
    outer = make_zip(tmp_path / "outer.zip", {"train.zip": train, "test1.zip": middle, "1.jpg": b"y"})
    assert names(stage(outer, tmp_path / "a")) == ["1.jpg", "test1/3.jpg", "test1/deep.zip", "train/cat.jpg"]
    source = make_folder(tmp_path / "set", {"data/train.zip": train, "data/1.jpg": b"y"})
    assert names(stage(source, tmp_path / "b")) == ["data/1.jpg", "data/train/cat.jpg"]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tars_are_opened_like_zips(tmp_path: Path, mode: str) -> None:
    make_tar(tmp_path / "set.tar.gz", {"개미/1.jpg": b"x" * 3000, "벌/2.jpg": b"y"}, mode)
    staged = stage(tmp_path / "set.tar.gz", tmp_path / "into")
    assert names(staged) == ["개미/1.jpg", "벌/2.jpg"]
    assert {file.path.read_bytes() for file in staged.files} == {b"x" * 3000, b"y"}
    (tmp_path / "beside").mkdir()
    (tmp_path / "set.tar.gz").rename(tmp_path / "beside" / "set.tar.gz")
    (tmp_path / "beside" / "3.jpg").write_bytes(b"z")
    assert names(stage(tmp_path / "beside", tmp_path / "again")) == ["3.jpg", "set/개미/1.jpg", "set/벌/2.jpg"]


def test_documents_are_not_archives_and_others_are_left_to_be_named(tmp_path: Path) -> None:
    word = make_zip(tmp_path / "w.zip", {"[Content_Types].xml": b"x", "word/media/image1.png": b"x"}).read_bytes()
    files = {"report.docx": word, "cats.7z": b"7z\xbc\xaf'\x1c", "cats/1.jpg": b"x"}
    assert names(stage(make_folder(tmp_path / "set", files), tmp_path / "into")) == sorted(files)


def test_archives_within_archives_share_one_limit(tmp_path: Path) -> None:
    content = os.urandom(1000) + bytes(200_000)
    inner = make_zip(tmp_path / "inner.zip", {"1.jpg": content}).read_bytes()
    outer = make_zip(tmp_path / "outer.zip", {f"{n}.zip": inner for n in range(10)})
    staged = stage(outer, tmp_path / "into", limits=Limits(total_bytes=600_000))
    assert len(staged.files) == 2 and all("limit" in problem.reason for problem in staged.problems)
    assert len(staged.problems) == 8


def test_a_csv_brings_only_what_it_lists_and_nothing_from_outside(tmp_path: Path) -> None:
    (tmp_path / "outside.jpg").write_bytes(b"no")
    files = {
        "labels.csv": b"file,label\nimg/1.jpg,ant\n../outside.jpg,bee\nimg/1.jpg,ant\n",
        "img/1.jpg": b"x",
        "img/2.jpg": b"y",
    }
    source = make_folder(tmp_path / "set", files)
    assert names(stage(source / "labels.csv", tmp_path / "into")) == ["img/1.jpg", "labels.csv"]


def test_a_csv_opens_the_zip_beside_it_for_what_is_missing(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "set", {"labels.csv": b"file,label\nimages/1.jpg,ant\n"})
    make_zip(source / "images.zip", {"1.jpg": b"x"})
    make_zip(source / "unrelated.zip", {"2.jpg": b"x"})
    assert names(stage(source / "labels.csv", tmp_path / "into")) == ["images/1.jpg", "labels.csv"]


def test_an_upload_gives_the_names_that_were_sent(workspace: Workspace, upload: uploads.Upload, tmp_path: Path) -> None:
    for name in ("개미/1.jpg", "../../etc/passwd"):
        uploads.Receiver(workspace, upload, name).close()
    assert names(stage(workspace.incoming_item(upload.id), tmp_path / "into")) == ["개미/1.jpg"]


def test_too_many_files_and_nothing_there(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "set", {f"{n}.jpg": b"x" for n in range(5)})
    with pytest.raises(DatasetError, match="limit is 4"):
        stage(source, tmp_path / "into", limits=Limits(files=4))
    with pytest.raises(DatasetError, match="nothing at"):
        stage(tmp_path / "absent", tmp_path / "into")
