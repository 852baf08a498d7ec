"""Every page full of real state, for README and for whoever looks for what is ugly. Made only on request: `make
screenshots`."""

import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

from engine.store.process_identity import this_process
from engine.store.run_store import RunStore
from tests.browser import photographs, screenshots
from tests.browser.person import Person
from tests.browser.screenshots import photograph
from tests.browser.server import Server

LONG_MS = 600_000
pytestmark = pytest.mark.skipif(not screenshots.FOLDER, reason="screenshots are made by `make screenshots`")


def test_every_page_has_its_picture_taken(person: Person, server: Server, tmp_path: Path) -> None:
    for page in ("monitor", "compare", "predictions"):
        person.open(f"/{page}")
        photograph(person, f"{page}-empty")
    person.open("/")
    expect(person.pictures("Images of sample")).to_have_count(60)
    photograph(person, "dataset")
    refused(person, tmp_path)
    configure(person)
    person.press_button("Start 3 runs")
    monitor(person)
    photograph(person, "monitor-finished")
    predictions(person, tmp_path)
    person.go_to("Compare")
    person.sees("3 of 3 runs finished")
    photograph(person, "compare")
    went_wrong(person, server)


def configure(person: Person) -> None:
    person.press_button("Train on this dataset")
    person.sees_heading("Configure")
    person.sees("is not on this machine")
    photograph(person, "configure-download")
    fields = {"epochs": 20, "batch_size": 8, "learning_rate": 0.0005, "augmented_views": 20}
    person.configure("Last block", "Full fine-tuning", image_size=112, **fields)
    person.click(person.page.get_by_text("More options"))
    person.type_into("Seeds per strategy", "1")
    photograph(person, "configure")


def monitor(person: Person) -> None:
    person.sees_heading("Compare")
    person.go_to("Monitor")
    person.choose("Run", "resnet18 full")
    figure = person.page.get_by_role("figure", name=re.compile("After epoch 1[234] the accuracy"))
    expect(figure).to_be_visible(timeout=LONG_MS)
    photograph(person, "monitor")
    expect(person.page.get_by_text("Best epoch")).to_be_visible(timeout=LONG_MS)


def refused(person: Person, tmp_path: Path) -> None:
    """An archive with one class only."""
    with zipfile.ZipFile(tmp_path / "roses.zip", "w") as archive:
        archive.writestr("roses/one.jpg", b"no photograph")
    person.give_file(tmp_path / "roses.zip")
    expect(person.page.get_by_role("button", name="Understood")).to_be_visible()
    photograph(person, "dataset-refused")
    person.press_button("Understood")


def predictions(person: Person, tmp_path: Path) -> None:
    person.press_button("Look at the predictions")
    first = person.pictures("Predicted images").first
    expect(first).to_be_visible()
    photograph(person, "predictions")
    person.click(first)
    expect(person.dialog.locator("img")).to_be_visible()
    photograph(person, "predictions-image")
    person.page.keyboard.press("Escape")
    person.click(person.page.get_by_role("tab", name="New images"))
    photograph(person, "predictions-new")
    person.give_file(photographs.make_zip(tmp_path / "holiday.zip"))
    person.sees("1 file unreadable")
    photograph(person, "predictions-new-done")


def went_wrong(person: Person, server: Server) -> None:
    """A run that failed, with its sentence."""
    store = RunStore(server.workspace)
    broken = store.enqueue(store.list()[0].config, name="a learning rate too high", owner=this_process())
    store.finish(
        broken.id,
        "failed",
        error="The loss is not a number since step 12: the learning rate 10 is too high. Start again with 0.001.",
    )
    person.open(f"/monitor?run={broken.id}")
    person.sees("The loss is not a number")
    photograph(person, "monitor-failed")
