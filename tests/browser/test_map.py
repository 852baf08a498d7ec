"""The map of all images: a click on a point opens its image, and so does the next click on the same point."""

from dataclasses import replace

import numpy as np
import pytest
from playwright.sync_api import expect

from engine.data.dataset_records import Dataset
from engine.jobs import embedding_files
from engine.store.run_record import Run
from tests.browser.person import Person
from tests.browser.server import Server
from tests.pages import made

_PLACES = """() => {
  const drawn = [...document.querySelectorAll('.js-plotly-plot')].find(one => one.offsetParent && one._fullData);
  if (!drawn) return [];
  const { xaxis, yaxis } = drawn._fullLayout, corner = drawn.getBoundingClientRect();
  return drawn._fullData.filter(cloud => cloud.customdata).flatMap(cloud => [...cloud.customdata].map((image, at) => ({
    image: Number(image),
    x: corner.left + xaxis._offset + xaxis.d2p(cloud.x[at]),
    y: corner.top + yaxis._offset + yaxis.d2p(cloud.y[at]),
  })));
}"""


@pytest.fixture
def dataset(server: Server) -> Dataset:
    return made.dataset(server.workspace, each=12)


@pytest.fixture
def run(server: Server, dataset: Dataset) -> Run:
    """With its images on a grid, so that no point hides another."""
    finished = made.finished_run(server.workspace, dataset)
    grid = np.array([(index % 8, index // 8) for index in range(len(dataset.images))], np.float32)
    embedding_files.keep_embedding(server.workspace, finished.id, replace(made.embedded(dataset), coordinates=grid))
    return finished


def test_every_click_on_a_point_opens_its_image(person: Person, dataset: Dataset, run: Run) -> None:
    person.open(f"/predictions?run={run.id}")
    person.click(person.page.get_by_role("tab", name="Map"))
    person.sees("Click a point to open its image")
    person.is_undisturbed()
    person.page.wait_for_function(f"() => ({_PLACES})().length > 0")
    places = {place["image"]: place for place in person.page.evaluate(_PLACES)}
    assert sorted(places) == list(range(len(dataset.images)))
    for image in (3, 3, 20):  # the second click on the same point takes plotly's selection away
        person.page.mouse.click(places[image]["x"], places[image]["y"])
        expect(person.dialog.get_by_text(dataset.images[image].name, exact=True)).to_be_visible()
        person.close_dialog()
        person.is_undisturbed()
