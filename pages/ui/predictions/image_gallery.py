"""Look: the predicted images of one run or upload as a gallery, and each of them in large with its probabilities and
heat maps.

Not here: which of them (filters, shown).
"""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from engine.evaluation.predictions import PREFIX
from engine.jobs.heat_map_files import Subject
from pages.ui import text
from pages.ui.bars import Bar, bars
from pages.ui.gallery import gallery, page_of, picture
from pages.ui.heat_maps import attention
from pages.ui.predictions import embedding
from pages.ui.predictions.row_selection import card, top

PAGE_SIZE = 60


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the images of a table are: in a dataset, or in the folder of new predictions."""

    run: str
    dataset: str
    predictions: str | None = None

    def thumbnail(self, row: pd.Series, number: int) -> str:
        if self.predictions:
            return f"/api/predictions/{self.run}/{self.predictions}/{number}"
        return f"/api/thumbnails/{self.dataset}/{row['image']}"

    def subject(self, row: pd.Series, number: int) -> Subject:
        if self.predictions:
            return Subject(image=number, predictions=self.predictions)
        return Subject(image=int(row["image"]))

    def large(self, row: pd.Series, number: int) -> str:
        return self.thumbnail(row, number) if self.predictions else f"/api/images/{self.dataset}/{row['image']}"


def thumbnails(table: pd.DataFrame, source: Source, *, key: str) -> None:
    """A page of the gallery of `table`; the picked image opens large, and the arrow keys go through the whole table."""
    if table.empty:
        st.info("No image fits these filters.", icon=":material/filter_alt_off:")
        return
    here = page_of(len(table), PAGE_SIZE, key=f"page_{key}")
    cards = [card(row, number, source.thumbnail(row, number)) for number, row in table.iloc[here].iterrows()]
    picked = gallery(cards, label="Predicted images", key=f"gallery_{key}", side=140)
    if picked is not None:
        st.session_state["position"] = table.index.get_loc(int(picked))
        _large(table, source)


def open_(table: pd.DataFrame, source: Source) -> None:
    """The first row of `table` in large."""
    st.session_state["position"] = 0
    _large(table, source)


# A rerun of the page on closing ends what ticks in the dialog, which would go on behind it.
@st.dialog("Prediction", width="large", on_dismiss="rerun")
def _large(table: pd.DataFrame, source: Source) -> None:
    position = min(max(st.session_state["position"], 0), len(table) - 1)
    row, number = table.iloc[position], int(table.index[position])
    left, right = st.columns([3, 2], gap="medium")
    with left:
        alt = f"{row['file_dir']}, predicted {row['predict']}"
        picture(source.large(row, number), fallback=source.thumbnail(row, number), alt=alt, key="large_prediction")
    with right:
        st.markdown(_verdict(row))
        marks = {str(row["label"]): " (true)"} if row["label"] else {}
        rows = [
            Bar(
                name=name + marks.get(name, ""),
                values=(share,),
                says=text.percent(share),
                strong=name == row["predict"],
            )
            for name, share in top(row)
        ]
        bars(rows, label="Most probable classes", key="large_bars", most=1)
        st.text(str(row["file_dir"]))
    _steps(position, len(table))
    if not source.predictions:
        embedding.nearest(source.run, source.dataset, int(row["image"]))
    if _wants_attention():
        attention(source.run, source.subject(row, number), _classes(row), key="large")


def _wants_attention() -> bool:
    """Remembered from one image to the next and from one dialog to the next. A button, because a toggle keeps the arrow
    keys to itself."""
    wanted = bool(st.session_state.get("looks_closer"))
    label = "Hide what the model looked at" if wanted else "What the model looked at"
    st.button(
        label,
        icon=f":material/{'visibility_off' if wanted else 'visibility'}:",
        on_click=_look_closer,
        args=(not wanted,),
        key="attention",
    )
    return wanted


def _look_closer(wanted: bool) -> None:
    st.session_state["looks_closer"] = wanted


def _classes(row: pd.Series) -> list[str]:
    """The predicted class, and the true one where the model can name it and did not."""
    known = f"{PREFIX}{row['label']}" in row.index
    return [str(row["predict"]), *([str(row["label"])] if row["label"] and known else [])]


def _verdict(row: pd.Series) -> str:
    guess, sure = text.md(str(row["predict"])), text.percent(float(row["confidence"]))
    if not row["label"]:
        return f"**{guess}**, {sure} sure."
    if row["label"] == row["predict"]:
        return f":green[:material/check_circle:] **{guess}**, {sure} sure, and right."
    return f":red[:material/cancel:] **{guess}**, {sure} sure, but it is **{text.md(str(row['label']))}**."


def _steps(position: int, total: int) -> None:
    back, words, forward = st.columns([1, 2, 1], vertical_alignment="center")
    back.button(
        "Previous", on_click=_go, args=(position - 1,), disabled=position == 0, shortcut="Left", width="stretch"
    )
    words.caption(f"{position + 1:,} of {total:,}", text_alignment="center")
    forward.button(
        "Next", on_click=_go, args=(position + 1,), disabled=position + 1 == total, shortcut="Right", width="stretch"
    )


def _go(position: int) -> None:
    """To the place itself: a second click on a button that is not yet disabled then goes no further."""
    st.session_state["position"] = position
