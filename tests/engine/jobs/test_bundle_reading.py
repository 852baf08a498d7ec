"""A bundle's predict.py reads images as its dataset was rendered: the same pixels as the product, without Thaw."""

import importlib.util
import json
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from engine.data import decoder
from engine.data.dataset_records import Rendering
from engine.data.preprocessing import Preprocessing, eval_crop
from engine.jobs.bundle.script import SCRIPT

PREPROCESSING = Preprocessing(resize=(40,), crop=32)


def script(folder: Path, rendering: Rendering) -> ModuleType:
    """predict.py beside a description that says only how images are read."""
    about = {"classes": [], "preprocessing": asdict(PREPROCESSING), "rendering": asdict(rendering)}
    (folder / "model.json").write_text(json.dumps(about))
    (folder / SCRIPT.name).write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("predict", folder / SCRIPT.name)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pictures(folder: Path) -> list[Path]:
    random = np.random.default_rng(0)
    colour = Image.fromarray(random.integers(0, 256, (60, 80, 3), dtype=np.uint8))
    drawing = Image.new("RGBA", (80, 60), (255, 255, 255, 0))
    drawing.paste((250, 250, 240, 255), (10, 10, 50, 50))
    deep = random.integers(0, 4096, (60, 80))
    images = {
        "deep.png": Image.fromarray(deep.astype(np.uint16)),
        "deep.tif": Image.fromarray(deep.astype(np.float32)),
        "whole.tif": Image.fromarray(deep.astype(np.int32)),
        "shares.tif": Image.fromarray((deep / 4096).astype(np.float32)),
        "drawing.png": drawing,
        **{f"colour.{suffix}": colour for suffix in ("png", "ppm", "gif", "avif")},
        "grey.pgm": colour.convert("L"),
        "line.pbm": colour.convert("1"),
    }
    for name, image in images.items():
        image.save(folder / name)
    colour.resize((640, 480)).save(folder / "large.jpg")
    return [folder / name for name in (*images, "large.jpg")]


@pytest.mark.parametrize("rendering", [Rendering(), Rendering(white=4095, ground="black")], ids=["usual", "unusual"])
def test_a_bundle_reads_what_the_product_reads(
    tmp_path: Path, rendering: Rendering, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = script(tmp_path, rendering)
    monkeypatch.setattr(decoder, "MAX_PIXELS", 20_000)
    monkeypatch.setattr(bundled, "MAX_PIXELS", 20_000)
    mean, deviation = (np.array(values, dtype=np.float32) for values in (PREPROCESSING.mean, PREPROCESSING.std))
    for path in pictures(tmp_path):
        crop = eval_crop(decoder.decode(path, rendering=rendering), PREPROCESSING)
        read = bundled.read(path)[0].numpy().transpose(1, 2, 0)
        assert path.suffix in bundled.SUFFIXES
        assert np.allclose(read, (crop.astype(np.float32) / 255 - mean) / deviation, atol=1e-5), path.name


def test_beyond_the_limit_neither_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundled = script(tmp_path, Rendering())
    Image.new("RGB", (200, 200)).save(tmp_path / "large.png")
    monkeypatch.setattr(bundled, "MAX_PIXELS", 20_000)
    with pytest.raises(ValueError, match="megapixels"):
        bundled.read(tmp_path / "large.png")
