from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pictures import encoded, make_folder, picture
from PIL import Image

from engine.data.dataset import commit, health_card
from engine.data.dataset_records import Dataset, Rendering
from engine.data.decoder import decode
from engine.data.importer import scan
from engine.data.pixel_cache import Augmentation, Pixels
from engine.data.preprocessing import Preprocessing
from engine.data.split import fingerprint
from engine.data.staging.intake import flaw_of
from engine.data.versions import make_version
from engine.workspace import Workspace


def imported(workspace: Workspace, folder: Path, files: dict[str, bytes]) -> Dataset:
    return commit(workspace, scan(workspace, make_folder(folder, files)))


def twelve_bits(seed: int) -> bytes:
    values = np.random.default_rng(seed).integers(0, 4096, (30, 40), dtype=np.uint16)
    return encoded(Image.fromarray(values))


def white_on_nothing(seed: int) -> bytes:
    picture = Image.new("RGBA", (40, 30), (255, 255, 255, 0))
    picture.paste((255, 255, 255, 255), (seed % 20, 5, seed % 20 + 12, 25))
    return encoded(picture)


@pytest.mark.parametrize(
    ("make", "rendering", "words"),
    [
        (twelve_bits, Rendering(white=4095), "4,095 is white"),
        (white_on_nothing, Rendering(ground="black"), "on black"),
        (picture, Rendering(), ""),
    ],
)
def test_a_dataset_is_rendered_as_its_images_need_and_alike_everywhere(
    workspace: Workspace, tmp_path: Path, make: Callable[[int], bytes], rendering: Rendering, words: str
) -> None:
    files = {f"{label}/{n}.png": make(n + 100 * place) for place, label in enumerate("ab") for n in range(6)}
    dataset = imported(workspace, tmp_path / "set", files)
    assert dataset.rendering == rendering and not any(image.flaw == "dark" for image in dataset.images)
    assert words in health_card(dataset).layout
    preprocessing = Preprocessing(resize=(32,), crop=32)
    with Pixels(dataset, preprocessing, Augmentation(views=0)) as pixels:
        crop = pixels.batch(np.array([0]), None)
    assert np.ptp(crop.numpy().astype(int)) > 100
    thumbnail = np.asarray(decode(dataset.thumbnail_path(dataset.images[0])), dtype=int)
    assert np.ptp(thumbnail) > 100
    version = make_version(workspace, dataset.id, excluded={0: "no"}, relabelled={})
    assert version.rendering == rendering


def test_rendering_is_part_of_the_fingerprint_only_where_it_is_unusual() -> None:
    rows = [("0" * 64, 0, "train")]
    assert fingerprint(["a"], rows, rendering=Rendering()) == fingerprint(["a"], rows)
    assert fingerprint(["a"], rows, rendering=Rendering(white=4095)) != fingerprint(["a"], rows)


def grey(*values: int) -> Image.Image:
    """Equal stripes."""
    return Image.fromarray(np.repeat(np.array(values, dtype=np.uint8), 60).reshape(1, -1).repeat(20, 0)).convert("RGB")


@pytest.mark.parametrize(
    ("image", "flaw"),
    [
        (grey(255), "blank"),
        (grey(40, 43), "blank"),
        (Image.new("RGB", (9, 9), (200, 30, 30)), "blank"),
        (grey(*range(16)), "dark"),
        (grey(*range(31), *range(31)), "dark"),
        (grey(0, 255), "drawing"),
        (grey(*range(0, 255, 16)), "drawing"),
        (grey(*range(60, 90)), "few_levels"),
        (grey(*range(100, 150)), ""),
    ],
)
def test_what_makes_an_image_show_little(image: Image.Image, flaw: str) -> None:
    assert flaw_of(image) == flaw


def test_the_card_counts_images_that_show_little(workspace: Workspace, tmp_path: Path) -> None:
    files = {f"{label}/{n}.png": picture(n + 50 * place) for place, label in enumerate("ab") for n in range(6)}
    files |= {"a/white.png": encoded(grey(255)), "b/night.png": encoded(grey(*range(20)))}
    files |= {"a/lines.png": encoded(grey(0, 255)), "b/pale.png": encoded(grey(*range(60, 90)))}
    warnings = " ".join(health_card(imported(workspace, tmp_path / "set", files)).warnings)
    assert "1 of 16 images are blank" in warnings and "a/white.png" in warnings
    assert "1 of 16 images are nearly black" in warnings and "b/night.png" in warnings
    assert "a/lines.png" in warnings and "b/pale.png" in warnings
    drawings = {f"{label}/{n}.png": encoded(grey(0, n + 230, 255)) for label in "ab" for n in range(6)}
    assert "levels" not in " ".join(health_card(imported(workspace, tmp_path / "drawn", drawings)).warnings)
