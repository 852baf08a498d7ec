from pathlib import Path

import pytest

from engine.data.readings.judgement import Judged
from engine.data.readings.reading import Reading, aside_as_problems
from engine.data.readings.recognition import recognise
from engine.data.staging.unpacking import StagedFile
from engine.data.tables.table_records import MatchedRow, TableAccount
from engine.errors import DatasetError


def judge(*names: str, tables: tuple[TableAccount, ...] = (), asked: str = "") -> Judged:
    return recognise([StagedFile(path=Path("x"), name=name) for name in names], tables, asked=asked)


def read(*names: str, tables: tuple[TableAccount, ...] = ()) -> Reading:
    return judge(*names, tables=tables).reading


def aside(result: Reading) -> list[str]:
    return [problem.name for problem in aside_as_problems(result)]


def found(result: Reading) -> dict[str, tuple[str, str | None]]:
    return {entry.file.name: (entry.label, entry.given) for entry in result.entries}


def account(name: str, *labels: tuple[str, str]) -> TableAccount:
    rows = tuple(MatchedRow(file=StagedFile(path=Path("x"), name=file), label=label) for file, label in labels)
    return TableAccount(name=name, rows=rows, sentence="It says so.")


@pytest.mark.parametrize("wrapper", ["", "data/", "my/data/"])
def test_class_folders_with_and_without_wrapping(wrapper: str) -> None:
    names = ("ants/1.jpg", "ants/deep/er/2.jpg", "bees/1.jpg")
    labels = {wrapper + name: (name[:4], None) for name in names}
    assert found(read(*labels)) == labels


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [("train", "val", "test"), ("Training", "VALID", "testing"), ("train", "validation", "test")],
)
def test_split_folders_are_respected(train: str, val: str, test: str) -> None:
    result = read(f"d/{train}/ants/sub/x.jpg", f"d/{train}/bees/x.jpg", f"d/{val}/ants/x.jpg", f"d/{test}/bees/x.jpg")
    assert list(found(result).values()) == [("ants", "train"), ("bees", "train"), ("ants", "val"), ("bees", "test")]
    assert result.given_splits == ("train", "val", "test")


def test_a_missing_split_is_said_to_be_carved() -> None:
    result = read("train/ants/1.jpg", "train/bees/1.jpg", "val/ants/2.jpg")
    assert result.given_splits == ("train", "val")
    assert "test taken out of train" in result.sentence


def test_a_lone_train_folder_prescribes_nothing() -> None:
    result = read("set/train/ants/1.jpg", "set/train/bees/1.jpg")
    assert found(result) == {"set/train/ants/1.jpg": ("ants", None), "set/train/bees/1.jpg": ("bees", None)}


def test_splits_inside_class_folders() -> None:
    result = read("ants/train/1.jpg", "ants/val/2.jpg", "bees/train/1.jpg")
    assert list(found(result).values()) == [("ants", "train"), ("ants", "val"), ("bees", "train")]


def test_val_and_test_without_train_are_joined() -> None:
    result = read("val/ants/1.jpg", "test/bees/1.jpg")
    assert list(found(result).values()) == [("ants", None), ("bees", None)]
    assert result.given_splits == () and "val and test came without train" in result.sentence


def test_a_class_called_train_is_a_class() -> None:
    assert {entry.label for entry in read("train/1.jpg", "bus/1.jpg", "car/1.jpg").entries} == {"train", "bus", "car"}


def test_strays_are_named_and_do_not_disturb() -> None:
    result = read("cover.jpg", "d/ants/1.jpg", "d/bees/1.jpg", "d/bees/2.jpg", "d/note.jpg")
    assert {entry.label for entry in result.entries} == {"ants", "bees"}
    assert aside(result) == ["cover.jpg", "d/note.jpg"]


def test_other_folders_beside_splits_are_set_aside_and_large_ones_named_once() -> None:
    many = [f"extra/{number}.jpg" for number in range(9)]
    result = read("train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "docs/logo.jpg", "train/loose.jpg", *many)
    assert aside(result) == ["docs/logo.jpg", "train/loose.jpg", "extra/ (9 images)"]


def test_what_labels_more_images_wins_and_the_contradiction_is_asked_about() -> None:
    table = account("l.csv", ("cat/1.jpg", "indoor"), ("cat/2.jpg", "outdoor"))
    result = judge("cat/1.jpg", "cat/2.jpg", "dog/3.jpg", "dog/4.jpg", tables=(table,))
    assert list(result.reading.classes) == ["cat", "dog"] and "table" in [rival.key for rival in result.rivals]
    assert "Folders and a table tell different classes of the same images." in result.reading.doubts
    asked = judge("cat/1.jpg", "cat/2.jpg", "dog/3.jpg", "dog/4.jpg", tables=(table,), asked="table").reading
    assert list(asked.classes) == ["indoor", "outdoor"] and aside(asked) == ["l.csv", "dog/3.jpg", "dog/4.jpg"]


def test_a_table_wins_over_parts_and_over_folders_that_say_the_same() -> None:
    names = [f"part_{number % 2}/{number}.jpg" for number in range(6)]
    table = account("l.csv", *((name, "ant" if place < 3 else "bee") for place, name in enumerate(names)))
    assert read(*names, tables=(table,)).key == "table" and not read(*names, tables=(table,)).doubts
    same = account("l.csv", ("a/1.jpg", "ant"), ("a/2.jpg", "ant"), ("b/3.jpg", "bee"))
    result = read("a/1.jpg", "a/2.jpg", "b/3.jpg", tables=(same,))
    assert list(result.classes) == ["ant", "bee"] and not result.doubts


def test_a_table_labels_what_folders_leave_open() -> None:
    train = [f"train/{label}/images/{number}.jpg" for label in ("n1", "n2") for number in range(3)]
    table = account("val/val_annotations.txt", ("val/images/1.jpg", "n1"), ("val/images/2.jpg", "n2"))
    result = read(*train, "val/images/1.jpg", "val/images/2.jpg", tables=(table,))
    assert found(result)["val/images/2.jpg"] == ("n2", "val") and result.given_splits == ("train", "val")
    assert result.classes == {"n1": 4, "n2": 4} and not result.doubts


def test_splits_of_folders_hold_for_classes_of_a_table() -> None:
    names = [f"{split}_images/{number}.jpg" for split in ("train", "test") for number in range(4)]
    table = account("l.csv", *((name, "ant" if place % 2 else "bee") for place, name in enumerate(names)))
    assert [split for _, split in found(read(*names, tables=(table,))).values()] == ["train"] * 4 + ["test"] * 4


def test_a_table_that_names_none_of_the_files_is_not_obeyed_and_asked_about() -> None:
    missed = TableAccount(name="l.csv", rows=(), sentence="None of its files is here.", missed=True)
    result = read("ants/1.jpg", "bees/2.jpg", tables=(missed,))
    assert list(result.classes) == ["ants", "bees"]
    assert result.doubts == ("l.csv: None of its files is here.",)
    with pytest.raises(DatasetError, match="None of its files is here"):
        read("train/1.jpg", "test/2.jpg", tables=(missed,))
