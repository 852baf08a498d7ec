"""Image map: all images as points, close together where the model sees likeness; a point, or a name that is typed,
opens its image.

Not here: the coordinates (engine), and the view of a predicted image (image_gallery).
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from engine.data.dataset_records import SPLIT_NAMES, Dataset, Image
from engine.jobs import embedding_files
from engine.jobs.embedding_files import Embedded
from engine.store.run import Run
from pages.ui import addresses, palette, text
from pages.ui.gallery import Card, gallery
from pages.ui.large_image import dataset_picture
from pages.ui.predictions import embedding, image_gallery, row_selection
from pages.ui.predictions.image_gallery import ImageSource
from pages.ui.resources import workspace

MOST_POINTS = 6000
COLOURED = 10
FOUND = 12
_MARKS = {"right": "circle", "wrong": "x", "not predicted": "circle-open"}


def image_map(run: Run, made: Embedded, dataset: Dataset) -> None:
    """The map, and the way to its images without a mouse."""
    path = workspace().run(run.id) / "predictions.csv"
    table, places = row_selection.prediction_table(path), drawn_images(len(dataset.images))
    changed = (
        str(path),
        path.stat().st_mtime_ns,
        embedding_files.stamp(workspace(), run.id),
        dataset.id,
        st.context.theme.type or "light",
    )
    key = f"map_{run.id}"
    st.plotly_chart(
        _kept_figure(made, dataset, table, changed),
        key=key,
        on_select=partial(_clicked, key),
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"Map of {text.count(len(places), 'image')}; type part of a file name below to open one without the map.",
    )
    one, two = (text.percent(share, 0) for share in made.facts.explained)
    drawn = (
        "" if len(places) == len(dataset.images) else f" {len(places):,} of {len(dataset.images):,} images are drawn."
    )
    st.caption(
        f"Principal components of the features: across {one} of what varies, up {two}. Click a point to open its "
        f"image.{drawn}"
    )
    if st.session_state.pop(f"{key}_wanted", False):
        _open(st.session_state[f"{key}_image"], run, dataset, table)
    _by_name(run, dataset, table)


def _clicked(key: str) -> None:
    """A click on the point that was clicked before takes plotly's selection away: it means the same image again."""
    picked = st.session_state[key]["selection"]["points"]
    if picked:
        st.session_state[f"{key}_image"] = int(np.ravel(picked[0]["customdata"])[0])
    st.session_state[f"{key}_wanted"] = f"{key}_image" in st.session_state


def drawn_images(images: int) -> np.ndarray:
    """The images that are drawn: all, or as many as a browser moves with ease, evenly over the dataset."""
    return np.unique(np.linspace(0, images - 1, min(images, MOST_POINTS)).astype(np.int64))


@st.cache_resource(show_spinner=False, max_entries=4)
def _kept_figure(
    _made: Embedded, _dataset: Dataset, _table: pd.DataFrame, changed: tuple[str, int, int, str, str]
) -> go.Figure:
    """`figure` of all points, kept as long as nothing of `changed` does: the files, the dataset and the theme. Not to
    be changed."""
    return map_figure(_made, _dataset, drawn_images(len(_dataset.images)), outcomes(_table, len(_dataset.images)))


def outcomes(table: pd.DataFrame, images: int) -> list[str]:
    """right, wrong or not predicted, for every image."""
    said = ["not predicted"] * images
    for image, correct in zip(table["image"], table["correct"], strict=True):
        if 0 <= image < images and correct is not None:
            said[image] = "right" if correct else "wrong"
    return said


def map_figure(
    made: Embedded, dataset: Dataset, places: Sequence[int] | np.ndarray, outcome: Sequence[str]
) -> go.Figure:
    """Points coloured by true class, marked by whether the run is right; customdata is the image. Classes beyond
    COLOURED are grey."""
    drawn = go.Figure()
    for coloured, word, mine in _groups(dataset, np.asarray(places), outcome):
        drawn.add_scattergl(**_points(made, dataset, mine, _colour(coloured), word))
    drawn.update_xaxes(showticklabels=False, showgrid=False, zeroline=False, title="")
    drawn.update_yaxes(showticklabels=False, showgrid=False, zeroline=False, title="")
    for label, name in enumerate(dataset.classes[:COLOURED]):
        drawn.add_scatter(**_legend_entry(text.plotly(text.short(name, 24)), _colour(label), "square"))
    if (rest := len(dataset.classes) - COLOURED) > 0:
        drawn.add_scatter(**_legend_entry(text.count(rest, "other class"), _colour(COLOURED), "square"))
    for word in sorted(set(outcome), key=list(_MARKS).index):
        drawn.add_scatter(**_legend_entry(word, palette.muted(), _MARKS[word]))
    legend = {"orientation": "h", "y": -0.02, "yanchor": "top", "x": 0, "title": {"text": ""}}
    drawn.update_layout(
        height=560, margin={"l": 0, "r": 0, "t": 8, "b": 0}, legend=legend, dragmode="pan", clickmode="event+select"
    )
    return drawn


