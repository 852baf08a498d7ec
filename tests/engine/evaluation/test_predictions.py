"""A table of predictions survives its file exactly, whatever classes and files are called."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.evaluation.predictions import build, classes_of, numbered, read, with_groups, with_unreadable, write

HOSTILE = (
    *("NA", "01", "1.0", "True", "한국어", "null", "label", "=1+1", 'a,"b"'),
    *(" space ", "line\nbreak", "cr\rhere", "", "prob_x", "nan", "<b>"),
)


def one_image(probabilities: list[float], classes: list[str], label: str = "", split: str = "") -> pd.DataFrame:
    table = np.array([probabilities])
    return build(["a.jpg"], splits=[split], labels=[label], probabilities=table, classes=classes)


@pytest.fixture
def table() -> pd.DataFrame:
    """One row per hostile class, predicted in turn; every third truth is unknown, every fourth prediction wrong."""
    count = len(HOSTILE)
    logits = np.random.default_rng(0).normal(size=(count, count)) + 4 * np.eye(count)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = ["" if row % 3 == 0 else HOSTILE[(row + 1) % count if row % 4 == 0 else row] for row in range(count)]
    return build(
        [f"{name}/사진.jpg" for name in HOSTILE],
        splits=["val"] * count,
        labels=labels,
        probabilities=probabilities,
        classes=HOSTILE,
    )


def test_build_says_what_the_probabilities_say():
    probabilities = np.array([[0.7, 0.3], [0.2, 0.8], [0.1, 0.9]], dtype=np.float32)
    labels = ["cat", "cat", ""]
    table = build(list("abc"), splits=labels, labels=labels, probabilities=probabilities, classes=["cat", "dog"])
    table = numbered(table, [4, 7, 9])
    assert list(table["predict"]) == ["cat", "dog", "dog"]
    assert list(table["correct"]) == [True, False, None]
    assert list(table["image"]) == [4, 7, 9]
    assert table["confidence"].tolist() == pytest.approx([0.7, 0.8, 0.9])
    assert table["prob_cat"].tolist() == pytest.approx([0.7, 0.2, 0.1])
    assert list(table["error"]) == ["", "", ""]


def test_everything_survives_the_round_trip_bit_for_bit(tmp_path: Path, table: pd.DataFrame):
    write(tmp_path / "predictions.csv", table)
    again = read(tmp_path / "predictions.csv")
    pd.testing.assert_frame_equal(again, table, check_exact=True)
    assert classes_of(again) == HOSTILE
    assert {type(value) for value in again["correct"]} == {bool, type(None)}


def test_groups_are_a_column_only_where_there_are_any(tmp_path: Path, table: pd.DataFrame):
    assert with_groups(table, [""] * len(table)) is table
    grouped = with_groups(table, ["01", "NA"])
    write(tmp_path / "predictions.csv", grouped)
    pd.testing.assert_frame_equal(read(tmp_path / "predictions.csv"), grouped, check_exact=True)
    assert list(grouped["group"])[:3] == ["01", "NA", ""] and classes_of(grouped) == HOSTILE


def test_a_class_named_like_a_column_takes_nothing_from_it(tmp_path: Path):
    table = one_image([0.2, 0.5, 0.3], ["label", "predict", "error"], "label", "val")
    write(tmp_path / "predictions.csv", table)
    row = read(tmp_path / "predictions.csv").iloc[0]
    assert (row["label"], row["predict"], row["error"], row["prob_label"]) == ("label", "predict", "", 0.2)


def test_unreadable_inputs_have_rows_without_numbers(tmp_path: Path):
    table = one_image([0.4, 0.6], ["x", "y"])
    write(tmp_path / "predictions.csv", with_unreadable(table, [("b.gif", "Not an image.")]))
    again = read(tmp_path / "predictions.csv")
    assert list(again["file_dir"]) == ["a.jpg", "b.gif"]
    assert list(again["error"]) == ["", "Not an image."]
    assert list(again["predict"]) == ["y", ""]
    assert again["confidence"].isna().tolist() == [False, True]
    assert list(again["correct"]) == [None, None]
    assert with_unreadable(table, []) is table


def test_only_unreadable_inputs_and_none_at_all(tmp_path: Path):
    empty = build([], splits=[], labels=[], probabilities=np.zeros((0, 2)), classes=["x", "y"])
    write(tmp_path / "empty.csv", empty)
    again = read(tmp_path / "empty.csv")
    assert len(again) == 0 and classes_of(again) == ("x", "y")
    assert list(with_unreadable(empty, [("b.gif", "Not an image.")])["file_dir"]) == ["b.gif"]


def test_a_failed_write_leaves_the_former_file(tmp_path: Path, table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "predictions.csv"
    write(path, table)
    before = path.read_bytes()

    def half(_: pd.DataFrame, target: Path, **__: object) -> None:
        Path(target).write_text("image,file")
        raise OSError("no space left")

    monkeypatch.setattr(pd.DataFrame, "to_csv", half)
    with pytest.raises(OSError, match="no space"):
        write(path, table)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["predictions.csv"]
