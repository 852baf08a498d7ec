"""Reading: what was brought is asked about where it is doubtful, and a wrong reading is corrected in one click."""

import io
import re
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, expect

from engine.data.dataset import list_datasets, open_dataset
from tests.browser.person import Person
from tests.browser.server import Server

EACH = 12


def two_sources_of_labels(path: Path) -> Path:
    """Folders that say cat or dog, and a table that says where each picture was taken."""
    random = np.random.default_rng(0)
    lines = ["filename,category"]
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(2 * EACH):
            name = f"{('cat', 'dog')[number % 2]}/{number:02d}.png"
            file = io.BytesIO()
            Image.fromarray(random.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(file, "PNG")
            archive.writestr(name, file.getvalue())
            lines.append(f"{name},{'실내' if number < EACH else 'outdoor'}")
        archive.writestr("metadata.csv", "\n".join(lines))
    return path


def test_a_wrong_reading_is_corrected_in_one_click(person: Person, server: Server, tmp_path: Path) -> None:
    person.open("/dataset")
    person.give_file(two_sources_of_labels(tmp_path / "pets.zip"))
    person.sees("Are these the classes?")
    folders, table = (classes(person, name) for name in ("cat", "실내"))
    taken, other = (folders, table) if folders.count() else (table, folders)
    expect(taken).to_be_visible()
    expect(other).to_have_count(0)
    person.click(person.page.get_by_role("button", name="Read it so").first)
    expect(other).to_be_visible()
    expect(taken).to_have_count(0)
    wanted = {"cat", "dog"} if other is folders else {"outdoor", "실내"}
    person.press_button("Continue")
    expect(person.page.get_by_role("combobox", name="Dataset")).to_have_value(re.compile("pets"))
    made = next(summary for summary in list_datasets(server.workspace) if summary.name == "pets")
    assert set(open_dataset(server.workspace, made.id).classes) == wanted


def classes(person: Person, name: str) -> Locator:
    """The bar of a class."""
    return person.page.get_by_role("list", name="Images per class").get_by_text(name, exact=True)
