"""Image browser: the images of a dataset by class and split, and each of them in large.

Not here: predictions of them, and adding images.
"""

import streamlit as st

from engine.data.dataset_records import SPLIT_NAMES, Dataset
from pages.ui.widgets.gallery import dataset_card, gallery, page_of
from pages.ui.widgets.large_image import dataset_image

PAGE_SIZE = 60


def image_browser(dataset: Dataset) -> None:
    left, right = st.columns(2)
    label = left.selectbox(
        "Class", range(-1, len(dataset.classes)), format_func=lambda i: dataset.classes[i] if i >= 0 else "All classes"
    )
    names = {"all": "All", **{split: name.capitalize() for split, name in SPLIT_NAMES.items()}}
    split = right.segmented_control("Split", names, format_func=names.__getitem__, default="all", required=True)
    shown = [image for image in dataset.images if label in (-1, image.label) and split in ("all", image.split)]
    if not shown:
        st.info("No image of this class is in this split.")
        return
    cards = [
        dataset_card(dataset, image, note=image.name.rpartition("/")[2])
        for image in shown[page_of(len(shown), PAGE_SIZE, key=f"page_{dataset.id}")]
    ]
    picked = gallery(cards, label=f"Images of {dataset.name}", key=f"gallery_{dataset.id}")
    if picked is not None:
        image_dialog(dataset, int(picked))


@st.dialog("Image", width="large")
def image_dialog(dataset: Dataset, index: int) -> None:
    dataset_image(dataset, dataset.images[index])
