"""Image gallery: the predicted images of one run or upload, and each in large with its probabilities and heat maps.

Not here: which of them (filters, row_selection).
"""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from engine.evaluation.predictions import PREFIX
from engine.jobs.heat_map_files import Subject
from pages.ui import addresses, text
from pages.ui.bars import Bar, bars
from pages.ui.gallery import gallery, page_of
from pages.ui.heat_maps import heat_maps, more_button
from pages.ui.large_image import picture, position_among, previous_next
from pages.ui.predictions import embedding
from pages.ui.predictions.row_selection import prediction_card, top_classes

PAGE_SIZE = 60
_POSITION = "position"
"""In the session: which row of the table the open dialog shows."""


@dataclass(frozen=True, kw_only=True)
class ImageSource:
    """Where the images of a table are: in a dataset, or in the folder of new predictions."""

    run: str
    dataset: str
    predictions: str | None = None

    def thumbnail(self, row: pd.Series, number: int) -> str:
        if self.predictions:
            return addresses.new_thumbnail(self.run, self.predictions, number)
        return addresses.thumbnail(self.dataset, int(row["image"]))

    def large(self, row: pd.Series, number: int) -> str:
        """Of new images only a thumbnail is kept."""
        return self.thumbnail(row, number) if self.predictions else addresses.image(self.dataset, int(row["image"]))

    def subject(self, row: pd.Series, number: int) -> Subject:
        if self.predictions:
            return Subject(image=number, predictions=self.predictions)
        return Subject(image=int(row["image"]))


def thumbnails(table: pd.DataFrame, source: ImageSource, *, key: str) -> None:
    """A page of the gallery of `table`; the picked image opens large, and the arrow keys go through the whole table."""
    if table.empty:
        st.info("No image fits these filters.", icon=":material/filter_alt_off:")
        return
    here = page_of(len(table), PAGE_SIZE, key=f"page_{key}")
    cards = [prediction_card(row, number, source.thumbnail(row, number)) for number, row in table.iloc[here].iterrows()]
    picked = gallery(cards, label="Predicted images", key=f"gallery_{key}", side=140)
    if picked is not None:
        st.session_state[_POSITION] = table.index.get_loc(int(picked))
        _large(table, source)


def open_first(table: pd.DataFrame, source: ImageSource) -> None:
    """The first row of `table` in large."""
    st.session_state[_POSITION] = 0
    _large(table, source)


# A rerun of the page on closing ends what ticks in the dialog, which would go on behind it.
@st.dialog("Prediction", width="large", on_dismiss="rerun")
def _large(table: pd.DataFrame, source: ImageSource) -> None:
    position = position_among(len(table), key=_POSITION)
    row, number = table.iloc[position], int(table.index[position])
    left, right = st.columns([3, 2], gap="medium")
    with left:
        alt = f"{row['file_dir']}, predicted {row['predict']}"
        picture(source.large(row, number), fallback=source.thumbnail(row, number), alt=alt, key="large_prediction")
    with right:
        _answer(row)
    previous_next(position, len(table), key=_POSITION)
    if not source.predictions:
        embedding.nearest_images(source.run, source.dataset, int(row["image"]))
    if more_button("What the model looked at", "Hide what the model looked at", key="heat_maps"):
        heat_maps(source.run, source.subject(row, number), _classes(row), key="large")


def _answer(row: pd.Series) -> None:
    """What the model says, how probable the classes are, and the file name."""
    st.markdown(_sentence(row))
    marks = {str(row["label"]): " (true)"} if row["label"] else {}
    rows = [
        Bar(name=name + marks.get(name, ""), values=(share,), says=text.percent(share), strong=name == row["predict"])
        for name, share in top_classes(row)
    ]
    bars(rows, label="Most probable classes", key="large_bars", most=1)
    st.text(str(row["file_dir"]))


def _classes(row: pd.Series) -> list[str]:
    """The predicted class, and the true one where the model can name it and did not."""
    known = f"{PREFIX}{row['label']}" in row.index
    return [str(row["predict"]), *([str(row["label"])] if row["label"] and known else [])]


def _sentence(row: pd.Series) -> str:
    guess, sure = text.md(str(row["predict"])), text.percent(float(row["confidence"]))
    if not row["label"]:
        return f"**{guess}**, {sure} sure."
    if row["label"] == row["predict"]:
        return f":green[:material/check_circle:] **{guess}**, {sure} sure, and right."
    return f":red[:material/cancel:] **{guess}**, {sure} sure, but it is **{text.md(str(row['label']))}**."
