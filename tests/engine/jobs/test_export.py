"""What leaves as a bundle answers elsewhere as the dashboard does here, or does not leave at all."""

import csv
import io
import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torchvision.models import resnet18

from engine.data.dataset import commit, delete_dataset
from engine.data.importer import scan
from engine.errors import EngineError
from engine.evaluation import predictions
from engine.evaluation.metric_records import read_metrics
from engine.evaluation.result_csv import read_result
from engine.jobs import export
from engine.jobs.bundle import onnx_file, script
from engine.jobs.bundle.formats import FORMATS
from engine.jobs.export import export_run, export_zip
from engine.jobs.inference import predict_new
from engine.jobs.records import Bundle
from engine.models.provenance import Provenance
from engine.runconfig import RunConfig
from engine.store.run_record import Run
from engine.store.run_store import RunStore
from engine.workspace import Workspace, open_workspace
from tests.engine.jobs.running import run_job
from tests.engine.small_runs import Home, Lab, value_of
from tests.pictures import CLASSES, make_dataset, write_folders

LEFT = {"LICENSES.md", "MODEL_CARD.md", "model.json", "model.safetensors", "predict.py"}
ALONE = (
    "import runpy, sys\nfor name in ('engine', 'safetensors', 'pandas', 'scipy', 'sklearn'): sys.modules[name] = None\n"
)
ALONE += "sys.argv = ['predict.py', *sys.argv[1:]]\nrunpy.run_path('predict.py', run_name='__main__')"
SCRIPT = script.SCRIPT.read_text()
HOSTILE = ('=HYPERLINK("www.x.org")', "<img src=x onerror=alert(1)> | [a](b) `c`", "---", "고양이: {yes}")


@dataclass(frozen=True, kw_only=True)
class Exported(Home):
    """And what was exported of the run, moved elsewhere."""

    bundle: Path
    made: Bundle


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    place = tmp_path_factory.mktemp("home")
    workspace, source = open_workspace(place / "workspace"), place / "source"
    lab = Lab(workspace=workspace, dataset=make_dataset(workspace, source, each=6))
    run = last_block(lab)
    made = exported(lab, run, place / "new" / "bundle")
    bundle = (place / "new" / "bundle").rename(place / "elsewhere")
    return Exported(**vars(lab), source=source, run=run, bundle=bundle, made=made)


def last_block(lab: Lab, name: str = "", **options: object) -> Run:
    """A trained run."""
    return lab.trained(name, **{"epochs": 1, "strategy": "last_block", "lr": 0.01, **options})


def exported(lab: Lab, run: Run, folder: Path) -> Bundle:
    return value_of(export_run(lab.workspace, run.id, folder))


def answers(folder: Path, images: Path, out: Path) -> tuple[list[list[str]], np.ndarray, list[str]]:
    """(printed rows, probabilities, files) of a bundle's predict.py where nothing but torch and torchvision can be
    imported."""
    command = [sys.executable, "-I", "-c", ALONE, str(images), "--out", str(out)]
    ran = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=True)
    table = read_result(out)
    good = table[table["error"] == ""]
    columns = [column for column in table.columns if column.startswith("prob_")]
    return list(csv.reader(io.StringIO(ran.stdout))), good[columns].to_numpy(dtype=float), list(good["file_dir"])


def test_a_bundle_answers_elsewhere_as_the_dashboard_does_here(home: Exported, tmp_path: Path) -> None:
    assert set(home.made.files) - {"model.onnx"} == LEFT and "as the dashboard does on 10 images" in home.made.checks[0]
    assert "shows little" not in home.made.checks[0]
    rows, given, files = answers(home.bundle, home.source, tmp_path / "result.csv")
    shown = predictions.read(home.folder / "predictions.csv")
    names = [str(Path(file).relative_to(home.source)) for file in files]
    shown = shown[shown["error"] == ""].set_index("file_dir").loc[names]
    assert len(shown) == 18 and np.abs(given - shown.filter(like="prob_").to_numpy()).max() < 1e-5
    assert rows[0] == ["file", "predict", "confidence"] and len(rows) == 20  # a heading, 18 images and a broken one
    assert {row[0]: row[1] for row in rows[1:] if row[1]} == dict(zip(files, shown["predict"], strict=True))
    assert [row for row in rows if not row[1]] == [[str(home.source / "red" / "broken.jpg"), "", ""]]

    model = resnet18(num_classes=3)
    model.load_state_dict(load_file(home.bundle / "model.safetensors"))


