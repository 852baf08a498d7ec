import os
from pathlib import Path

import pytest
from pictures import make_folder, make_zip

from engine.data import uploads
from engine.data.archives import stage
from engine.data.zips import Limits, Staged
from engine.errors import DatasetError
from engine.workspace import Workspace


def names(staged: Staged) -> list[str]:
    return sorted(file.name for file in staged.files)


def test_a_folder_is_listed_without_copying_and_without_following_links(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "set", {"ants/1.jpg": b"x", ".git/config": b"x", "bees/2.jpg": b"y"})
    (source / "secret").symlink_to("/etc")
    os.mkfifo(source / "pipe.jpg")
    staged = stage(source, tmp_path / "into")
    assert names(staged) == ["ants/1.jpg", "bees/2.jpg"]
    assert {problem.name for problem in staged.problems} == {".git/", "secret", "pipe.jpg"}
    assert list((tmp_path / "into").iterdir()) == []


def test_zips_side_by_side_become_folders(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "set", {"broken.zip": b"PK\x03\x04 nonsense"})
    for name in ("ants", "bees"):
        make_zip(source / f"{name}.zip", {"1.jpg": b"x"})
    staged = stage(source, tmp_path / "into")
    assert names(staged) == ["ants/1.jpg", "bees/1.jpg"]
    assert [problem.name for problem in staged.problems] == ["broken.zip"]


def test_a_zip_in_a_zip_stays_closed(tmp_path: Path) -> None:
    inner = make_zip(tmp_path / "inner.zip", {"1.jpg": b"x"}).read_bytes()
    staged = stage(make_zip(tmp_path / "outer.zip", {"inner.zip": inner, "ants/1.jpg": b"y"}), tmp_path / "into")
    assert names(staged) == ["ants/1.jpg", "inner.zip"]


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
