"""A comparison by mouse and keyboard: two strategies with two seeds each, the verdict, one disagreement, and the three
files."""

import re
from pathlib import Path

import pandas as pd
from playwright.sync_api import Browser, expect

from engine.comparisons.comparison_store import ComparisonStore
from engine.comparisons.judgement import judgement
from engine.comparisons.wording import sentences
from tests.browser.person import Person
from tests.browser.screenshots import photograph
from tests.browser.server import Server

LONG_MS = 180_000


def test_from_two_strategies_to_a_report(person: Person, server: Server, browser: Browser, tmp_path: Path) -> None:
    start_two_strategies(person)
    watch_until_it_is_finished(person)
    read_the_verdict(person, server)
    look_at_a_disagreement(person)
    take_the_files_home(person, tmp_path)
    read_the_report_offline(browser, tmp_path / "report.html")


def start_two_strategies(person: Person) -> None:
    person.open("/")
    expect(person.pictures("Images of sample")).to_have_count(60, timeout=LONG_MS)
    person.configure("Full fine-tuning", epochs=3, batch_size=8, image_size=32)
    person.sees("4 runs in one comparison")
    person.type_into("Seeds per strategy", "2")
    person.type_into("Name", "샘플 :red[*x*]")
    person.press_button("Start 4 runs")


def watch_until_it_is_finished(person: Person) -> None:
    """Without touching the page: it follows by itself."""
    person.sees_heading("Compare")
    name, stop = re.compile(re.escape("샘플 :red[*x*]")), person.stop_button
    expect(person.page.get_by_role("combobox", name="Comparison")).to_have_value(name)
    expect(stop).to_be_visible()
    expect(person.page.get_by_text("4 of 4 runs finished")).to_be_visible(timeout=LONG_MS)
    expect(stop).to_have_count(0)
    accuracy = re.compile("^Accuracy on validation images after the last epoch")
    expect(person.page.get_by_role("figure", name=accuracy)).to_be_visible()


def read_the_verdict(person: Person, server: Server) -> None:
    store = ComparisonStore(server.workspace)
    known = store.list()[0]
    said = sentences(judgement(server.workspace, known, store.runs_of(known.id)))
    expect(person.page.get_by_text(said[0], exact=True)).to_be_visible()
    folded = next(sentence for sentence in said if sentence.startswith("Validation chose"))
    expect(person.page.get_by_text(folded, exact=True)).not_to_be_visible()
    person.click(person.page.get_by_text("What this rests on"))
    for sentence in said:
        expect(person.page.get_by_text(sentence, exact=True)).to_be_visible()
    assert person.page.url.endswith(f"?comparison={known.id}")


def look_at_a_disagreement(person: Person) -> None:
    kinds = person.page.get_by_role("radiogroup", name="Images").last.locator("label")
    some = kinds.filter(has_text=re.compile(r": [1-9]")).first
    person.click(some)
    count = int((some.inner_text()).rpartition(": ")[2])
    expect(person.pictures("Images they disagree on")).to_have_count(count)
    person.pictures("Images they disagree on").first.press("Enter")
    dialog = person.dialog
    expect(dialog.get_by_text(re.compile(r"sure, \d of 2 seeds"))).to_have_count(2)
    person.click(dialog.get_by_role("button", name="What both looked at"))
    sides = dialog.get_by_role("list", name="What the model looked at")
    expect(sides).to_have_count(2)
    for side in sides.all():
        expect(side.get_by_role("img", name=re.compile("^Heat map of")).first).to_have_js_property("naturalWidth", 32)
    photograph(person, "compare-disagreement")
    person.close_dialog()


def take_the_files_home(person: Person, folder: Path) -> None:
    for name in ("report.html", "comparison.csv", "result.csv"):
        person.download(f"Download {name}").save_as(folder / name)
    runs, images = (pd.read_csv(folder / name, encoding="utf-8-sig") for name in ("comparison.csv", "result.csv"))
    assert len(runs) == 4 and set(runs["status"]) == {"finished"}
    answers = {f"{strategy} (mean of 2 seeds)" for strategy in ("linear_probe", "full_finetune")}
    assert {"file_dir", "label", "split"} | answers <= set(images.columns)


def read_the_report_offline(browser: Browser, report: Path) -> None:
    """From the disk, without a network: everything is drawn, nothing is asked for, nothing complains."""
    context = browser.new_context(offline=True)
    page = context.new_page()
    requests, messages = [], []
    errors: list[Exception] = []
    context.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: messages.append((message.type, message.text)))
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(report.as_uri())
    expect(page.get_by_role("heading", level=1)).to_have_text("샘플 :red[*x*]")
    page.get_by_text("What this rests on").click()
    expect(page.get_by_text(re.compile("^Validation chose"))).to_be_visible()
    figures = page.locator("div[id^=figure]")
    assert figures.count() >= 5
    expect(page.locator("div[id^=figure]:has(.main-svg .trace)")).to_have_count(figures.count())
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert errors == [] and [text for kind, text in messages if kind in ("error", "warning")] == []
    context.close()
