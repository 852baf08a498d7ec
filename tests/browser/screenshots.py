"""Screenshots: every page as it looked during the tests, in $THAW_SCREENSHOTS, or none without it."""

import io
import os
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import expect

from tests.browser.person import Person

FOLDER = os.environ.get("THAW_SCREENSHOTS", "")
WIDTHS = (1440, 390)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("dark", "light")
PAPER = {"light": "rgb(255, 255, 255)", "dark": "rgb(15, 23, 28)"}
ONE_SCREEN = 1200
_TALLEST = 5000


def photograph(person: Person, name: str) -> None:
    """`<name>-light-1440.png` and so on. The light ones at 1440 pixels show one screen, for README; the others the
    whole page."""
    if not FOLDER:
        return
    Path(FOLDER).mkdir(parents=True, exist_ok=True)
    for scheme in SCHEMES:
        _switch(person, scheme)
        if not person.dialog.count():  # which drawing anew would close
            _draw_anew(person)  # figures take their colours when they are drawn
        for width in reversed(WIDTHS):
            whole = (scheme, width) != ("light", 1440)
            _resize(person, width, ONE_SCREEN)
            if whole:
                _resize(person, width, min(max(_height(person), 700), _TALLEST))
            _save(person, Path(FOLDER) / f"{name}-{scheme}-{width}.png")
    _resize(person, 1440, 1000)
    _draw_anew(person)


def _switch(person: Person, scheme: Literal["light", "dark"]) -> None:
    person.page.emulate_media(color_scheme=scheme)
    expect(person.page.get_by_test_id("stApp")).to_have_css("background-color", PAPER[scheme])
    person.page.mouse.move(0, 0)  # nothing looks touched


def _draw_anew(person: Person) -> None:
    person.page.evaluate("document.activeElement.blur()")  # or the letter would be typed
    person.page.keyboard.press("r")


def _resize(person: Person, width: int, height: int) -> None:
    person.page.set_viewport_size({"width": width, "height": height})
    person.is_undisturbed()
    expect(person.page.get_by_test_id("stSkeleton")).to_have_count(0)
    # Two frames: charts follow a resize in the one after.
    person.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    person.page.wait_for_load_state("networkidle")


def _height(person: Person) -> int:
    return int(person.page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight"))


def _save(person: Person, path: Path) -> None:
    """With 256 colours: a fifth of the bytes, and hardly a difference."""
    picture = Image.open(io.BytesIO(person.page.screenshot(animations="disabled"))).convert("RGB")
    picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, optimize=True)
