"""What pages claim of labels, confidences, heat maps and forecasts, measured on given images with given weights.

    python -m tests.claims --weights FILE --backbone mobilenet_v2 --data a.zip --data b.zip [--out docs/claims.md]

Wrong labels are planted, images are set beside nothing, and a forecast is compared with what a run took. Not a test:
pytest does not collect it.
"""

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from engine import devices
from engine.config import to_json
from engine.data.dataset import commit
from engine.data.dataset_records import Dataset
from engine.data.decoder import decode
from engine.data.importer import scan
from engine.data.preprocessing import eval_crop
from engine.evaluation import calibration, label_issues, predictions
from engine.evaluation.grad_cam import find_target_layer, heat_maps, random_maps
from engine.jobs import embedding, embedding_files, forecast, trained
from engine.jobs.forecast_files import forecast_of
from engine.jobs.records import OfQueue, OfRun
from engine.models.bringing import bring
from engine.runconfig import RunConfig
from engine.runs.pipeline import execute
from engine.store.run_record import Run
from engine.store.run_store import RunStore
from engine.training.freezing import validate
from engine.workspace import Workspace, open_workspace

SHARE, DRAWS, LOOKED_AT = 0.05, 3, 60


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Planted wrong labels among all images, means over the draws: shares from 0 to 1."""

    images: int
    planted: float
    listed: float
    precision_at_planted: float
    recall_at_planted: float
    recall: float
    said_of_clean: int
    """Images that are suspected as they came."""


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """On test images: expected calibration error raw and after the temperature of the validation images, with the
    upper end of what a perfect model would show; and log losses."""

    raw: float
    cooled: float
    perfect: float
    log_loss: float
    cooled_log_loss: float
    temperature: float


@dataclass(frozen=True, kw_only=True)
class Maps:
    """Share of images of which most of the map lies in the half that shows the photograph, and the same behind a
    random head."""

    images: int
    found: float
    chance: float
    mass: float
    """Mean share of the map in that half."""


@dataclass(frozen=True, kw_only=True)
class Foretold:
    strategy: str
    forecast: float
    took: float


@dataclass(frozen=True, kw_only=True)
class Row:
    name: str
    labels: Labels | str
    confidence: dict[str, Confidence]
    maps: Maps
    foretold: tuple[Foretold, ...]


def label_row(coordinates: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> Labels | str:
    if too_few := label_issues.too_few_images(labels, classes):
        return too_few
    count = max(1, round(SHARE * len(labels)))
    rows = []
    for draw in range(DRAWS):
        random = np.random.default_rng(draw)
        places = random.choice(len(labels), count, replace=False)
        flipped = labels.copy()
        flipped[places] = (labels[places] + random.integers(1, len(classes), count)) % len(classes)
        found = [issue.place for issue in issues_of(coordinates, flipped)]
        top, wrong = set(found[:count]), set(places.tolist())
        rows.append(
            (len(found), len(top & wrong) / max(1, len(top)), len(top & wrong) / count, len(set(found) & wrong))
        )
    listed, precision, recall, caught = (float(column) for column in np.mean(rows, axis=0))
    return Labels(
        images=len(labels),
        planted=count,
        listed=listed,
        precision_at_planted=precision,
        recall_at_planted=recall,
        recall=caught / count,
        said_of_clean=len(issues_of(coordinates, labels)),
    )


def issues_of(coordinates: np.ndarray, labels: np.ndarray) -> tuple[label_issues.LabelIssue, ...]:
    return label_issues.find_label_issues(label_issues.out_of_fold_probabilities(coordinates, labels), labels)


def confidence_row(workspace: Workspace, run: Run, dataset: Dataset) -> Confidence:
    table = predictions.read(workspace.run(run.id) / "predictions.csv")
    columns = [name for name in table.columns if name.startswith(predictions.PREFIX)]

    def answers(split: str) -> tuple[np.ndarray, np.ndarray]:
        rows = table[table["split"] == split]
        return rows[columns].to_numpy(float), rows["label"].map(list(dataset.classes).index).to_numpy()

    (seen, seen_labels), (test, labels) = answers("val"), answers("test")
    temperature = calibration.fit_temperature(seen, seen_labels)
    powered = np.maximum(test, 1e-12) ** (1 / temperature)
    cooled = powered / powered.sum(1, keepdims=True)
    rows = np.arange(len(labels))
    raw = calibration.expected_calibration_error(test, labels)
    return Confidence(
        raw=raw.error,
        cooled=calibration.expected_calibration_error(cooled, labels).error,
        perfect=raw.high,
        log_loss=float(-np.log(np.maximum(test[rows, labels], 1e-12)).mean()),
        cooled_log_loss=float(-np.log(np.maximum(cooled[rows, labels], 1e-12)).mean()),
        temperature=temperature,
    )


def map_row(workspace: Workspace, run: Run, dataset: Dataset) -> Maps:
    """Photographs at half size on a plain ground, in the left or the right half; the map of the right class."""
    loaded = trained.load(workspace, run)
    side = loaded.preprocessing.crop
    random, found = np.random.default_rng(0), []
    test = dataset.images_of("test")
    chosen = [test[place] for place in random.permutation(len(test))[:LOOKED_AT]]
    layer = find_target_layer(loaded.chain, loaded.images(np.zeros((1, side, side, 3), np.uint8) + 99))
    for image in chosen:
        photograph = Image.fromarray(eval_crop(decode(dataset.image_path(image)), loaded.preprocessing))
        ground = Image.new("RGB", (side, side), tuple(int(value) for value in np.asarray(photograph).mean((0, 1))))
        right = bool(random.integers(2))
        ground.paste(photograph.resize((side // 2, side // 2)), (side // 2 if right else 0, side // 4))
        inputs = loaded.images(np.asarray(ground)[None])
        halves = []
        for maps in (heat_maps(layer, inputs, image.label), random_maps(layer, inputs, image.label, seed=0)):
            total = float(maps.sum())
            half = maps[0][:, side // 2 :] if right else maps[0][:, : side // 2]
            halves.append(float(half.sum()) / total if total else 0.5)
        found.append(halves)
    shares = np.array(found)
    return Maps(
        images=len(chosen),
        found=float((shares[:, 0] > 0.5).mean()),
        chance=float((shares[:, 1] > 0.5).mean()),
        mass=float(shares[:, 0].mean()),
    )


def run_of(workspace: Workspace, config: RunConfig) -> tuple[Run, float]:
    """A run, here and now, and the seconds it took."""
    store, started = RunStore(workspace), time.monotonic()
    run = store.enqueue(config, owner="claims")
    for event in execute(run, workspace, device=config.device):
        store.record(run.id, event)
    store.finish(run.id, "finished")
    return store.get(run.id), time.monotonic() - started


def measured(source: Path, base: RunConfig, weights: str, strategies: Sequence[str]) -> Row:
    with TemporaryDirectory() as folder:
        workspace = open_workspace(folder)
        brought = f"file:{bring(workspace, Path(weights), Path(weights).name, backbone=base.backbone).weights}"
        dataset = commit(workspace, scan(workspace, source, name=source.stem))
        shared = replace(base, dataset=dataset.id, weights=brought)
        configs = [validate(replace(shared, strategy=name)) for name in strategies]
        for _ in forecast.forecast(workspace, OfQueue(configs=tuple(map(to_json, configs)))):
            pass
        foretold = [forecast_of(workspace, config) for config in configs]
        runs = [run_of(workspace, config) for config in configs]
        head = runs[0][0]
        for _ in embedding.embed(workspace, OfRun(run=head.id, device=base.device)):
            pass
        coordinates = embedding_files.read(workspace, head.id).coordinates
        return Row(
            name=source.stem,
            labels=label_row(coordinates, np.array([image.label for image in dataset.images]), dataset.classes),
            confidence={
                name: confidence_row(workspace, run, dataset) for name, (run, _) in zip(strategies, runs, strict=True)
            },
            maps=map_row(workspace, head, dataset),
            foretold=tuple(
                Foretold(strategy=name, forecast=one.seconds if one else 0.0, took=took)
                for name, one, (_, took) in zip(strategies, foretold, runs, strict=True)
            ),
        )


def page(rows: Sequence[Row], command: str) -> str:
    lines = [
        "# Claims, measured",
        "",
        "What Predictions and Configure say beside an accuracy, checked where the right answer is known.",
        "",
        "## Labels that look wrong",
        "",
        f"{SHARE:.0%} of all labels are changed to another class at random, {DRAWS} draws; features of the frozen",
        "backbone. *Top* is as many images of the list as labels were planted. What is suspected of the labels as they",
        "came may be wrong labels of the dataset itself: nobody has looked.",
        "",
        "| dataset | images | planted | listed | right among the top | found in the top | found in the whole list "
        "| suspected as it came |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        found = row.labels
        lines.append(
            f"| {row.name} | {found} | | | | | | |"
            if isinstance(found, str)
            else f"| {row.name} | {found.images:,} | {found.planted:.0f} | {found.listed:.0f} | "
            f"{found.precision_at_planted:.0%} | {found.recall_at_planted:.0%} | {found.recall:.0%} | "
            f"{found.said_of_clean} |"
        )
    lines += [
        "",
        "## Confidence",
        "",
        "Expected calibration error of the test images, in points, as the model answers and after the temperature that",
        "fits the validation images; *perfect* is the upper end of what a model shows whose confidences are exactly",
        "right.",
        "",
        "| dataset | strategy | raw | with temperature | perfect | log loss | with temperature | temperature |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {row.name} | {name} | {100 * one.raw:.1f} | {100 * one.cooled:.1f} | {100 * one.perfect:.1f} | "
        f"{one.log_loss:.3f} | {one.cooled_log_loss:.3f} | {one.temperature:.2f} |"
        for row in rows
        for name, one in row.confidence.items()
    ]
    lines += [
        "",
        "## Heat maps",
        "",
        f"At most {LOOKED_AT} test photographs, each at half size in the left or the right half of a plain picture.",
        "*Found* are those of which more than half of the map for the right class lies on the photograph's side;",
        "the same behind a random head shows how much of that the network's own structure does.",
        "",
        "| dataset | pictures | found | share of the map there | found with a random head |",
        "|---|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {row.name} | {row.maps.images} | {row.maps.found:.0%} | {row.maps.mass:.0%} | {row.maps.chance:.0%} |"
        for row in rows
    ]
    lines += [
        "",
        "## Forecast",
        "",
        "Seconds of a run as the forecast said before, and as it took, the strategies one after the other.",
        "",
        "| dataset | strategy | forecast | took | took / forecast |",
        "|---|---|--:|--:|--:|",
    ]
    lines += [
        f"| {row.name} | {one.strategy} | {one.forecast:.1f} | {one.took:.1f} | "
        f"{one.took / one.forecast if one.forecast else float('nan'):.2f} |"
        for row in rows
        for one in row.foretold
    ]
    day, threads = datetime.now(UTC).date().isoformat(), torch.get_num_threads()
    lines += ["", f"`{command}` on {day}: {devices.name(torch.device('cpu'))}, {threads} threads.", ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", required=True)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--data", action="append", required=True, type=Path)
    parser.add_argument("--image-size", type=int, default=0)
    parser.add_argument("--strategies", default="linear_probe,last_block")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    devices.set_threads(0)
    base = RunConfig(dataset="", backbone=given.backbone, image_size=given.image_size, device="cpu")
    rows = []
    for source in given.data:
        rows.append(measured(source, base, given.weights, given.strategies.split(",")))
        print(rows[-1], file=sys.stderr, flush=True)
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    text = page(rows, shlex.join(["python", "-m", "tests.claims", *words]))
    given.out.write_text(text, encoding="utf-8") if given.out else print(text)


if __name__ == "__main__":
    main()
