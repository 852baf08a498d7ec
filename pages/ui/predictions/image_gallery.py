"""Image gallery: the predicted images of one run or upload, and each in large with its probabilities and heat maps.

Not here: which of them (filters, predicted_images).
"""

from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st

from engine.jobs.heat_map_files import Subject
from pages.ui import addresses, text
from pages.ui.heat_maps import heat_maps, more_button
from pages.ui.predictions import embedding
from pages.ui.predictions.predicted_images import PredictedImage, predicted_images, top_classes
from pages.ui.widgets.bars import Bar, bars
from pages.ui.widgets.gallery import Card, gallery, page_of
from pages.ui.widgets.large_image import picture, position_among, previous_next

PAGE_SIZE = 60
_POSITION = "position"
"""In the session: which row of the table the open dialog shows."""


@dataclass(frozen=True, kw_only=True)
class ImageSource:
    """Where the images of a table are: in a dataset, or in the folder of new predictions."""

    run: str
    dataset: str = ""
    predictions: str = ""

    def thumbnail(self, image: PredictedImage) -> str:
        if self.predictions:
            return addresses.new_thumbnail(self.run, self.predictions, image.row)
        return addresses.thumbnail(self.dataset, image.image)

    def large(self, image: PredictedImage) -> str:
        """Of new images only a thumbnail is kept."""
        return self.thumbnail(image) if self.predictions else addresses.image(self.dataset, image.image)

    def subject(self, image: PredictedImage) -> Subject:
        return Subject(image=image.row if self.predictions else image.image, predictions=self.predictions)


def thumbnails(table: pd.DataFrame, source: ImageSource, *, key: str) -> None:
    """In pages; the picked image opens large, and the arrow keys go through the whole table."""
    if table.empty:
        st.info("No image fits these filters.", icon=":material/filter_alt_off:")
        return
    here = page_of(len(table), PAGE_SIZE, key=f"page_{key}")
    cards = [prediction_card(image, source.thumbnail(image)) for image in predicted_images(table.iloc[here])]
    picked = gallery(cards, label="Predicted images", key=f"gallery_{key}", side=140)
    if picked is not None:
        open_large(table, source, position=table.index.get_loc(int(picked)))


def open_large(table: pd.DataFrame, source: ImageSource, *, position: int = 0) -> None:
    st.session_state[_POSITION] = position
    _large(table, source)


def prediction_card(image: PredictedImage, thumbnail: str) -> Card:
    """What the image is, what the model says, and how sure it is."""
    sure = text.percent(image.confidence, 0)
    alt = f"{image.name}: predicted {image.guess} with {sure}"
    card = Card(id=str(image.row), src=thumbnail, title=image.guess, note=sure, alt=alt)
    if image.truth == image.guess:
        return replace(card, tone="good", title=f"✓ {image.guess}", alt=f"{alt}, which is right: {image.truth}")
    if image.truth:
        note, alt = f"{sure} · is {image.truth}", f"{alt}, but it is {image.truth}"
        return replace(card, tone="bad", title=f"✗ {image.guess}", note=note, alt=alt)
    return card


# A rerun of the page on closing ends what ticks in the dialog, which would go on behind it.
@st.dialog("Prediction", width="large", on_dismiss="rerun")
def _large(table: pd.DataFrame, source: ImageSource) -> None:
    position = position_among(len(table), key=_POSITION)
    (image,) = predicted_images(table.iloc[[position]])
    alt = f"{image.name}, predicted {image.guess}"
    with picture(source.large(image), source.thumbnail(image), alt=alt):
        _answer(image)
    previous_next(position, len(table), key=_POSITION)
    if not source.predictions:
        embedding.nearest_images(source.run, source.dataset, image.image)
    if more_button("the model looked at", key="heat_maps"):
        # The predicted class, and the true one where the model can name it.
        classes = [name for name in (image.guess, image.truth) if name in image.probabilities]
        heat_maps(source.run, source.subject(image), classes, key="large")


def _answer(image: PredictedImage) -> None:
    """What the model says, how probable the classes are, and the file name."""
    sentence = f"**{text.md(image.guess)}**, {text.percent(image.confidence)} sure"
    if image.truth == image.guess:
        sentence = f":green[:material/check_circle:] {sentence}, and right"
    elif image.truth:
        sentence = f":red[:material/cancel:] {sentence}, but it is **{text.md(image.truth)}**"
    st.markdown(f"{sentence}.")
    rows = [
        Bar(
            name=f"{name} (true)" if name == image.truth else name,
            values=(share,),
            says=text.percent(share),
            strong=name == image.guess,
        )
        for name, share in top_classes(image)
    ]
    bars(rows, label="Most probable classes", key="large_bars", most=1)
    st.text(image.name)
