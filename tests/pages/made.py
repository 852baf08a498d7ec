"""Datasets and runs as the engine leaves them on disk, made small and quickly for the tests of the pages."""

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw

from engine.data.dataset import commit
from engine.data.dataset_files import read_draft, write_draft, write_import
from engine.data.dataset_records import Dataset, Draft, Image, Problem
from engine.data.drafts import draft_folder
from engine.data.imported import Imported, ReadingOfImages, draft_of
from engine.evaluation import metrics, predictions, result_csv
from engine.evaluation.metric_records import write_metrics
from engine.jobs.embedding_files import Embedded, Facts, LabelIssue, NearDuplicate
from engine.runconfig import RunConfig
from engine.store.run_record import Run
from engine.store.run_store import RunStore
from engine.workspace import Workspace, new_id

CLASSES = ("고양이 [cat](http://evil.example)", "dog :red[*x*]", "나비 <b>butterfly</b>")
PROBLEMS = (
    Problem(name="cat/._junk.gif", reason="This is not an image."),
    Problem(name=".DS_Store", reason="system file"),
)


def draft(
    workspace: Workspace,
    *,
    classes: tuple[str, ...] = CLASSES,
    each: int = 12,
    copies: int = 1,
    name: str = "동물 *pets*",
) -> str:
    """The id of an import that waits: `each` images a class, and extra copies of the first."""
    draft_id = new_id("draft")
    folder = draft_folder(workspace, draft_id)
    (folder / "images").mkdir(parents=True)
    (folder / "thumbs").mkdir()
    images = [
        _draw(folder, label, _scene(label, number + 100 * len(classes) * label, 160), name=f"{number}.png")
        for label in range(len(classes))
        for number in range(each)
    ]
    images += [replace(images[0], name=f"copy {number} of the first.png") for number in range(copies)]
    draft = Draft(
        name=name,
        source="pets.zip",
        layout="One folder per class.",
        classes=classes,
        problems=PROBLEMS,
        given=(None,) * len(images),
        images=tuple(
            replace(image, index=index, name=f"{classes[image.label]}/{image.name}")
            for index, image in enumerate(images)
        ),
    )
    write_draft(folder, draft)
    return draft_id


def doubtful_draft(workspace: Workspace) -> str:
    """The id of an import whose classes are either fruits or their states, and which says that it does not know."""
    draft_id = draft(workspace, classes=("fresh", "rotten"), copies=0)
    folder = draft_folder(workspace, draft_id)
    images = read_draft(folder).images
    labels, states = [int(number % 2) for number in range(len(images))], [image.label for image in images]
    readings = [
        ReadingOfImages(
            key=key,
            sentence=f"Classes are the folders at level {key} ({CLASSES[0]}).",
            doubts=doubts,
            classes=classes,
            labels=tuple(by),
            given=(None,) * len(images),
            groups=("",) * len(images),
            problems=(),
        )
        for key, by, classes, doubts in (
            ("1", labels, ("apple", CLASSES[0]), (f"Both hold the folder {CLASSES[0]}.",)),
            ("2", states, ("fresh", "rotten"), ()),
        )
    ]
    imported = Imported(name="fruit", source="fruit.zip", images=images, problems=(), readings=tuple(readings))
    write_import(folder, imported)
    write_draft(folder, draft_of(imported, "1"))
    return draft_id


def dataset(workspace: Workspace, **options: object) -> Dataset:
    return commit(workspace, draft(workspace, **options))  # type: ignore[arg-type]


def finished_run(workspace: Workspace, of: Dataset, *, name: str = "first *run*", seed: int = 0) -> Run:
    """A run with its folder, whose model is right most of the time."""
    store = RunStore(workspace)
    run = store.enqueue(RunConfig(dataset=of.id, backbone="resnet18"), name=name, owner="1:1")
    folder = workspace.run(run.id)
    folder.mkdir(parents=True)
    images = [*of.images_of("val"), *of.images_of("test")]
    table = predictions.numbered(
        predictions.build(
            [image.name for image in images],
            splits=[image.split for image in images],
            labels=[of.classes[image.label] for image in images],
            probabilities=_guesses([image.label for image in images], len(of.classes), seed),
            classes=of.classes,
        ),
        [image.index for image in images],
    )
    predictions.write(folder / "predictions.csv", table)
    write_metrics(folder, metrics.compute_metrics(table, of.classes))
    (folder / "classes.json").write_text(json.dumps(list(of.classes)))
    result_csv.write_result(folder / "result.csv", table, run.id)
    store.finish(run.id, "finished")
    return store.get(run.id)


