"""Image browser: the images of a dataset by class and split, and each of them in large.

Not here: predictions of them, and adding images.
"""

import streamlit as st

from engine.data.dataset_records import SPLIT_NAMES, SPLITS, Dataset
from pages.ui import text
from pages.ui.gallery import dataset_card, gallery, page_of
from pages.ui.large_image import dataset_picture

PAGE_SIZE = 60


def image_browser(dataset: Dataset) -> None:
    """The images by class and split, from thumbnails."""
    columns = st.columns([2, 2])
    wanted = columns[0].selectbox(
        "Class", range(-1, len(dataset.classes)), format_func=lambda i: dataset.classes[i] if i >= 0 else "All classes"
    )
    split = columns[1].segmented_control(
        "Split",
        ["all", *SPLITS],
        format_func=lambda s: SPLIT_NAMES.get(s, "all").capitalize(),
        default="all",
        required=True,
    )
    shown = [image for image in dataset.images if wanted in (-1, image.label) and split in ("all", image.split)]
    if not shown:
        st.info("No image of this class is in this split.")
        return
    cards = [
        dataset_card(dataset, image, note=image.name.rpartition("/")[2], alt=_alt(dataset, image.index))
        for image in shown[page_of(len(shown), PAGE_SIZE, key=f"page_{dataset.id}")]
    ]
    picked = gallery(cards, label=f"Images of {dataset.name}", key=f"gallery_{dataset.id}")
    if picked is not None:
        image_dialog(dataset, int(picked))


@st.dialog("Image", width="large")
def image_dialog(dataset: Dataset, index: int) -> None:
    """One image in large, with what it is."""
    image = dataset.images[index]
    dataset_picture(dataset.id, index, alt=_alt(dataset, index), key="large_image")
    st.markdown(
        f"**{text.md(dataset.classes[image.label])}** · {SPLIT_NAMES[image.split].capitalize()} · "
        f"{image.width} × {image.height} pixels"
    )
    st.text(image.name)


def _alt(dataset: Dataset, index: int) -> str:
    image = dataset.images[index]
    return f"{dataset.classes[image.label]}, {image.name}, {SPLIT_NAMES[image.split]}"
