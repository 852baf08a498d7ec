from pathlib import Path

import pytest

from engine.data.layout import Layout, recognise
from engine.data.tables.table_records import MatchedRow, TableAccount
from engine.data.zips import StagedFile


def layout(*names: str, tables: tuple[TableAccount, ...] = ()) -> Layout:
    return recognise([StagedFile(path=Path("x"), name=name) for name in names], tables)


def found(result: Layout) -> dict[str, tuple[str, str | None]]:
    return {entry.file.name: (entry.label, entry.given) for entry in result.entries}


def account(name: str, *labels: tuple[str, str]) -> TableAccount:
    rows = tuple(MatchedRow(file=StagedFile(path=Path("x"), name=file), label=label) for file, label in labels)
    return TableAccount(name=name, rows=rows, sentence="It says so.")


@pytest.mark.parametrize("wrapper", ["", "data/", "my/data/"])
def test_class_folders_with_and_without_wrapping(wrapper: str) -> None:
    names = ("ants/1.jpg", "ants/deep/er/2.jpg", "bees/1.jpg")
    labels = {wrapper + name: (name[:4], None) for name in names}
    assert found(layout(*labels)) == labels


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [("train", "val", "test"), ("Training", "VALID", "testing"), ("train", "validation", "test")],
)
def test_split_folders_are_respected(train: str, val: str, test: str) -> None:
    result = layout(f"d/{train}/ants/sub/x.jpg", f"d/{train}/bees/x.jpg", f"d/{val}/ants/x.jpg", f"d/{test}/bees/x.jpg")
    assert list(found(result).values()) == [("ants", "train"), ("bees", "train"), ("ants", "val"), ("bees", "test")]
    assert result.given_splits == ("train", "val", "test")


def test_a_missing_split_is_said_to_be_carved() -> None:
    result = layout("train/ants/1.jpg", "train/bees/1.jpg", "val/ants/2.jpg")
    assert result.given_splits == ("train", "val")
    assert "test taken out of train" in result.sentence


def test_a_lone_train_folder_prescribes_nothing() -> None:
    result = layout("set/train/ants/1.jpg", "set/train/bees/1.jpg")
    assert found(result) == {"set/train/ants/1.jpg": ("ants", None), "set/train/bees/1.jpg": ("bees", None)}


def test_splits_inside_class_folders() -> None:
    result = layout("ants/train/1.jpg", "ants/val/2.jpg", "bees/train/1.jpg")
    assert list(found(result).values()) == [("ants", "train"), ("ants", "val"), ("bees", "train")]


def test_val_and_test_without_train_are_joined() -> None:
    result = layout("val/ants/1.jpg", "test/bees/1.jpg")
    assert list(found(result).values()) == [("ants", None), ("bees", None)]
    assert result.given_splits == () and "without train" in result.sentence


def test_a_class_called_train_is_a_class() -> None:
    assert {entry.label for entry in layout("train/1.jpg", "bus/1.jpg", "car/1.jpg").entries} == {"train", "bus", "car"}


def test_strays_are_named_and_do_not_disturb() -> None:
    result = layout("cover.jpg", "d/ants/1.jpg", "d/bees/1.jpg", "d/bees/2.jpg", "d/note.jpg")
    assert {entry.label for entry in result.entries} == {"ants", "bees"}
    assert [problem.name for problem in result.problems] == ["cover.jpg", "d/note.jpg"]


def test_other_folders_beside_splits_are_problems() -> None:
    result = layout("train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "docs/logo.jpg", "train/loose.jpg")
    assert [problem.name for problem in result.problems] == ["docs/logo.jpg", "train/loose.jpg"]


def test_a_table_wins_over_folders() -> None:
    result = layout("a/1.jpg", "a/2.jpg", "b/3.jpg", tables=(account("l.csv", ("a/1.jpg", "ant"), ("a/2.jpg", "bee")),))
    assert found(result) == {"a/1.jpg": ("ant", None), "a/2.jpg": ("bee", None)}
    assert [problem.name for problem in result.problems] == ["b/3.jpg"]


def test_a_table_that_names_none_of_the_files_is_not_obeyed_and_not_forgotten() -> None:
    result = layout("ants/1.jpg", "bees/2.jpg", tables=(account("l.csv"),))
    assert {entry.label for entry in result.entries} == {"ants", "bees"}
    assert [(problem.name, problem.reason, problem.kind) for problem in result.problems] == [
        ("l.csv", "It says so.", "note")
    ]
