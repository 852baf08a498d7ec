"""The map of all images: every point knows its image, classes can be told apart, and names open images too."""

import os
from dataclasses import replace

import pytest

from engine.data.dataset_records import Dataset
from engine.jobs.embedding_files import Embedded
from engine.store.run_record import Run
from engine.workspace import Workspace
from pages.ui.figures import palette
from pages.ui.predictions import image_map
from pages.ui.predictions.predicted_images import run_table
from tests.pages.prepared import cards, drawn, predictions_view


def test_every_image_is_a_point_that_knows_its_image_and_outcome(run: Run, dataset: Dataset, kept: Embedded) -> None:
    table, images = run_table(run.id), len(dataset.images)
    outcome = image_map.outcomes(table, images)
    assert outcome.count("wrong") == int((table["label"] != table["predict"]).sum())
    clouds = [trace for trace in image_map.map_figure(kept, dataset, outcome).data if trace.customdata is not None]
    assert sorted(int(image) for cloud in clouds for image in cloud.customdata) == list(range(images))
    assert {cloud.marker.symbol for cloud in clouds} == {"circle", "x", "circle-open"}
    assert len(image_map.drawn_images(20_000)) == image_map.MOST_POINTS


def test_no_two_classes_look_the_same_unless_it_is_said_and_names_are_text(dataset: Dataset, kept: Embedded) -> None:
    images = tuple(replace(image, label=number % 13) for number, image in enumerate(dataset.images))
    classes = ("<b>class 0", *(f"class {number}" for number in range(1, 13)))
    figure = image_map.map_figure(kept, replace(dataset, images=images, classes=classes), ["right"] * len(images))
    clouds = [trace for trace in figure.data if trace.customdata is not None]
    coloured = {int(image): cloud.marker.color for cloud in clouds for image in cloud.customdata}
    by_class = [{coloured[image.index] for image in images if image.label == label} for label in range(13)]
    assert len({colour for colours in by_class[:10] for colour in colours}) == 10
    assert by_class[10:] == [{palette.muted()}] * 3
    legend = {trace.name: trace.marker.color for trace in figure.data if trace.showlegend is not False}
    assert legend["3 other classes"] == palette.muted() and "class 9" in legend and "class 10" not in legend
    words = [*legend, *(word for cloud in clouds for word in cloud.hovertext)]
    assert any("class 12" in word for word in words)
    assert any("&lt;b&gt;class 0" in word for word in words) and not any("<b>class 0" in word for word in words)


def test_the_map_is_drawn_anew_only_when_something_has_changed(
    workspace: Workspace, run: Run, monkeypatch: pytest.MonkeyPatch, kept: Embedded
) -> None:
    drawings, figure = [], image_map.map_figure
    monkeypatch.setattr(image_map, "map_figure", lambda *given: (drawings.append(1), figure(*given))[1])
    page = predictions_view("Map")
    page.run()
    assert len(drawings) == 1
    os.utime(workspace.run(run.id) / "predictions.csv", (1000, 1000))
    page.run()
    assert not page.exception and len(drawings) == 2


def test_an_image_is_found_by_its_name_without_the_map(run: Run, kept: Embedded) -> None:
    page = predictions_view("Map")
    page.text_input(key=f"named_{run.id}").set_value("고양이").run()
    assert not page.exception
    assert len(cards(page, "Images with this name")) == image_map.FOUND
    page.text_input(key=f"named_{run.id}").set_value("<nowhere>").run()
    assert "No image of this dataset has that in its name" in drawn(page)