def test_a_head_that_reads_every_stage_is_made_again_elsewhere(
    home: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "FORMATS", FORMATS[:1])
    run = home.trained(strategy="multi_layer_probe")
    made = exported(home, run, tmp_path / "bundle")
    assert "as the dashboard does on 10 images" in made.checks[0]
    about = json.loads((tmp_path / "bundle" / "model.json").read_text())
    assert about["head"] == "fc" and [side["channels"] for side in about["side_outputs"]] == [64, 64, 128, 256]


def test_pictures_of_every_kind_are_read_as_the_dashboard_reads_them(home: Exported, tmp_path: Path) -> None:
    odd = odd_pictures(tmp_path / "odd")
    _, given, files = answers(home.bundle, odd, tmp_path / "result.csv")
    made = value_of(predict_new(home.workspace, home.run.id, odd, device="cpu")).predictions
    shown = predictions.read(home.folder / "predictions" / made / "predictions.csv").set_index("file_dir")
    assert len(shown) == len(files) == 11 and not any(shown["error"])
    assert np.abs(given - shown.loc[[Path(file).name for file in files]].filter(like="prob_").to_numpy()).max() < 1e-5


@pytest.mark.parametrize("backbone", ["mnasnet0_5", "googlenet"])
def test_models_that_are_hard_to_load_can_be_exported(home: Exported, tmp_path: Path, backbone: str) -> None:
    """MNASNet refuses a state without versions; GoogLeNet has auxiliary heads and transforms its input."""
    run = last_block(home, backbone=backbone, strategy="linear_probe_steps")
    assert "as the dashboard does on 10 images" in exported(home, run, tmp_path / "bundle").checks[0]
    about = json.loads((tmp_path / "bundle" / "model.json").read_text())
    assert about["backbone"] == backbone and about["arguments"]["num_classes"] == 3
    card = (tmp_path / "bundle" / "MODEL_CARD.md").read_text()
    assert "shows little of how they are read" in card  # deep, with random weights
    assert about["arguments"].get("transform_input") is (True if backbone == "googlenet" else None)


def test_weights_that_are_not_those_of_the_predictions_do_not_leave(home: Exported, tmp_path: Path) -> None:
    path = home.folder / "best.safetensors"
    kept, state = path.read_bytes(), load_file(path)
    save_file({**state, "fc.bias": state["fc.bias"] + torch.tensor([0.001, 0, 0])}, path)
    try:
        told = "does not answer as the dashboard does: a probability differs by .* Nothing was exported"
        with pytest.raises(EngineError, match=told):
            exported(home, home.run, tmp_path / "out" / "bundle")
    finally:
        path.write_bytes(kept)
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        (SCRIPT.replace('HOW["crop"]', 'HOW["crop"] - 1'), "does not answer as this program does in fp32"),
        ("import engine", "does not run here .*No module named 'engine'"),
        (SCRIPT.replace("Image.open(path)", "Image.open('nowhere')"), "cannot read an image of the dataset .*nowhere"),
    ],
)
def test_a_script_that_answers_otherwise_or_not_at_all_does_not_leave(
    home: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, sentence: str
) -> None:
    (tmp_path / "predict.py").write_text(program)
    monkeypatch.setattr(script, "SCRIPT", tmp_path / "predict.py")
    with pytest.raises(EngineError, match=sentence):
        value_of(export_zip(home.workspace, home.run.id))
    assert not (home.folder / "export.zip").exists() and not list(home.workspace.incoming.iterdir())


