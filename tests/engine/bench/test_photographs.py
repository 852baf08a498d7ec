"""Photographs that are made, and those that are taken from a folder."""

from pathlib import Path
from statistics import mean

import numpy as np
import pytest
from PIL import Image

from engine.bench.photographs import CLASSES, SIZE, make_photographs, photograph, take_photographs
from engine.errors import DatasetError
from tests.pictures import write_folders


def test_made_photographs_are_as_large_as_photographs(tmp_path: Path) -> None:
    make_photographs(folder := tmp_path / "made", train=10, val=5, seed=0)
    files = sorted(folder.rglob("*.jpg"))
    assert len(list((folder / "train").rglob("*.jpg"))) == 10 and len(files) == 15
    sizes = set()
    for file in files:
        with Image.open(file) as picture:
            sizes.add(picture.size)
    assert sizes == {SIZE} == {(500, 375)}
    assert 40_000 < mean(file.stat().st_size for file in files) < 80_000
    assert len({file.read_bytes() for file in files}) == 15, "no picture comes twice"


def test_made_photographs_are_a_pure_function_of_the_seed(tmp_path: Path) -> None:
    contents = []
    for turn, seed in enumerate((1, 1, 2)):
        make_photographs(folder := tmp_path / str(turn), train=5, val=5, seed=seed)
        contents.append([path.read_bytes() for path in sorted(folder.rglob("*.jpg"))])
    assert contents[0] == contents[1]
    assert not set(contents[0]) & set(contents[2])


def test_a_class_is_a_tint_and_texture_on_otherwise_equal_pictures() -> None:
    pictures = [np.asarray(photograph(label, np.random.default_rng(0)), float) for label in range(CLASSES)]
    for first in range(CLASSES):
        for second in range(first):
            difference = pictures[first] - pictures[second]
            assert 3 < np.abs(difference).mean() < 1.25 * pictures[first].std(), "neither nothing nor everything"
            assert np.abs(difference.mean((0, 1))).max() > 5, "the tint"
            assert difference.std((0, 1)).min() > 2, "the stripes"


def test_real_photographs_are_taken_evenly_from_a_folder_of_classes(tmp_path: Path) -> None:
    source = write_folders(tmp_path / "source", each=8)
    take_photographs(source, folder := tmp_path / "taken", train=12, val=6, seed=0)
    counts = {(path.parent.name, path.name): len(list(path.iterdir())) for path in folder.glob("*/*")}
    assert set(counts.values()) == {4, 2} and len(counts) == 6
    taken = [path.read_bytes() for path in folder.rglob("*.jpg")]
    assert len(set(taken)) == 18, "no image is in both splits"


def test_too_few_real_photographs_are_refused_in_a_sentence(tmp_path: Path) -> None:
    source = write_folders(tmp_path / "source", each=2)
    with pytest.raises(DatasetError, match="6 images in 3 classes; 20 in at least two classes"):
        take_photographs(source, tmp_path / "taken", train=16, val=4, seed=0)
    assert not (tmp_path / "taken").exists()
