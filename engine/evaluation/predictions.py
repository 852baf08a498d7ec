"""Predictions: one table of what a model says of images, with every probability, kept without loss as predictions.csv.

Columns: image (index in the dataset, -1 for others), file_dir (original name), split, label, predict, confidence,
correct (True, False or None), error, prob_<class>..., and group where images come in groups. Not here: result.csv for
people (results), scores (metrics).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from engine.workspace import atomic_path

PREFIX = "prob_"
_TEXT = ("file_dir", "split", "label", "predict", "error")
_COLUMNS = ("image", "file_dir", "split", "label", "predict", "confidence", "correct", "error")
_TRUTH = {"True": True, "False": False, "": None}


def build(
    names: Sequence[str],
    *,
    splits: Sequence[str],
    labels: Sequence[str],
    probabilities: np.ndarray,
    classes: Sequence[str],
) -> pd.DataFrame:
    """The table for probabilities [N, C]; a label is a class name, or "" when nobody knows."""
    probabilities = np.asarray(probabilities, dtype=np.float64).reshape(len(names), len(classes))
    best = probabilities.argmax(axis=1) if len(names) else np.zeros(0, dtype=np.int64)
    predicted = [classes[index] for index in best]
    columns: dict[str, object] = {
        "image": np.full(len(names), -1, dtype=np.int64),
        "file_dir": _objects(names),
        "split": _objects(splits),
        "label": _objects(labels),
        "predict": _objects(predicted),
        "confidence": probabilities[np.arange(len(names)), best],
        "correct": _objects(
            [None if label == "" else label == guess for label, guess in zip(labels, predicted, strict=True)]
        ),
        "error": _objects([""] * len(names)),
    }
    return pd.DataFrame(columns | {PREFIX + name: probabilities[:, index] for index, name in enumerate(classes)})


def numbered(table: pd.DataFrame, indices: Sequence[int]) -> pd.DataFrame:
    """The table with the indices of its images in their dataset, in the order of the rows."""
    return table.assign(image=np.asarray(indices, dtype=np.int64))


def with_groups(table: pd.DataFrame, groups: Sequence[str]) -> pd.DataFrame:
    """The table with the group of its first images, '' for none; as it is where there are no groups."""
    if not any(groups):
        return table
    return table.assign(group=_objects([*groups, *[""] * (len(table) - len(groups))]))


def with_unreadable(table: pd.DataFrame, failures: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """The table with one more row for each (name, reason) that could not be predicted."""
    if not failures:
        return table
    names, reasons = [name for name, _ in failures], [reason for _, reason in failures]
    classes, blank = classes_of(table), [""] * len(failures)
    rows = build(
        names, splits=blank, labels=blank, probabilities=np.full((len(failures), len(classes)), np.nan), classes=classes
    )
    rows = rows.assign(predict=_objects(blank), error=_objects(reasons))
    return pd.concat([table, rows], ignore_index=True) if len(table) else rows


def classes_of(table: pd.DataFrame) -> tuple[str, ...]:
    """The class names, in the order of the model's outputs."""
    return tuple(column.removeprefix(PREFIX) for column in table.columns if column.startswith(PREFIX))


def write(path: Path, table: pd.DataFrame) -> None:
    """Write predictions.csv so that `read` returns the same table, bit for bit."""
    with atomic_path(path) as temporary:
        # Only what is in the line terminator gets quoted, and names may hold a lone CR.
        table.to_csv(temporary, index=False, encoding="utf-8", errors="backslashreplace", lineterminator="\r\n")


def read(path: Path) -> pd.DataFrame:
    """The table in predictions.csv. Text stays text: a class called NA, 01 or True is not a number and not missing."""
    header = pd.read_csv(path, nrows=0, encoding="utf-8").columns
    numbers = [column for column in header if column == "confidence" or column.startswith(PREFIX)]
    text_columns = (*_TEXT, *({"group"} & {*header}))
    table = pd.read_csv(
        path,
        encoding="utf-8",
        dtype={
            **dict.fromkeys((*text_columns, "correct"), "str"),
            **dict.fromkeys(numbers, "float64"),
            "image": "int64",
        },
        keep_default_na=False,
        na_values={column: [""] for column in numbers},
    )
    text = {column: _objects(table[column]) for column in text_columns}
    return table.assign(correct=_objects([_TRUTH[word] for word in table["correct"]]), **text)[
        [*_COLUMNS, *header[len(_COLUMNS) :]]
    ]


def _objects(values: Sequence[object]) -> pd.Series:
    """A column of Python objects, whatever its length and content: pandas guesses otherwise."""
    return pd.Series(list(values), dtype=object)