def test_names_of_people_survive_and_do_nothing(workspace: Workspace, tmp_path: Path) -> None:
    source = write_folders(tmp_path / "source", each=5)
    for name in HOSTILE:
        (source / name).mkdir()
        for image in (source / "red").iterdir():
            # bytes after the end of a JPEG
            (source / name / image.name).write_bytes(image.read_bytes() + name.encode())
    dataset = commit(workspace, scan(workspace, source, name="# <b>data</b>"))
    lab = Lab(workspace=workspace, dataset=dataset)
    run = last_block(lab, name="</title> --- \u202e|")
    exported(lab, run, tmp_path / "bundle")
    about = json.loads((tmp_path / "bundle" / "model.json").read_text(encoding="utf-8"))
    assert about["classes"] == sorted([*CLASSES, *HOSTILE])
    answers(tmp_path / "bundle", source / "red", tmp_path / "result.csv")
    assert [f"prob_{name}" for name in about["classes"]] == list(read_result(tmp_path / "result.csv").columns)[3:-1]
    written = list(csv.reader(io.StringIO((tmp_path / "result.csv").read_text(encoding="utf-8-sig"))))
    assert not [cell for row in written for cell in row if cell.startswith("=")]

    text = (tmp_path / "bundle" / "MODEL_CARD.md").read_text(encoding="utf-8")
    front, body = text.removeprefix("---\n").split("\n---\n", 1)
    values = {key: json.loads(value) for key, _, value in (line.partition(": ") for line in front.splitlines())}
    (result,) = values["model-index"]
    assert result["name"] == run.name and result["results"][0]["dataset"]["name"] == dataset.name
    assert not [harm for harm in ("<img", "<b>", "</title", "[a](b)", "\u202e", "`c`", "www.") if harm in body]
    assert "| 고양이\\: \\{yes\\} | 3 | 1 | 1 |" in body and "&lt;img src" in body


def test_the_card_tells_what_the_run_tells(home: Exported) -> None:
    text = (home.bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
    for split, scores in read_metrics(home.folder).splits.items():
        low, high = scores.accuracy_low, scores.accuracy_high
        row = f"| {split} | {scores.images} | {scores.accuracy:.1%} | {low:.1%} to {high:.1%} |"
        assert (row in text) is (split != "train")
    rows = ("| `lr` | 0.01 |", "| `fc` | in phase 1 | 2 of 2 |", "| red | 4 | 1 | 1 |")
    starts = ("| `layer4.1` | in phase 1 | ", "| `layer3.1` | frozen | 0 of ")
    told = (home.dataset.fingerprint, home.run.summary.audit, "random values", *home.made.checks)
    assert not [words for words in (*rows, *starts, *told) if words not in text]


@pytest.mark.parametrize("way", ["bf16", "no dataset"])
def test_what_cannot_be_compared_exactly_is_said(workspace: Workspace, tmp_path: Path, way: str) -> None:
    lab = Lab(workspace=workspace, dataset=make_dataset(workspace, tmp_path / "source", each=6))
    run = last_block(lab, precision="bf16" if way == "bf16" else "fp32")
    if way == "no dataset":
        delete_dataset(workspace, lab.dataset.id)
    told = exported(lab, run, tmp_path / "bundle").checks[0]
    assert ("computed in bf16 on cpu" if way == "bf16" else "on 10 drawn pictures") in told and "allowed 1e-05" in told
    assert told in (tmp_path / "bundle" / "MODEL_CARD.md").read_text()


def test_the_zip_lies_with_the_run_and_unpacks_into_a_working_folder(home: Exported, tmp_path: Path) -> None:
    result = run_job(home.workspace, "export", run=home.run.id)
    assert result["file"] == "export.zip" and set(result["files"]) >= LEFT
    assert not list(home.workspace.incoming.iterdir())
    path = home.folder / "export.zip"
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "unpacked")
    path.unlink()
    for name in LEFT - {"MODEL_CARD.md"}:
        assert (tmp_path / "unpacked" / home.run.id / name).read_bytes() == (home.bundle / name).read_bytes()


