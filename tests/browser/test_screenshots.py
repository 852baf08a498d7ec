"""Every page full of real state, for README and for whoever looks for what is ugly. Made only on request: `make screenshots`."""

import re

import pytest
from playwright.sync_api import expect

from engine.runs.owners import this_process
from engine.runs.store import RunStore
from tests.browser import screenshots
from tests.browser.person import Person
from tests.browser.screenshots import photograph
from tests.browser.server import Server

pytestmark = pytest.mark.skipif(not screenshots.FOLDER, reason="screenshots are made by `make screenshots`")


def test_every_page_has_its_picture_taken(person: Person, server: Server) -> None:
    for page in ("monitor", "compare", "predictions"):
        person.open(f"/{page}")
        photograph(person, f"{page}-empty")
    person.open("/")
    expect(person.page.get_by_role("list", name="Images of sample").get_by_role("button")).to_have_count(60)
    photograph(person, "dataset")
    configure(person)
    person.press_button("Start 3 runs")
    monitor(person)
    expect(person.page.get_by_text("Queue")).to_have_count(0)
    person.page.reload()
    person.choose("Run", "resnet18 full")
    person.sees("Best epoch")
    photograph(person, "monitor-finished")
    predictions(person)
    person.go_to("Compare")
    photograph(person, "compare")
    went_wrong(person, server)


def configure(person: Person) -> None:
    person.press_button("Train on this dataset")
    person.sees_heading("Configure")
    person.sees("is not on this machine")
    photograph(person, "configure-download")
    person.choose("Weights", "Random weights")
    for strategy in ("Last block", "Full fine-tuning"):
        person.tick(strategy)
    person.type_into("Epochs", "8")
    person.type_into("Batch size", "16")
    person.type_into("Augmented views", "8")
    person.click(person.page.get_by_text("More options"))
    person.type_into("Image size", "96")
    person.click(person.page.get_by_text("More options"))
    person.sees("Trains all 10 blocks")
    photograph(person, "configure")


def monitor(person: Person) -> None:
    person.sees_heading("Monitor")
    person.choose("Run", "resnet18 full")
    expect(person.page.get_by_role("figure", name=re.compile("After epoch [456] the accuracy"))).to_be_visible(timeout=180_000)
    photograph(person, "monitor")


def predictions(person: Person) -> None:
    person.press_button("Look at the predictions")
    gallery = person.page.get_by_role("list", name="Predicted images")
    expect(gallery.get_by_role("button").first).to_be_visible()
    photograph(person, "predictions")
    person.click(gallery.get_by_role("button").first)
    expect(person.page.get_by_role("dialog").locator("img")).to_be_visible()
    photograph(person, "predictions-image")
    person.page.keyboard.press("Escape")
    person.click(person.page.get_by_role("tab", name="New images"))
    photograph(person, "predictions-new")


def went_wrong(person: Person, server: Server) -> None:
    """A run that fails with a sentence: its dataset is gone."""
    store = RunStore(server.workspace)
    broken = store.enqueue(store.list()[0].config, name="a learning rate too high", owner=this_process())
    store.finish(
        broken.id, "failed", error="The loss is not a number since step 12: the learning rate 10 is too high. Start again with 0.001."
    )
    person.open(f"/monitor?run={broken.id}")
    person.sees("The loss is not a number")
    photograph(person, "monitor-failed")