def new_predictions(workspace: Workspace, run: Run) -> str:
    """What a predict job leaves: two images, and one that could not be read."""
    predictions_id = new_id("predict")
    folder = workspace.run(run.id) / "predictions" / predictions_id
    (folder / "thumbs").mkdir(parents=True)
    table = predictions.build(
        ["새 사진.png", "b.png"],
        splits=["new", "new"],
        labels=["", ""],
        probabilities=_guesses([0, 1], len(CLASSES), 3),
        classes=CLASSES,
    )
    table = predictions.with_unreadable(table, [("broken.jpg", "The file ends early.")])
    predictions.write(folder / "predictions.csv", table)
    result_csv.write_result(folder / "result.csv", table, run.id)
    for row in range(2):
        (folder / "thumbs" / f"{row}.jpg").write_bytes(_encode(_scene(row, row, 96), "JPEG"))
    return predictions_id


def embedded(dataset: Dataset, **facts: object) -> Embedded:
    """What an embedding job finds: three labels that look wrong, and one pair of near duplicates; or other `facts`."""
    random, images = np.random.default_rng(0), len(dataset.images)
    issues = tuple(
        LabelIssue(
            image=image,
            given=dataset.classes[dataset.images[image].label],
            suggested=dataset.classes[2],
            confidence=0.9,
            given_confidence=0.1,
        )
        for image in (0, 1, 2)
    )
    fields = {
        "explained": (0.5, 0.2),
        "frozen": True,
        "unchecked": "",
        "doubts": issues,
        "twins": (NearDuplicate(first=0, second=30, bits=3, cosine=0.99),),
        "twins_found": 1,
        "least_cosine": 0.9,
        "accuracy": (12, 14),
        "accuracy_without": (10, 12),
    }
    return Embedded(
        facts=Facts(**{**fields, **facts}),  # type: ignore[arg-type]
        coordinates=random.normal(size=(images, 8)).astype(np.float32),
        nearest=random.integers(0, images, (images, 5)).astype(np.int32),
        cosines=random.random((images, 5)).astype(np.float32),
    )


def _guesses(labels: list[int], classes: int, seed: int) -> np.ndarray:
    scores = np.random.default_rng(seed).normal(size=(len(labels), classes))
    scores[np.arange(len(labels)), labels] += 1.5
    odds = np.exp(scores * 1.3)
    return odds / odds.sum(axis=1, keepdims=True)


def _draw(folder: Path, label: int, picture: Picture.Image, *, name: str) -> Image:
    """The picture and its thumbnail as files of a draft."""
    content = _encode(picture, "PNG")
    digest, (width, height) = hashlib.sha256(content).hexdigest(), picture.size
    file = f"{digest[:24]}.png"
    (folder / "images" / file).write_bytes(content)
    picture.thumbnail((160, 160))
    (folder / "thumbs" / file).with_suffix(".jpg").write_bytes(_encode(picture, "JPEG"))
    size = {"width": width, "height": height, "bytes": len(content)}
    return Image(index=0, name=name, file=file, label=label, split="train", sha256=digest, **size)


def _scene(label: int, seed: int, side: int) -> Picture.Image:
    random = np.random.default_rng(seed)
    picture = Picture.new("RGB", (side, side), tuple(int(v) for v in random.integers(150, 240, 3)))
    brush = ImageDraw.Draw(picture)
    for _ in range(4):
        x, y, r = (int(v) for v in random.integers(0, side, 3))
        shape = (x - r // 4, y - r // 4, x + r // 4 + 4, y + r // 4 + 4)
        colour = tuple(int(v) for v in random.integers(20, 200, 3))
        (brush.ellipse, brush.rectangle, brush.rounded_rectangle)[label % 3](shape, fill=colour)
    return picture


def _encode(picture: Picture.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()
