"""Tabs: whatever happens to a tab, the run goes on; every tab shows the same and can act on it."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from engine.runconfig import RunConfig
from engine.store.run_record import Run
from engine.store.run_store import RunStore
from tests.browser.person import Person
from tests.browser.server import Server
from tests.pictures import make_dataset

ENDLESS = 1000


@pytest.fixture
def run(server: Server, tmp_path: Path) -> Run:
    """A run that will not end by itself while the test looks on; queued as the command line queues."""
    dataset = make_dataset(server.workspace, tmp_path / "photographs", each=20)
    config = RunConfig(
        dataset=dataset.id, backbone="resnet18", strategy="full_finetune", weights="none", epochs=ENDLESS, image_size=64
    )
    return RunStore(server.workspace).enqueue(config, name="endless 런")


def test_a_run_goes_on_without_a_tab_and_obeys_every_tab(
    browser: Browser, person: Person, server: Server, run: Run
) -> None:
    address, store = f"/monitor?run={run.id}", RunStore(server.workspace)
    person.open(address)
    expect(epochs(person, 2)).to_be_visible()
    owner = store.get(run.id).owner
    person.page.close()
    seen = len(store.epochs(run.id))

    with Person.at(browser, server.address) as second, Person.at(browser, server.address, width=390) as third:
        for tab in (second, third):
            tab.open(address)
            expect(epochs(tab, seen + 1)).to_be_visible()
        pauses_everywhere(second, third)
        shows_the_same(second, third)
        third.press_button("Go on")
        second.sees_badge("Running")
        second.click(second.stop_button)
        for tab in (second, third):
            tab.sees_badge("Stopped")
            tab.sees("Stopped as you asked.")
        assert second.complaints == third.complaints == []

    assert store.get(run.id).owner == owner or store.get(run.id).owner is None
    numbers = [epoch.epoch for epoch in store.epochs(run.id)]
    assert numbers == list(range(1, len(numbers) + 1)), "nothing was trained twice or left out"


def pauses_everywhere(second: Person, third: Person) -> None:
    second.press_button("Pause")
    for tab in (second, third):
        tab.sees_badge("Paused")
        expect(tab.page.get_by_role("button", name="Go on")).to_be_visible()


def shows_the_same(second: Person, third: Person) -> None:
    mine, theirs = (
        tab.page.get_by_role("figure", name=re.compile("After epoch .* accuracy")) for tab in (second, third)
    )
    expect(theirs).to_have_attribute("aria-label", mine.get_attribute("aria-label") or "")


def epochs(tab: Person, at_least: int) -> Locator:
    """The figure that counts epochs, once it has reached a number."""
    passed = "|".join(str(number) for number in range(at_least, at_least + 200))
    return tab.page.get_by_test_id("stMetric").filter(has_text=re.compile(rf"^Epoch\s*({passed}) of {ENDLESS}"))
