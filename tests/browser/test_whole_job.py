"""The whole job by mouse and keyboard: a zip of photographs, two strategies, the mistakes, and result.csv."""

import re
from pathlib import Path

from playwright.sync_api import expect

from engine.evaluation.result_csv import read_result
from tests.browser import photographs
from tests.browser.person import Person
from tests.browser.screenshots import photograph
from tests.browser.server import Server

NAME = "my ![flowers](https:evil.example)"
PAGES = ["Dataset", "Configure", "Monitor", "Compare", "Predictions"]
IMAGES = len(photographs.CLASSES) * photographs.EACH + 1  # and the one with the hostile name
UNSEEN = 12  # validation and test: 6 each


def test_from_a_zip_to_result_csv(person: Person, server: Server, tmp_path: Path) -> None:
    a_cold_deep_link_shows_the_whole_frame(person)
    bring_the_photographs(person, tmp_path)
    configure_two_strategies(person)
    watch_the_epochs_arrive(person)
    look_at_the_mistakes(person)
    take_the_result_home(person, tmp_path)
    a_cold_deep_link_shows_the_whole_frame(person)
    assert person.page.evaluate("window.hostile") is None  # what the class name would have set


def a_cold_deep_link_shows_the_whole_frame(person: Person) -> None:
    person.open("/monitor?run=run-00000000")
    person.sees_heading("Monitor")
    links = person.page.get_by_role("navigation", name="App pages").get_by_role("link")
    expect(links).to_have_count(len(PAGES))
    expect(person.page.get_by_text(re.compile("^.*Training on|Looking for a GPU"))).to_be_visible()
    assert [name.strip() for name in links.locator("p").all_inner_texts()] == PAGES


def bring_the_photographs(person: Person, tmp_path: Path) -> None:
    person.open("/dataset")
    person.sees_heading("Dataset")
    person.give_file(photographs.make_zip(tmp_path / f"{NAME}.zip"))
    person.sees("Check before it becomes a dataset")
    table = person.page.get_by_test_id("stDataFrame").first
    for cell in (photographs.BROKEN_FILE, "It is damaged and cannot be decoded. Copy or download it again."):
        expect(table.locator("td", has_text=cell)).to_be_attached()
    counts = person.page.get_by_role("list", name="Images per class")
    for label in photographs.CLASSES:
        expect(counts.get_by_text(label, exact=True)).to_be_visible()
    photograph(person, "dataset-check")
    person.press_button("Continue")
    expect(person.page.get_by_role("combobox", name="Dataset")).to_have_value(re.compile(re.escape(NAME)))
    expect(person.pictures(f"Images of {NAME}")).to_have_count(IMAGES)


def configure_two_strategies(person: Person) -> None:
    person.configure("Full fine-tuning", epochs=2, batch_size=16, image_size=32)
    person.type_into("Seeds per strategy", "1")
    person.press_button("Start 2 runs")


def watch_the_epochs_arrive(person: Person) -> None:
    person.sees_heading("Compare")
    person.go_to("Monitor")
    person.choose("Run", "resnet18 linear")
    penalties = re.compile("the loss of held-out training images is lowest at")
    expect(person.page.get_by_role("figure", name=penalties)).to_be_visible()
    expect(person.stop_button).to_have_count(0)
    person.sees("Every frozen parameter is bit for bit what it was.")
    person.choose("Run", "resnet18 full")
    expect(person.page.get_by_role("figure", name=re.compile("After epoch 2 the accuracy is"))).to_be_visible()
    person.sees("Trains all 10 blocks")
    person.sees("Best epoch")


def look_at_the_mistakes(person: Person) -> None:
    person.press_button("Look at the predictions")
    person.sees_heading("Predictions")
    gallery = person.page.get_by_role("list", name="Predicted images")
    expect(person.pictures("Predicted images")).to_have_count(UNSEEN)
    person.click(person.page.get_by_role("radio", name="Wrong"))
    expect(gallery.locator("button.good")).to_have_count(0)
    mistakes = gallery.locator("button.bad")
    assert 0 < mistakes.count() <= UNSEEN
    truth = (mistakes.first.get_attribute("aria-label") or "").rpartition("but it is ")[2]
    mistakes.first.press("Enter")  # as with the mouse
    dialog = person.dialog
    expect(dialog.get_by_text(f"{truth} (true)", exact=True)).to_be_visible()
    expect(dialog.locator("img")).to_have_js_property("naturalWidth", 160)  # the photograph itself, not its thumbnail
    person.click(dialog.get_by_role("button", name="What the model looked at"))
    maps = dialog.get_by_role("img", name=re.compile("^Heat map of what speaks for"))
    expect(maps).to_have_count(2)  # for the class that was predicted, and for the true one
    expect(maps.first).to_have_js_property("naturalWidth", 32)
    person.page.keyboard.press("ArrowRight")
    expect(dialog.get_by_text(re.compile("^2 of"))).to_be_visible()
    person.close_dialog()


def take_the_result_home(person: Person, tmp_path: Path) -> None:
    person.download("Download result.csv").save_as(tmp_path / "result.csv")
    table = read_result(tmp_path / "result.csv")
    assert list(table.columns[:2]) == ["file_dir", "predict"]
    assert {name for name in table if name.startswith("prob_")} == {f"prob_{label}" for label in photographs.CLASSES}
    readable, unreadable = table[table["error"] == ""], table[table["error"] != ""]
    assert len(readable) == IMAGES and set(readable["predict"]) <= set(photographs.CLASSES)
    assert photographs.HOSTILE_FILE in set(readable["file_dir"])
    assert unreadable[["file_dir", "predict"]].to_numpy().tolist() == [[photographs.BROKEN_FILE, ""]]
