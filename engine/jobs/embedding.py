"""Embedding: what a finished run sees in all images of its dataset, and what that says of labels and copies.

Activations of the frozen part are read where they are kept. Not here: the methods (evaluation), embedding_files.
"""

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from engine.data.dataset_records import SPLITS, Dataset, Image
from engine.data.decoder import decode
from engine.data.pixel_cache import Augmentation, Pixels, open_pixels
from engine.data.pool import ordered
from engine.errors import DatasetError, ImageError, RunError
from engine.evaluation import label_issues, predictions, similarity
from engine.evaluation.similarity import NearDuplicate, PrincipalComponents
from engine.events import Event, Progress, Result
from engine.jobs import embedding_files, records
from engine.jobs.embedding_files import Embedded, Facts, LabelIssue
from engine.jobs.trained import Trained, dataset_of, load, weights_path
from engine.runs.session import pixel_source
from engine.runs.sharing import filled_cache
from engine.store.run_store import RunStore
from engine.training.audit import digests
from engine.training.batches import filled
from engine.training.freezing import plan_for
from engine.training.frozen.cuts import Slot, readings
from engine.training.frozen.feature_cache import Origin
from engine.training.frozen.prefix import CHUNK, through_frozen
from engine.training.plan import untouched
from engine.training.state import Training
from engine.workspace import Workspace

LISTED = 500
"""Suspects and pairs that are kept at most, the clearest first."""
_FLIPPED = 128
_OWN_FLIPS = 0.05
"""Two images are the same picture when they are as close as all but this share of images to their mirror images."""
_LEAST_COSINE = 0.5
"""In any case, for a model to which mirror images are other pictures."""
_BATCH = 4 * CHUNK


def embed(workspace: Workspace, asked: records.OfRun) -> Iterator[Event]:
    """Features of all images of a run, and what they say of labels and copies, into the folder of the run."""
    run = RunStore(workspace).get(asked.run)
    if run.status in ("running", "queued"):
        raise RunError(f"{run.name} has no trained weights yet: it is {run.status}. Let it finish first.")
    weights_path(workspace, run)
    dataset = dataset_of(workspace, run)
    yield Progress(stage="loading the model", total=len(dataset.images))
    trained = load(workspace, run, device=asked.device)
    with open_pixels(workspace, dataset, trained.preprocessing, augmentation=Augmentation(views=0)) as pixels:
        origin = _origin(workspace, trained, pixels, dataset=dataset)
        features = yield from _features(origin, dataset)
        components = similarity.principal_components(features)
        least = _threshold(origin, components, features[[image.index for image in dataset.images_of("train")]])
    yield Progress(stage="comparing images", total=len(dataset.images))
    hashes = yield from _hashes(dataset)
    splits = [image.split for image in dataset.images]
    twins = similarity.near_duplicates(hashes, splits, components.coordinates, least=least)
    yield Progress(stage="checking labels", total=1)
    made = _embedded(trained, dataset, components, twins=twins, least=least)
    embedding_files.keep_embedding(workspace, run.id, made)
    yield Result.of(
        records.EmbeddingCounts(
            images=len(dataset.images), suspects=len(made.facts.doubts), twins=made.facts.twins_found
        )
    )


def _origin(workspace: Workspace, trained: Trained, pixels: Pixels, *, dataset: Dataset) -> Origin:
    """Blocks that never trained are bit for bit what they were, so what was kept of them is found."""
    chain, config = trained.chain, trained.config
    outline = chain.outline()
    return Origin(
        workspace=workspace,
        pixels=pixels,
        training=Training(chain, outline, plan_for(outline, config), config=config, dtype=trained.numerics.dtype),
        numerics=trained.numerics,
        digests=digests(chain.model.state_dict()),
        sources={
            split: pixel_source(pixels, dataset.images_of(split), device=trained.device, numerics=trained.numerics)
            for split in SPLITS
        },
    )


def _features(origin: Origin, dataset: Dataset) -> Generator[Progress, None, np.ndarray]:
    """float32 [images, d] in the order of the dataset: what the head is given, averaged over places of a map."""
    rows: np.ndarray | None = None
    done, total = 0, len(dataset.images)
    with (yield from filled_cache(origin, _reusable(origin.training))) as cache:
        for split in SPLITS:
            images = np.array([image.index for image in dataset.images_of(split)], dtype=np.int64)
            places = np.arange(len(images))
            source = cache.source(origin.sources[split], split, pixels=origin.pixels, places=places)
            start = source.start(len(origin.training.chain.blocks) - 1, None)
            for part, inputs in filled(source, _batches(places), epoch=None, start=start):
                features = _before_head(origin.training, inputs, start)
                rows = np.zeros((total, features.shape[1]), dtype=np.float32) if rows is None else rows
                rows[images[part]] = features
                done += len(part)
                yield Progress(stage="features", done=done, total=total)
    if rows is None:
        raise DatasetError(f"The dataset {dataset.name} has no images.")
    return rows


