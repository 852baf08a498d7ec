"""Image map: all images as points, close together where the model sees likeness; a point, or a name that is typed,
opens its image.

Not here: the coordinates (engine), and the view of a predicted image (image_gallery).
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import cycle, islice

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from engine.data.dataset_records import Dataset, Image
from engine.jobs import embedding_files
from engine.jobs.embedding_files import Embedded
from engine.store.run_record import Run
from pages.ui import text
from pages.ui.figures import palette
from pages.ui.predictions.embedding import nearest_images
from pages.ui.predictions.image_gallery import ImageSource, open_large
from pages.ui.predictions.predicted_images import run_table
from pages.ui.resources import workspace
from pages.ui.widgets.gallery import dataset_card, gallery
from pages.ui.widgets.large_image import dataset_image

MOST_POINTS = 6000
COLOURED = 10
FOUND = 12
_MARKS = {"right": "circle", "wrong": "x", "not predicted": "circle-open"}


def image_map(run: Run, embedding: Embedded, dataset: Dataset) -> None:
    table, key = run_table(run.id), f"map_{run.id}"
    path = workspace().run(run.id) / "predictions.csv"
    changes = (str(path), path.stat().st_mtime_ns, embedding_files.stamp(workspace(), run.id), dataset.id)
    images, drawn = len(dataset.images), len(drawn_images(len(dataset.images)))
    st.plotly_chart(
        _kept_figure(embedding, dataset, table, changes=(*changes, st.context.theme.type or "light")),
        key=key,
        on_select=partial(_clicked, key),
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"Map of {text.count(drawn, 'image')}; type part of a file name below to open one without the map.",
    )
    across, up = (text.percent(share, 0) for share in embedding.facts.explained)
    some = "" if drawn == images else f" {drawn:,} of {images:,} images are drawn."
    st.caption(
        f"Principal components of the features: across {across} of what varies, up {up}. Click a point to open its "
        f"image.{some}"
    )
    if st.session_state.pop(f"{key}_wanted", False):
        _open(st.session_state[f"{key}_image"], run, dataset=dataset, table=table)
    _by_name(run, dataset, table)


def _clicked(key: str) -> None:
    """A second click on a point takes plotly's selection away: it means the same image again."""
    picked = st.session_state[key]["selection"]["points"]
    if picked:
        st.session_state[f"{key}_image"] = int(np.ravel(picked[0]["customdata"])[0])
    st.session_state[f"{key}_wanted"] = f"{key}_image" in st.session_state


def drawn_images(images: int) -> np.ndarray:
    """All, or as many as a browser moves with ease, evenly over the dataset."""
    return np.unique(np.linspace(0, images - 1, min(images, MOST_POINTS)).astype(np.int64))


@st.cache_resource(show_spinner=False, max_entries=4)
def _kept_figure(
    _embedding: Embedded, _dataset: Dataset, _table: pd.DataFrame, *, changes: tuple[str, int, int, str, str]
) -> go.Figure:
    """Of all points, kept as long as `changes` stay: of the files, the dataset and the theme. Not to be changed."""
    return map_figure(_embedding, _dataset, outcomes(_table, len(_dataset.images)))


def outcomes(table: pd.DataFrame, images: int) -> list[str]:
    """right, wrong or not predicted, for every image."""
    words = {True: "right", False: "wrong", None: "not predicted"}
    correct = dict(zip(table["image"], table["correct"], strict=True))
    return [words[correct.get(image)] for image in range(images)]