def _groups(dataset: Dataset, places: np.ndarray, outcome: Sequence[str]) -> list[tuple[int, str, np.ndarray]]:
    """(class, or COLOURED for all the others; outcome; images) in that order, without empty ones."""
    words = list(_MARKS)
    labels = np.minimum([image.label for image in dataset.images], COLOURED)
    groups = labels[places] * len(words) + np.array([words.index(word) for word in outcome])[places]
    known, starts = np.unique(np.sort(groups), return_index=True)
    parts = np.split(places[np.argsort(groups, kind="stable")], starts[1:])
    return [
        (int(group) // len(words), words[group % len(words)], part) for group, part in zip(known, parts, strict=True)
    ]


def _colour(label: int) -> str:
    return palette.categorical()[label] if label < COLOURED else palette.muted()


def _points(made: Embedded, dataset: Dataset, mine: np.ndarray, colour: str, word: str) -> dict[str, object]:
    """The images of one colour with one outcome. Names are text for plotly, not markup."""
    at, wrong = made.coordinates[mine], word == "wrong"
    titles = [text.plotly(text.short(name, 40)) for name in dataset.classes]
    images = [dataset.images[place] for place in mine]
    return {
        "x": at[:, 0],
        "y": at[:, 1],
        "mode": "markers",
        "marker": {
            "color": colour,
            "symbol": _MARKS[word],
            "size": 10 if wrong else 7,
            "opacity": 1 if wrong else 0.75,
        },
        "customdata": [int(place) for place in mine],
        "hovertext": [
            f"<b>{titles[image.label]}</b>, {word}<br>{text.plotly(text.short(image.name, 48))}" for image in images
        ],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "unselected": {"marker": {"opacity": 0.75}},
        "showlegend": False,
    }


def _legend_entry(name: str, colour: str, mark: str) -> dict[str, object]:
    """An entry of the legend, which stands for no point."""
    return {
        "x": [None],
        "y": [None],
        "mode": "markers",
        "name": name,
        "marker": {"color": colour, "symbol": mark, "size": 9},
    }


def _by_name(run: Run, dataset: Dataset, table: pd.DataFrame) -> None:
    """Images by a part of their name, as buttons that a keyboard reaches."""
    asked = st.text_input(
        "Open an image by name", placeholder="part of a file name", key=f"named_{run.id}", max_chars=120
    )
    if not asked.strip():
        return
    hits = [image for image in dataset.images if asked.strip().casefold() in image.name.casefold()]
    if not hits:
        st.info("No image of this dataset has that in its name.", icon=":material/search_off:")
        return
    st.caption(f"{text.count(len(hits), 'image')}" + (f"; the first {FOUND} are shown." if len(hits) > FOUND else "."))
    picked = gallery(
        [_card(image, dataset) for image in hits[:FOUND]], label="Images with this name", key=f"hits_{run.id}", side=120
    )
    if picked is not None:
        _open(int(picked), run, dataset, table)


def _card(image: Image, dataset: Dataset) -> Card:
    name = dataset.classes[image.label]
    return Card(
        id=str(image.index),
        src=addresses.thumbnail(dataset.id, image.index),
        title=name,
        note=image.name,
        alt=f"{image.name}: {name}",
    )


def _open(image: int, run: Run, dataset: Dataset, table: pd.DataFrame) -> None:
    """The prediction of the image in large, or just the image where there is none."""
    rows = table[(table["image"] == image) & (table["error"] == "")]
    if len(rows):
        image_gallery.open_first(rows, ImageSource(run=run.id, dataset=dataset.id))
    else:
        _image_dialog(dataset.images[image], run.id, dataset)


@st.dialog("Image", width="large")
def _image_dialog(image: Image, run_id: str, dataset: Dataset) -> None:
    left, right = st.columns([3, 2], gap="medium")
    with left:
        dataset_picture(dataset.id, image.index, alt=image.name, key="large_image")
    with right:
        st.markdown(f"**{text.md(dataset.classes[image.label])}**, a {SPLIT_NAMES[image.split]} image.")
        st.text(image.name)
    embedding.nearest_images(run_id, dataset.id, image.index)
