"""Classify images with the model in this folder; a part of Thaw, Apache-2.0.

It needs torch, torchvision and the package that `constructor` in model.json names.

python predict.py IMAGE_OR_FOLDER ... [--out result.csv] [--device cuda]
"""

import argparse
import csv
import importlib
import importlib.util
import json
import math
import os
import re
from pathlib import Path

import numpy
import torch
from PIL import Image, ImageOps
from torchvision.transforms import InterpolationMode, functional

HERE = Path(__file__).resolve().parent
ABOUT = json.loads((HERE / "model.json").read_text(encoding="utf-8"))
CLASSES, HOW, RENDERING = ABOUT["classes"], ABOUT["preprocessing"], ABOUT["rendering"]
SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".heic", ".heif"),
}
MAX_PIXELS = 40_000_000
Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit knows no JPEG that is decoded smaller
if importlib.util.find_spec("pillow_heif"):
    importlib.import_module("pillow_heif").register_heif_opener(thumbnails=False)


def load() -> torch.nn.Module:
    """The model. A safetensors file is eight bytes of length, a JSON header, and the tensors."""
    module, _, function = ABOUT["constructor"].partition(":")
    model = getattr(importlib.import_module(module), function)(**ABOUT["arguments"])
    read_stages(model)
    state, raw = model.state_dict(), bytearray((HERE / "model.safetensors").read_bytes())
    start = 8 + int.from_bytes(raw[:8], "little")
    for name, entry in json.loads(raw[8:start]).items():
        if name != "__metadata__":
            kind, count = {"F32": torch.float32, "I64": torch.int64}[entry["dtype"]], math.prod(entry["shape"])
            state[name] = torch.frombuffer(
                raw, dtype=kind, count=count, offset=start + entry["data_offsets"][0]
            ).reshape(entry["shape"])
    model.load_state_dict(state)
    return model.eval()


def read_stages(model: torch.nn.Module) -> None:
    """Where the head was trained to, let it read the average of some earlier places beside what comes before it."""
    if not (sides := ABOUT.get("side_outputs")):
        return
    old, means = model.get_submodule(ABOUT["head"]), dict[str, torch.Tensor]()
    assert isinstance(old, torch.nn.Linear)
    width = old.in_features + sum(side["channels"] for side in sides)
    head = torch.nn.Linear(width, old.out_features, bias=old.bias is not None)
    for side in sides:
        place, positions = side["module"], side["positions"]
        model.get_submodule(place).register_forward_hook(
            lambda _, given, out, place=place, positions=positions: means.update({place: out.mean(positions)})
        )
    head.register_forward_pre_hook(lambda _, given: torch.cat([*means.values(), given[0]], 1))
    model.set_submodule(ABOUT["head"], head)


def read(path: Path) -> torch.Tensor:
    """float32 [1, 3, height, width]: the image upright and in RGB, as the model saw images in training."""
    with Image.open(path) as opened:
        width, height, jpeg = opened.width, opened.height, opened.format in ("JPEG", "MPO")
        step = next((step for step in (1, 2, 4, 8) if (width // step) * (height // step) <= MAX_PIXELS), 8)
        if width * height > (50_000_000 if opened.format == "HEIF" else MAX_PIXELS) and not jpeg:
            raise ValueError(f"more than {MAX_PIXELS // 1_000_000} megapixels")
        if step > 1 and jpeg:
            opened.draft("RGB", (width // step, height // step))
        image = ImageOps.exif_transpose(opened)
    if image.mode[0] in "IF":  # 16 or 32 bits of grey
        grey = numpy.nan_to_num(numpy.asarray(image, dtype=numpy.float64), posinf=0.0, neginf=0.0)
        top, white = grey.max(), RENDERING["white"]
        if not (image.mode.startswith("I;16") or (white != 65535 and top > 1) or 255 < top <= 65535):
            white = 1 if top <= 1 else max(top, 255)
        image = Image.fromarray(numpy.clip(numpy.rint(grey * (255 / white)), 0, 255).astype(numpy.uint8))
    elif "A" in image.mode.upper() or "transparency" in image.info:
        ground = Image.new("RGBA", image.size, RENDERING["ground"])
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    image = functional.resize(image.convert("RGB"), HOW["resize"], InterpolationMode(HOW["interpolation"]))
    pixels = functional.pil_to_tensor(functional.center_crop(image, HOW["crop"])).float().div(255)
    return functional.normalize(pixels, HOW["mean"], HOW["std"]).unsqueeze(0)


@torch.inference_mode()
def classify(model: torch.nn.Module, path: Path, device: str) -> list[str]:
    """File, class, confidence, the probability of every class, and what went wrong."""
    try:
        shares = model(read(path).to(device)).softmax(1)[0].tolist()
    except Exception as error:  # one damaged file must not cost the answers for the others
        return [str(path), "", "", *("" for _ in CLASSES), f"{type(error).__name__}: {error}"]
    return [str(path), CLASSES[shares.index(max(shares))], *(f"{share:.8f}" for share in (max(shares), *shares)), ""]


def safe(text: str) -> str:
    """Behind an apostrophe when a spreadsheet would take it for a formula."""
    return f"'{text}" if re.match("'*[=+\\-@\t\r\n＝＋－＠﹦﹢﹣﹫]", text) else text


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Classify images with the model in this folder.")
    parser.add_argument("inputs", nargs="+", type=Path, help="images and folders of images")
    parser.add_argument("--out", default=os.devnull, help="also write a table with the probability of every class")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ...")
    chosen = parser.parse_args()
    found = (sorted(path.rglob("*")) if path.is_dir() else [path] for path in chosen.inputs)
    paths = [path for several in found for path in several if path.suffix.lower() in SUFFIXES or path in chosen.inputs]
    model = load().to(chosen.device)
    with (
        open(1, "w", encoding="utf-8", errors="backslashreplace", newline="") as screen,
        open(chosen.out, "w", encoding="utf-8-sig", errors="backslashreplace", newline="") as table,
    ):
        csv.writer(screen, lineterminator="\n").writerow(["file", "predict", "confidence"])
        csv.writer(table).writerow(
            ["file_dir", "predict", "confidence", *(safe(f"prob_{name}") for name in CLASSES), "error"]
        )
        for path in paths:
            row = [safe(cell) for cell in classify(model, path, chosen.device)]
            csv.writer(screen, lineterminator="\n").writerow(row[:3])
            csv.writer(table).writerow(row)
