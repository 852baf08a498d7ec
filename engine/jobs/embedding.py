"""Embedding: the features that a finished run sees in all images of its dataset, and what they say of labels and
copies.

A composer: activations of the frozen part are read where they are kept. Not here: the methods (evaluation), the files
(embedding_files).
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from engine import devices
from engine.data.dataset_records import SPLITS, Dataset
from engine.data.decoder import decode
from engine.data.pixel_cache import Augmentation, Pixels, open_pixels
from engine.data.pool import ordered
from engine.errors import DatasetError, ImageError, RunError
from engine.evaluation import label_issues, predictions, similarity
from engine.evaluation.similarity import PrincipalComponents
from engine.events import Event, Progress, Result
from engine.jobs import embedding_files, records
from engine.jobs.embedding_files import Doubt, Embedded, Facts, Twins
from engine.jobs.trained import dataset_of, numerics_of, weights_path
from engine.models.loading import load_trained
from engine.runconfig import RunConfig
from engine.runs.recorder import read_preprocessing
from engine.runs.sharing import filled_cache
from engine.store.run import Run
from engine.store.run_store import RunStore
from engine.training.audit import digests
from engine.training.batches import PixelSource, Source, filled
from engine.training.cuts import Slot, readings
from engine.training.feature_cache import Origin
from engine.training.freezing import plan_for
from engine.training.plan import untouched
from engine.training.prefix import CHUNK, through_frozen
from engine.training.state import Training
from engine.workspace import Workspace

LISTED = 500
"""Suspects and pairs that are kept at most, the clearest first."""
_FLIPPED = 128
_OWN_FLIPS = 0.05
"""Two images count as the same picture when they are as close as all but this share of images are to their own mirror
images."""
_LEAST_COSINE = 0.5
"""In any case, for a model to which mirror images are other pictures."""
_BATCH = 4 * CHUNK


@dataclass(kw_only=True)
class _Model:
    """A trained run on the device, and the images it is asked about."""

    run: Run
    dataset: Dataset
    origin: Origin
    frozen: bool


def embed(workspace: Workspace, asked: records.OfRun) -> Iterator[Event]:
    """Features of all images of a run, and what they say of labels and copies, into the folder of the run."""
    run = RunStore(workspace).get(asked.run)
    if run.status in ("running", "queued"):
        raise RunError(f"{run.name} has no trained weights yet: it is {run.status}. Let it finish first.")
    weights_path(workspace, run)
    dataset = dataset_of(workspace, run)
    yield Progress(stage="loading the model", done=0, total=len(dataset.images))
    preprocessing = read_preprocessing(workspace.run(run.id))
    with open_pixels(workspace, dataset, preprocessing, augmentation=Augmentation(views=0)) as shown:
        model = _load(workspace, run, dataset, shown, asked.device)
        seen = yield from _features(model)
        room = similarity.principal_components(seen)
        least = _threshold(model, room, seen)
    yield Progress(stage="comparing images", done=0, total=len(dataset.images))
    hashes = yield from _hashes(dataset)
    yield Progress(stage="checking labels", done=0, total=1)
    made = _judged(workspace, model, room, hashes, least)
    embedding_files.keep(workspace, run.id, made)
    doubts, twins = len(made.facts.doubts), made.facts.twins_found
    yield Result.of(records.Embedded(images=len(dataset.images), suspects=doubts, twins=twins))


def _load(workspace: Workspace, run: Run, dataset: Dataset, shown: Pixels, device: str) -> _Model:
    """The weights of the best epoch. Blocks that never trained are bit for bit what they were, so what was kept of them
    is found."""
    place, folder = devices.pick(device), workspace.run(run.id)
    chosen = numerics_of(folder, place)
    chain = load_trained(folder, run.config.backbone, image_size=shown.preprocessing.crop)
    known = digests(chain.model.state_dict())
    chain.model.to(place)
    chain.model.to(memory_format=chosen.memory_format)
    outline = chain.outline()
    plan = plan_for(outline, run.config)
    training = Training(chain, outline, plan, config=run.config, dtype=chosen.dtype)
    sources: dict[str, Source] = {}
    for split in SPLITS:
        images = dataset.images_of(split)
        rows, labels = np.array([image.index for image in images], dtype=np.int64), [image.label for image in images]
        layout = chosen.memory_format
        sources[split] = PixelSource(
            shown, rows, labels, preprocessing=shown.preprocessing, device=place, memory_format=layout
        )
    origin = Origin(
        workspace=workspace,
        pixels=shown,
        training=training,
        numerics=chosen,
        digests=known,
        sources=sources,  # type: ignore[arg-type]
    )
    frozen = untouched(outline, plan, plan.epochs - 1) >= len(chain.blocks) - 1
    return _Model(run=run, dataset=dataset, origin=origin, frozen=frozen)


def _features(model: _Model) -> Generator[Progress, None, np.ndarray]:
    """float32 [images, d] in the order of the dataset: what the head is given, averaged over places if it is given a
    map."""
    origin, dataset = model.origin, model.dataset
    rows: np.ndarray | None = None
    done, total = 0, len(dataset.images)
    with (yield from filled_cache(origin, _reusable(origin.training, model.run.config))) as cache:
        for split in SPLITS:
            images = np.array([image.index for image in dataset.images_of(split)], dtype=np.int64)
            places = np.arange(len(images))
            source = cache.source(origin.sources[split], split, pixels=origin.pixels, places=places)
            start = source.start(len(origin.training.chain.blocks) - 1, None)
            batches = [places[at : at + _BATCH] for at in range(0, len(places), _BATCH)]
            for part, inputs in filled(source, batches, epoch=None, start=start):
                made = _before_head(origin.training, inputs, start)
                rows = np.zeros((total, made.shape[1]), dtype=np.float32) if rows is None else rows
                rows[images[part]] = made
                done += len(part)
                yield Progress(stage="features", done=done, total=total)
    if rows is None:
        raise DatasetError(f"The dataset {dataset.name} has no images.")
    return rows


def _reusable(training: Training, config: RunConfig) -> dict[Slot, int]:
    """What will be read of blocks that no epoch has touched."""
    reach = untouched(training.outline, training.plan, training.plan.epochs - 1)
    slots = readings(training.outline, training.plan, config)
    wanted = {slot: 1 for slot in slots if slot.view is None and slot.cut <= reach}
    if reach:
        wanted[Slot(split="train", view=None, cut=reach)] = 1
    return wanted


@torch.no_grad()
def _before_head(training: Training, inputs: torch.Tensor, start: int) -> np.ndarray:
    """float32 [N, d]: the input of the head for inputs of block `start`."""
    chain, caught = training.chain, []
    chain.train_blocks(())
    head = chain.model.get_submodule(chain.head)
    handle = head.register_forward_pre_hook(lambda _, given: caught.append(given[0].detach()))
    try:
        with training.autocast():
            chain(through_frozen(chain, inputs, start=start, stop=len(chain.blocks) - 1), len(chain.blocks) - 1)
    finally:
        handle.remove()
    found = caught[-1].float()
    return found.flatten(2).mean(2).cpu().numpy() if found.ndim == 4 else found.reshape(len(inputs), -1).cpu().numpy()


def _threshold(model: _Model, room: PrincipalComponents, seen: np.ndarray) -> float:
    """The cosine that almost all images reach with their own mirror images."""
    source, images = model.origin.sources["train"], model.dataset.images_of("train")
    chosen = np.unique(np.linspace(0, len(images) - 1, min(_FLIPPED, len(images))).astype(np.int64))
    close = [np.ones(0, dtype=np.float32)]
    for at in range(0, len(chosen), _BATCH):
        part = chosen[at : at + _BATCH]
        mirrored = source.batch(part, None).flip(3)
        there = room.place(seen[[images[place].index for place in part]])
        close.append(similarity.cosine_similarity(there, room.place(_before_head(model.origin.training, mirrored, 0))))
    all_ = np.concatenate(close)
    return max(float(np.quantile(all_, _OWN_FLIPS)), _LEAST_COSINE) if len(all_) else 1.0


def _hashes(dataset: Dataset) -> Generator[Progress, None, list[int]]:
    """The difference hash of every image, from its thumbnail."""
    made: list[int] = []
    for image, value in zip(
        dataset.images, ordered(lambda one: _hash(dataset, one.index), dataset.images), strict=True
    ):
        made.append(value)
        if image.index % 500 == 0:
            yield Progress(stage="comparing images", done=len(made), total=len(dataset.images))
    return made


def _hash(dataset: Dataset, index: int) -> int:
    image = dataset.images[index]
    for path in (dataset.thumbnail_path(image), dataset.image_path(image)):
        try:
            return similarity.difference_hash(np.asarray(decode(path).convert("L").resize((9, 8)), dtype=np.int16))
        except ImageError:
            continue
    raise DatasetError(f"The image {image.name!r} of the dataset {dataset.name!r} can no longer be read.")


def _judged(
    workspace: Workspace, model: _Model, room: PrincipalComponents, hashes: list[int], least: float
) -> Embedded:
    dataset = model.dataset
    labels = np.array([image.label for image in dataset.images])
    training_images = np.array([image.index for image in dataset.images_of("train")], dtype=np.int64)
    nearest, close = similarity.nearest_neighbours(room.coordinates, training_images)
    pairs = similarity.near_duplicates(hashes, [image.split for image in dataset.images], room.coordinates, least=least)
    unchecked = label_issues.too_few_images(labels, dataset.classes)
    found = (
        ()
        if unchecked
        else label_issues.find_label_issues(label_issues.out_of_fold_probabilities(room.coordinates, labels), labels)
    )
    if unchecked := unchecked or label_issues.too_many_issues(len(found), len(labels)):
        found = ()
    right, without = _accuracies(workspace, model.run, {place for pair in pairs for place in (pair.first, pair.second)})
    facts = Facts(
        explained=(room.explained[0], room.explained[1]),
        frozen=model.frozen,
        unchecked=unchecked,
        doubts=tuple(
            Doubt(
                image=one.place,
                given=dataset.classes[labels[one.place]],
                suggested=dataset.classes[one.suggested],
                confidence=one.confidence,
                given_confidence=one.given,
            )
            for one in found[:LISTED]
        ),
        twins=tuple(
            Twins(first=one.first, second=one.second, bits=one.bits, cosine=one.cosine) for one in pairs[:LISTED]
        ),
        twins_found=len(pairs),
        least_cosine=least,
        accuracy=right,
        accuracy_without=without,
    )
    return Embedded(facts=facts, coordinates=room.coordinates, nearest=nearest, cosines=close)


def _accuracies(workspace: Workspace, run: Run, twins: set[int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """(right, images) of the test images, and of those that have no twin in another split."""
    table = predictions.read(workspace.run(run.id) / "predictions.csv")
    test = table[(table["split"] == "test") & (table["error"] == "") & (table["label"] != "")]
    alone = test[~test["image"].isin(twins)]
    return tuple((int((part["label"] == part["predict"]).sum()), len(part)) for part in (test, alone))  # type: ignore[return-value]