def test_what_cannot_be_exported_is_said_in_a_sentence(home: Exported, tmp_path: Path) -> None:
    def refused(run: Run, folder: Path, match: str) -> None:
        with pytest.raises(EngineError, match=match):
            exported(home, run, folder)

    waiting = RunStore(home.workspace).enqueue(home.config())
    refused(waiting, tmp_path / "bundle", "no trained weights to export: it is queued")
    refused(home.begun(), tmp_path / "bundle", "is still training")
    (tmp_path / "full").mkdir()
    mine = tmp_path / "full" / "mine.txt"
    mine.write_text("mine")
    refused(home.run, tmp_path / "full", "not an empty folder")
    refused(home.run, mine, "not an empty folder")
    refused(home.run, mine / "bundle", "cannot be written")
    assert list((tmp_path / "full").iterdir()) == [mine] and mine.read_text() == "mine"
    assert not (tmp_path / "bundle").exists()


def test_closing_ends_the_check_and_leaves_nothing(home: Exported, tmp_path: Path) -> None:
    work = export_run(home.workspace, home.run.id, tmp_path / "out" / "bundle")
    while next(work).stage != "checking the bundle":
        pass
    assert list((tmp_path / "out").iterdir())
    work.close()
    assert not list((tmp_path / "out").iterdir())


def test_onnx_answers_the_same_or_is_left_out_with_a_sentence(home: Exported) -> None:
    if FORMATS[1].missing:
        assert "model.onnx is left out" in home.made.checks[1] and "requirements-export.txt" in home.made.checks[1]
        assert not (home.bundle / "model.onnx").exists()
        return
    assert "model.onnx answers the same in onnxruntime" in home.made.checks[1]
    images = torch.rand(5, 3, 32, 32)
    model = resnet18(num_classes=3).eval()
    model.load_state_dict(load_file(home.bundle / "model.safetensors"))
    expected = model(images).softmax(1).detach().numpy()
    assert np.abs(onnx_file.probabilities(home.bundle / "model.onnx", images) - expected).max() < 1e-4


def test_weights_are_followed_to_where_they_came_from(home: Exported) -> None:
    def origin(**fields: object) -> Provenance:
        return export._provenance(home.workspace, RunConfig(dataset="dataset-00000000", **fields))  # type: ignore[arg-type]

    assert "started from random values" in origin(backbone="resnet18", weights="none").text
    assert "started from random values" in origin(backbone="resnet18", strategy="from_scratch").text
    published = origin(backbone="resnet18")
    assert "ResNet18_Weights.IMAGENET1K_V1" in published.text and "names no licence" in published.text
    swag = origin(backbone="vit_b_16", weights="IMAGENET1K_SWAG_LINEAR_V1")
    assert "first address below" in swag.text and "SWAG/blob/main/LICENSE" in swag.links[0]
    later = origin(backbone="resnet18", weights=f"run:{home.run.id}").text
    assert home.run.id in later and "started from random values" in later
    assert "nothing is left" in origin(backbone="resnet18", weights="run:run-0123456789").text
    assert "no longer in the workspace" in origin(backbone="resnet18", weights="file:weights-0123456789").text


def odd_pictures(folder: Path) -> Path:
    """Eleven ways to save a picture, among them all that need care."""
    folder.mkdir()
    random = np.random.default_rng(1)
    pixels = np.kron(random.integers(0, 256, (6, 9, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    colour = Image.fromarray(pixels)
    turned = Image.Exif()
    turned[0x0112] = 6
    colour.save(folder / "turned.jpg", exif=turned)
    colour.convert("CMYK").save(folder / "cmyk.jpg")
    colour.convert("L").save(folder / "grey.png")
    colour.resize((20, 90)).save(folder / "narrow.bmp")
    colour.quantize(16).save(folder / "palette.png", transparency=3)
    alpha = Image.fromarray((pixels[..., 0] > 99).astype(np.uint8) * 180)
    colour.putalpha(alpha)
    colour.save(folder / "alpha.png")
    colour.save(folder / "alpha.webp", lossless=True)
    colour.convert("LA").save(folder / "grey alpha.png")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 200).save(folder / "sixteen.png")
    Image.fromarray(pixels[..., 1].astype(np.float32) / 255).save(folder / "float.tif")
    Image.fromarray(pixels[..., 2].astype(np.int32) * 1000).save(folder / "wide.tiff")
    return folder