def _batches(places: np.ndarray) -> list[np.ndarray]:
    return [places[at : at + _BATCH] for at in range(0, len(places), _BATCH)]


def _reusable(training: Training) -> dict[Slot, int]:
    """What will be read of blocks that no epoch has touched."""
    reach = untouched(training.outline, training.plan, training.plan.epochs - 1)
    slots = readings(training.outline, training.plan, training.config)
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
    features = caught[-1].float()
    features = features.flatten(2).mean(2) if features.ndim == 4 else features.reshape(len(inputs), -1)
    return features.cpu().numpy()


def _threshold(origin: Origin, components: PrincipalComponents, features: np.ndarray) -> float:
    """The cosine that almost all training images, with these `features` [N, d], reach with their mirror images."""
    places = np.unique(np.linspace(0, len(features) - 1, min(_FLIPPED, len(features))).astype(np.int64))
    cosines = [np.ones(0, dtype=np.float32)]
    for part in _batches(places):
        mirrored = _before_head(origin.training, origin.sources["train"].batch(part, None).flip(3), 0)
        cosines.append(similarity.cosine_similarity(*map(components.place, (features[part], mirrored))))
    every = np.concatenate(cosines)
    return max(float(np.quantile(every, _OWN_FLIPS)), _LEAST_COSINE) if len(every) else 1.0


def _hashes(dataset: Dataset) -> Generator[Progress, None, list[int]]:
    """The difference hash of every image, from its thumbnail."""
    hashes: list[int] = []
    for value in ordered(lambda image: _hash(dataset, image), dataset.images):
        if len(hashes) % 500 == 0:
            yield Progress(stage="comparing images", done=len(hashes), total=len(dataset.images))
        hashes.append(value)
    return hashes


def _hash(dataset: Dataset, image: Image) -> int:
    for path in (dataset.thumbnail_path(image), dataset.image_path(image)):
        try:
            return similarity.difference_hash(
                np.asarray(decode(path, rendering=dataset.rendering).convert("L").resize((9, 8)), dtype=np.int16)
            )
        except ImageError:
            continue
    raise DatasetError(f"The image {image.name!r} of the dataset {dataset.name!r} can no longer be read.")


def _embedded(
    trained: Trained,
    dataset: Dataset,
    components: PrincipalComponents,
    *,
    twins: Sequence[NearDuplicate],
    least: float,
) -> Embedded:
    training_images = np.array([image.index for image in dataset.images_of("train")], dtype=np.int64)
    nearest, cosines = similarity.nearest_neighbours(components.coordinates, training_images)
    doubts, unchecked = _doubts(dataset, components.coordinates)
    outline = trained.chain.outline()
    plan = plan_for(outline, trained.config)
    accuracy, without = _accuracies(trained.folder, {place for pair in twins for place in (pair.first, pair.second)})
    facts = Facts(
        explained=(components.explained[0], components.explained[1]),
        frozen=untouched(outline, plan, plan.epochs - 1) >= len(outline.blocks) - 1,
        unchecked=unchecked,
        doubts=doubts,
        twins=tuple(embedding_files.NearDuplicate(**vars(pair)) for pair in twins[:LISTED]),
        twins_found=len(twins),
        least_cosine=least,
        accuracy=accuracy,
        accuracy_without=without,
    )
    return Embedded(facts=facts, coordinates=components.coordinates, nearest=nearest, cosines=cosines)


def _doubts(dataset: Dataset, coordinates: np.ndarray) -> tuple[tuple[LabelIssue, ...], str]:
    """The labels that look wrong, the clearest first, and why labels were not checked."""
    labels = np.array([image.label for image in dataset.images])
    if unchecked := label_issues.too_few_images(labels, dataset.classes):
        return (), unchecked
    issues = label_issues.find_label_issues(label_issues.out_of_fold_probabilities(coordinates, labels), labels)
    if unchecked := label_issues.too_many_issues(len(issues), len(labels)):
        return (), unchecked
    doubts = tuple(
        LabelIssue(
            image=issue.place,
            given=dataset.classes[labels[issue.place]],
            suggested=dataset.classes[issue.suggested],
            confidence=issue.confidence,
            given_confidence=issue.given,
        )
        for issue in issues[:LISTED]
    )
    return doubts, ""


def _accuracies(folder: Path, twins: set[int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """(right, images) of the test images, and of those that have no twin in another split."""
    table = predictions.read(folder / "predictions.csv")
    test = table[(table["split"] == "test") & (table["error"] == "") & (table["label"] != "")]
    right, alone = test["label"] == test["predict"], ~test["image"].isin(twins)
    return (int(right.sum()), len(test)), (int(right[alone].sum()), int(alone.sum()))