def map_figure(embedding: Embedded, dataset: Dataset, outcome: Sequence[str]) -> go.Figure:
    """Points coloured by true class, marked by whether the run is right; customdata is the image. Classes beyond
    COLOURED are grey."""
    figure, places = go.Figure(), drawn_images(len(dataset.images))
    colours = (*islice(cycle(palette.categorical()), COLOURED), palette.muted())
    marks = pd.Categorical([outcome[place] for place in places], categories=list(_MARKS))
    labels = [min(dataset.images[place].label, COLOURED) for place in places]
    for (label, word), group in pd.Series(places).groupby([labels, marks], observed=True):
        figure.add_scattergl(**_points(embedding, dataset, group.to_numpy(), colour=colours[label], outcome=str(word)))
    entries = [
        (text.plotly(text.short(name, 24)), colour, "square")
        for name, colour in zip(dataset.classes[:COLOURED], colours, strict=False)
    ]
    if (rest := len(dataset.classes) - COLOURED) > 0:
        entries.append((text.count(rest, "other class"), palette.muted(), "square"))
    entries += [(word, palette.muted(), mark) for word, mark in _MARKS.items() if word in outcome]
    for name, colour, mark in entries:  # they stand for no point
        marker = {"color": colour, "symbol": mark, "size": 9}
        figure.add_scatter(x=[None], y=[None], mode="markers", name=name, marker=marker)
    axis = {"showticklabels": False, "showgrid": False, "zeroline": False, "title": ""}
    figure.update_layout(xaxis=axis, yaxis=axis, height=560, margin={"l": 0, "r": 0, "t": 8, "b": 0})
    legend = {"orientation": "h", "y": -0.02, "yanchor": "top", "x": 0, "title": {"text": ""}}
    return figure.update_layout(legend=legend, dragmode="pan", clickmode="event+select")


def _points(
    embedding: Embedded, dataset: Dataset, places: np.ndarray, *, colour: str, outcome: str
) -> Mapping[str, object]:
    """The images of one colour with one outcome. Names are text for plotly, not markup."""
    size, opacity = (10, 1) if outcome == "wrong" else (7, 0.75)
    images = [dataset.images[place] for place in places]
    titles = [text.plotly(text.short(name, 40)) for name in dataset.classes]
    return {
        "x": embedding.coordinates[places, 0],
        "y": embedding.coordinates[places, 1],
        "mode": "markers",
        "marker": {"color": colour, "symbol": _MARKS[outcome], "size": size, "opacity": opacity},
        "customdata": places.tolist(),
        "hovertext": [
            f"<b>{titles[image.label]}</b>, {outcome}<br>{text.plotly(text.short(image.name, 48))}" for image in images
        ],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "unselected": {"marker": {"opacity": 0.75}},
        "showlegend": False,
    }


def _by_name(run: Run, dataset: Dataset, table: pd.DataFrame) -> None:
    """Images by a part of their name, as buttons that a keyboard reaches."""
    label, example = "Open an image by name", "part of a file name"
    part = st.text_input(label, placeholder=example, key=f"named_{run.id}", max_chars=120).strip().casefold()
    if not part:
        return
    hits = [image for image in dataset.images if part in image.name.casefold()]
    if not hits:
        st.info("No image of this dataset has that in its name.", icon=":material/search_off:")
        return
    st.caption(text.count(len(hits), "image") + (f"; the first {FOUND} are shown." if len(hits) > FOUND else "."))
    cards = [dataset_card(dataset, image, note=image.name) for image in hits[:FOUND]]
    picked = gallery(cards, label="Images with this name", key=f"hits_{run.id}", side=120)
    if picked is not None:
        _open(int(picked), run, dataset=dataset, table=table)


def _open(index: int, run: Run, *, dataset: Dataset, table: pd.DataFrame) -> None:
    """The prediction of the image in large, or just the image where there is none."""
    rows = table[(table["image"] == index) & (table["error"] == "")]
    if len(rows):
        open_large(rows, ImageSource(run=run.id, dataset=dataset.id))
    else:
        _image_dialog(run.id, dataset, dataset.images[index])


@st.dialog("Image", width="large")
def _image_dialog(run_id: str, dataset: Dataset, image: Image) -> None:
    dataset_image(dataset, image)
    nearest_images(run_id, dataset.id, image.index)
