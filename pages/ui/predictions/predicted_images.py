"""Predicted images: which rows of a table of predictions a gallery shows, in which order, and each row as a record.

Not here: widgets, and what a card says (image_gallery).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from engine.evaluation import predictions
from pages.ui.resources import kept_by_file, workspace

ORDERS = ("Most confident mistakes", "Least certain", "File name")
OUTCOMES = ("All", "Wrong", "Right")
prediction_table = kept_by_file(predictions.read)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What a person asked to see; empty and None ask for nothing in particular."""

    splits: tuple[str, ...] = ()
    truth: str | None = None
    guess: str | None = None
    outcome: str = "All"
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True, kw_only=True)
class PredictedImage:
    """A row: its number in the whole table, the index of its image in the dataset, and what is said of it."""

    row: int
    image: int
    name: str
    guess: str
    truth: str
    confidence: float
    probabilities: Mapping[str, float]


def run_table(run_id: str) -> pd.DataFrame:
    """The predictions of a run on its own dataset. Callers must not change them."""
    return prediction_table(workspace().run(run_id) / "predictions.csv")


def select(table: pd.DataFrame, wanted: Selection) -> pd.DataFrame:
    """The readable rows that were asked for; the index still counts the rows of the whole table."""
    keep = table["error"] == ""
    if wanted.splits:
        keep &= table["split"].isin(wanted.splits)
    for column, name in (("label", wanted.truth), ("predict", wanted.guess)):
        if name is not None:
            keep &= table[column] == name
    if wanted.outcome != "All":
        keep &= table["correct"].map(lambda correct: correct is (wanted.outcome == "Right"))
    # The slider speaks in whole percent, so a confidence of 0.995 belongs to 100.
    return table[keep & table["confidence"].between(wanted.low - 0.005, wanted.high + 0.005)]


def ordered(table: pd.DataFrame, order: str) -> pd.DataFrame:
    if order != "Most confident mistakes":
        return table.sort_values("file_dir" if order == "File name" else "confidence", kind="stable")
    table = table.sort_values("confidence", ascending=False, kind="stable")
    return table.sort_values(
        "correct", key=lambda correct: correct.map(lambda known: known is not False), kind="stable"
    )


def predicted_images(table: pd.DataFrame) -> list[PredictedImage]:
    classes = predictions.classes_of(table)
    return [
        PredictedImage(
            row=int(number),
            image=int(row["image"]),
            name=row["file_dir"],
            guess=row["predict"],
            truth=row["label"],
            confidence=row["confidence"],
            probabilities={name: row[predictions.PREFIX + name] for name in classes},
        )
        for number, row in zip(table.index, table.to_dict("records"), strict=True)
    ]


def top_classes(image: PredictedImage, limit: int = 5) -> list[tuple[str, float]]:
    """The most probable classes of an image, and the true one in any case."""
    best = sorted(image.probabilities.items(), key=lambda entry: -entry[1])
    return best[:limit] + [entry for entry in best[limit:] if entry[0] == image.truth]


def unreadable_files(table: pd.DataFrame) -> pd.DataFrame:
    failed = table[table["error"] != ""]
    return pd.DataFrame({"File": failed["file_dir"], "Why": failed["error"]})
