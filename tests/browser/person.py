"""Person: somebody who uses the dashboard with mouse and keyboard, and who notes what the browser asked for.

Elements are found as a person finds them: by what stands on them.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Download, Locator, Page, Request, expect

PATIENCE_MS = 90_000
"""How long anything may take on a small machine that also trains."""


@dataclass(kw_only=True)
class Person:
    """One tab, the requests it made to other hosts, and its errors."""

    page: Page
    address: str
    clicks: int = 0
    foreign_requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def at(cls, browser: Browser, address: str, *, width: int = 1440) -> Iterator["Person"]:
        """A tab of a browser of its own, closed at the end."""
        context = browser.new_context(
            viewport={"width": width, "height": 1000}, accept_downloads=True, color_scheme="light"
        )
        context.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        someone = cls(page=context.new_page(), address=address)
        context.on("request", someone._note_request)
        someone.page.on("console", someone._note_message)
        someone.page.on("pageerror", lambda error: someone.complaints.append(str(error)))
        yield someone
        context.close()

    def open(self, path: str) -> None:
        self.page.goto(self.address + path)
        expect(self.page.get_by_role("heading", level=1)).to_be_visible()

    def go_to(self, name: str) -> None:
        """By the navigation at the top."""
        self.click(self.page.get_by_role("link", name=name, exact=True))
        self.sees_heading(name)

    def pictures(self, gallery: str) -> Locator:
        """The thumbnails of the gallery with this label."""
        return self.page.get_by_role("list", name=gallery).get_by_role("button")

    @property
    def stop_button(self) -> Locator:
        """That of the run or comparison; the header has one too, while a script runs."""
        return self.page.get_by_role("main").get_by_role("button", name="Stop", exact=True)

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")

    def close_dialog(self) -> None:
        self.page.keyboard.press("Escape")
        expect(self.dialog).to_have_count(0)

    def sees_heading(self, name: str) -> None:
        expect(self.page.get_by_role("heading", level=1)).to_have_text(name)

    def sees(self, text: str) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible()

    def sees_badge(self, word: str) -> None:
        """The icon of a badge is a word too, to the program that looks for text."""
        expect(self.page.get_by_role("main").locator("p").filter(has_text=re.compile(f"{word}$")).first).to_be_visible()

    def click(self, what: Locator) -> None:
        what.click()
        self.clicks += 1

    def press_button(self, name: str) -> None:
        self.click(self.page.get_by_role("button", name=name, exact=True))

    def choose(self, label: str, starting_with: str) -> None:
        """In a select box: open it, type, take the first."""
        box = self.page.get_by_role("combobox", name=label)
        self.click(box)
        box.fill(starting_with)
        self.click(self.page.get_by_role("option", name=starting_with).first)

    def tick(self, label: str) -> None:
        self.click(self.page.get_by_test_id("stCheckbox").filter(has_text=label).locator("label").first)

    def type_into(self, label: str, text: str) -> None:
        box = self.page.get_by_label(label, exact=True)
        box.fill(text)
        box.press("Tab")

    def configure(self, *strategies: str, image_size: int, **fields: object) -> None:
        """From a dataset to a comparison of these strategies with the linear probe, from random weights."""
        if self.page.get_by_role("heading", level=1).inner_text() != "Configure":
            self.press_button("Train on this dataset")
            self.sees_heading("Configure")
        self.choose("Weights", "Random weights")
        expect(self.page.get_by_role("checkbox", name="Linear probe", exact=True)).to_be_checked()
        for strategy in strategies:
            self.tick(strategy)
        for label, value in fields.items():
            self.type_into(label.replace("_", " ").capitalize(), str(value))
        self.click(self.page.get_by_text("More options"))
        self.type_into("Image size", str(image_size))
        self.sees("Trains all 10 blocks")

    def give_file(self, path: Path) -> None:
        with self.page.expect_file_chooser() as chooser:
            self.press_button("Choose files")
        chooser.value.set_files(path)

    def download(self, link: str) -> Download:
        with self.page.expect_download() as download:
            self.click(self.page.get_by_role("link", name=link).first)
        return download.value

    def is_undisturbed(self) -> None:
        """The page has settled: nothing of it is being drawn anew."""
        expect(self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_attached()

    def _note_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname != "127.0.0.1":
            self.foreign_requests.append(request.url)

    def _note_message(self, message: ConsoleMessage) -> None:
        # On a deep link the frontend looks for its server one level too low first, and the browser reports those two.
        probing = "/_stcore/" in message.location.get("url", "")
        if message.type == "error" and not probing:
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")
