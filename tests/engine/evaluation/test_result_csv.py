"""result.csv is complete, legible in Excel, and computes nothing."""

import csv
from pathlib import Path

import numpy as np
import pytest

from engine.evaluation.predictions import build, with_unreadable
from engine.evaluation.result_csv import read_result, safe_text, write_result

CLASSES = ["한국어", "=cmd|' /C calc'!A0", "NA", "01"]


@pytest.fixture
def result(tmp_path: Path) -> Path:
    names, labels = ["꽃/한.jpg", "@SUM(A1).jpg", "-1+2.jpg", "d.jpg"], ["한국어", "NA", "NA", ""]
    probabilities = np.full((4, 4), 0.1) + 0.6 * np.eye(4)
    table = build(names, splits=["val", "test"] * 2, labels=labels, probabilities=probabilities, classes=CLASSES)
    path = tmp_path / "result.csv"
    write_result(path, with_unreadable(table, [("+bad.gif", "=not an image")]), "run-0123456789")
    return path


def test_the_columns_are_in_the_order_that_is_promised(result: Path):
    leading = ["file_dir", "predict", "confidence", "label", "correct", "split"]
    assert list(read_result(result).columns) == [*leading, *(f"prob_{name}" for name in CLASSES), "run", "error"]


def test_excel_sees_a_byte_order_mark_and_one_row_per_input(result: Path):
    raw = result.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbffile_dir,predict,confidence,")
    assert raw.decode("utf-8-sig").count("\r\n") == 1 + 5
    assert "한국어" in raw.decode("utf-8-sig")


def test_no_cell_starts_like_a_formula(result: Path):
    with open(result, encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert [cell for row in rows for cell in row if cell[:1] in tuple("=+-@\t\r\n")] == []
    assert rows[2][:2] == ["'@SUM(A1).jpg", "'=cmd|' /C calc'!A0"]


def test_names_come_back_as_they_were(result: Path):
    table = read_result(result)
    assert list(table["file_dir"]) == ["꽃/한.jpg", "@SUM(A1).jpg", "-1+2.jpg", "d.jpg", "+bad.gif"]
    assert list(table["predict"]) == [*CLASSES, ""]
    assert list(table["label"]) == ["한국어", "NA", "NA", "", ""]
    assert list(table["correct"]) == ["True", "False", "True", "", ""]
    assert list(table["error"]) == ["", "", "", "", "=not an image"]
    assert set(table["run"]) == {"run-0123456789"}


def test_numbers_are_plain_numbers(result: Path):
    table = read_result(result)
    assert list(table["confidence"]) == ["0.700000"] * 4 + [""]
    assert list(table["prob_NA"]) == ["0.100000", "0.100000", "0.700000", "0.100000", ""]


FORMULAS = ["=1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "＝1", "＋1", "－1", "＠x", "'=1", "''=1"]
HARMLESS = ["", "a=1", "'quoted", "01", "한국어", "a-b", "'"]


@pytest.mark.parametrize("text", [*FORMULAS, *HARMLESS])
def test_formulas_are_disarmed_and_other_text_is_left_alone(text: str):
    assert safe_text(text) == (f"'{text}" if text in FORMULAS else text)
