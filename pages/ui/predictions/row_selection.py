"""Row selection: which rows of a table of predictions a gallery shows, in which order, and what each thumbnail says.

Plain functions of a table; widgets belong to the page.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from engine.evaluation import predictions
from pages.ui import text
from pages.ui.gallery import Card
from pages.ui.resources import workspace

ORDERS = ("Most confident mistakes", "Least certain", "File name")
OUTCOMES = ("All", "Wrong", "Right")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What a person asked to see; empty and None ask for nothing in particular."""

    splits: tuple[str, ...] = ()
    truth: str | None = None
    guess: str | None = None
    outcome: str = "All"
    low: float = 0.0
    high: float = 1.0


def prediction_table(path: Path) -> pd.DataFrame:
    """The table in `path`, kept until the file changes. Callers must not change it."""
    return _read(str(path), path.stat().st_mtime_ns)


def run_table(run_id: str) -> pd.DataFrame:
    """The predictions of a run on its own dataset, kept in the same way."""
    return prediction_table(workspace().run(run_id) / "predictions.csv")


def select(table: pd.DataFrame, wanted: Selection) -> pd.DataFrame:
    """The readable rows that were asked for; the index still counts the rows of the whole table."""
    keep = table["error"] == ""
    if wanted.splits:
        keep &= table["split"].isin(wanted.splits)
    if wanted.truth is not None:
        keep &= table["label"] == wanted.truth
    if wanted.guess is not None:
        keep &= table["predict"] == wanted.guess
    if wanted.outcome != "All":
        keep &= table["correct"].map(lambda known: known is (wanted.outcome == "Right"))
    # The slider speaks in whole percent, so a confidence of 0.995 belongs to 100.
    return table[keep & table["confidence"].between(wanted.low - 0.005, wanted.high + 0.005)]


def ordered(table: pd.DataFrame, order: str) -> pd.DataFrame:
    if order == "File name":
        return table.sort_values("file_dir", kind="stable")
    if order == "Least certain":
        return table.sort_values("confidence", kind="stable")
    mistakes = table["correct"].map(lambda known: known is False)
    return (
        table.assign(_mistake=mistakes)
        .sort_values(["_mistake", "confidence"], ascending=False, kind="stable")
        .drop(columns="_mistake")
    )


def prediction_card(row: pd.Series, number: int, thumbnail: str) -> Card:
    """The thumbnail of one row: what it is, what the model says, and how sure it is."""
    sure = text.percent(float(row["confidence"]), 0)
    guess, truth = str(row["predict"]), str(row["label"])
    if truth and truth != guess:
        return Card(
            id=str(number),
            src=thumbnail,
            tone="bad",
            title=f"✗ {guess}",
            note=f"{sure} · is {truth}",
            alt=f"{row['file_dir']}: predicted {guess} with {sure}, but it is {truth}",
        )
    right = f", which is right: {truth}" if truth else ""
    return Card(
        id=str(number),
        src=thumbnail,
        tone="good" if truth else "plain",
        title=f"✓ {guess}" if truth else guess,
        note=sure,
        alt=f"{row['file_dir']}: predicted {guess} with {sure}{right}",
    )


def top_classes(row: pd.Series, limit: int = 5) -> list[tuple[str, float]]:
    """The most probable classes of a row, and the true one in any case."""
    shares = {name: float(row[predictions.PREFIX + name]) for name in predictions.classes_of(row.to_frame().T)}
    best = sorted(shares, key=lambda name: -shares[name])
    chosen = best[:limit]
    if row["label"] in shares and row["label"] not in chosen:
        chosen.append(str(row["label"]))
    return [(name, shares[name]) for name in chosen]


def unreadable_files(table: pd.DataFrame) -> pd.DataFrame:
    failed = table[table["error"] != ""]
    return pd.DataFrame({"File": failed["file_dir"], "Why": failed["error"]})


@st.cache_data(show_spinner=False, max_entries=16)
def _read(path: str, modified_ns: int) -> pd.DataFrame:
    return predictions.read(Path(path))
