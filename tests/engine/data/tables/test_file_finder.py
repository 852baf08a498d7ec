from pathlib import Path

import pytest

from engine.data.staging.zips import StagedFile
from engine.data.tables.file_finder import FileFinder


def finder(*names: str) -> FileFinder:
    return FileFinder([StagedFile(path=Path("x"), name=name) for name in names])


def meant(cell: str, *names: str, table: str = "labels.csv") -> list[str]:
    return [file.name for file in finder(*names).find(cell, table).files]


@pytest.mark.parametrize(
    "written",
    [
        *(
            "d/img/my 1.jpg",
            "./d/img/my 1.jpg",
            "../img/my 1.jpg",
            "/home/me/img/my 1.jpg",
            "C:\\Users\\me\\img\\my 1.jpg",
        ),
        *("my 1.jpg", "my 1", "MY 1.JPG", "my 1.png", "my 001", "My 01.Jpeg", "img/my%201.jpg"),
        *("https://host.example/a/my%201.jpg?size=1#x", "gs://bucket/img/my 1.jpg", "s3://bucket/my 1.jpg"),
        *("/data/upload/7/0a1b2c3d-my%201.jpg", "/data/local-files/?d=img/my%201.jpg"),
    ],
)
def test_a_file_is_found_however_its_name_was_written(written: str) -> None:
    assert meant(written, "d/img/my 1.jpg", "d/img/my 2.jpg", "d/img/my 11.jpg") == ["d/img/my 1.jpg"]


@pytest.mark.parametrize(
    ("cell", "name"), [("1", "001.bmp"), ("7", "0007.JPG"), ("0", "000.png"), ("img_07", "IMG_7.JPG")]
)
def test_padding_and_endings(cell: str, name: str) -> None:
    assert meant(cell, name, "101.bmp", "0070.JPG") == [name]


def test_the_literal_name_goes_before_what_it_could_mean() -> None:
    assert meant("a%20b.jpg", "a%20b.jpg", "a b.jpg") == ["a%20b.jpg"]
    assert meant("1.jpg", "001.jpg", "1.jpg", "1.png") == ["1.jpg"]


def test_folders_decide_between_equal_names() -> None:
    names = ("train/1.jpg", "test/1.jpg", "train/deep/2.jpg")
    assert meant("old/train/1.jpg", *names) == ["train/1.jpg"]
    assert meant("1.jpg", *names, table="test/labels.csv") == ["test/1.jpg"]
    assert meant("1.jpg", *names, table="train.csv") == ["train/1.jpg"]
    assert meant("1.jpg", *names) == ["train/1.jpg", "test/1.jpg"]
    assert meant("test/2.jpg", *names) == []


def test_a_mask_is_not_what_is_meant() -> None:
    assert meant("1", "001.bmp", "001.png") == ["001.bmp"]
    assert meant("001", "images/001.png", "masks/001.png") == ["images/001.png"]


@pytest.mark.parametrize("cell", ["", "  ", "..", "/", "a/../b.jpg", "\0", "%00", "nowhere.jpg", "http://", "1" * 5000])
def test_what_means_nothing_finds_nothing(cell: str) -> None:
    assert meant(cell, "a.jpg", "b/c.jpg") == []


def test_the_nearest_name_is_offered() -> None:
    assert finder("IMG_001.jpg", "b/other.png").nearest_name("IMG_0001x.jpg") == "IMG_001.jpg"
    assert finder().nearest_name("a") == ""
