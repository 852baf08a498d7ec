"""Heat maps: a trained run shows what in an image speaks for a class, as pictures in its folder.

Made on the CPU in fp32, so that it takes nothing from training; models stay loaded from one image to the next.
Not here: the method (evaluation.grad_cam), and where the pictures are kept (heat_map_files).
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.data.decoder import decode
from engine.data.preprocessing import Crop, eval_crop
from engine.errors import DatasetError, ImageError
from engine.evaluation.grad_cam import TargetLayer, find_target_layer, heat_maps, random_maps
from engine.evaluation.overlay import overlay, png
from engine.events import Event, Progress, Result
from engine.jobs import heat_map_files, records
from engine.jobs.heat_map_files import Explanation, Subject
from engine.jobs.trained import Trained, dataset_of, load, weights_path
from engine.store.run_record import Run
from engine.store.run_store import RunStore
from engine.workspace import Workspace, checked_id

KEPT_BYTES = 1 << 30
_SEED = 0
"""Of the random head: the same for all images, so that what differs between them is the images."""


@dataclass(frozen=True, kw_only=True)
class _Model:
    """A trained run, loaded, and where its maps are taken."""

    trained: Trained
    layer: TargetLayer

    @property
    def size_bytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.trained.chain.model.state_dict().values())


def explain(workspace: Workspace, asked: records.Explain) -> Iterator[Event]:
    """What speaks for a class in an image; what was made before by the same weights is only named."""
    run = RunStore(workspace).get(asked.run)
    subject = Subject(image=asked.image, predictions=asked.predictions)
    found = heat_map_files.find(workspace, run.id, subject, of=asked.of) if asked.of is not None else None
    if found is None:
        yield Progress(stage="loading the model", done=0, total=3)
        model = _MODELS.get(workspace, run)
        yield Progress(stage="following the answer back", done=1, total=3)
        found = _explanation(workspace, model, subject, of=asked.of)
    yield Result.of(records.HeatMap(explanation=found.name, of=found.of, pictures=tuple(heat_map_files.PICTURES)))


def _explanation(workspace: Workspace, model: _Model, subject: Subject, *, of: str | None) -> Explanation:
    """The pictures for class `of`, or for the predicted one, in the folder of the run."""
    trained = model.trained
    crop = _crop(workspace, trained, subject)
    images = trained.images(crop[None])
    probabilities = trained.probabilities(images)[0]
    of = trained.classes[int(probabilities.argmax())] if of is None else of
    target = heat_map_files.class_index(trained.folder, of)
    heat, chance = heat_maps(model.layer, images, target)[0], random_maps(model.layer, images, target, seed=_SEED)[0]
    explanation = Explanation(
        name=heat_map_files.name_of(workspace, trained.run.id, subject, of=of),
        of=of,
        probability=float(probabilities[target]),
        silent=not heat.any(),
    )
    pictures = {"crop": png(crop), "heat": png(overlay(crop, heat)), "chance": png(overlay(crop, chance))}
    heat_map_files.keep_heat_map(workspace, trained.run.id, explanation, pictures=pictures)
    return explanation


class _Models:
    """Models that were asked lately, within a bound; the last one stays in any case."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[tuple[str, int, int], _Model] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, workspace: Workspace, run: Run) -> _Model:
        """The model of `run`; a file of weights that has changed is another model."""
        path = weights_path(workspace, run)
        key = (str(path), path.stat().st_size, path.stat().st_mtime_ns)
        with self._lock:
            model = self._kept.pop(key, None) or _load(workspace, run)
            self._kept[key] = model
            while len(self._kept) > 1 and sum(kept.size_bytes for kept in self._kept.values()) > self._limit_bytes:
                self._kept.popitem(last=False)
        return model


_MODELS = _Models(KEPT_BYTES)


def _load(workspace: Workspace, run: Run) -> _Model:
    trained = load(workspace, run)
    side = trained.preprocessing.crop
    grey = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    return _Model(trained=trained, layer=find_target_layer(trained.chain, trained.images(grey)))


def _crop(workspace: Workspace, trained: Trained, subject: Subject) -> Crop:
    """The square that the model sees. Of a new image only its thumbnail is kept, so that has to do."""
    if subject.predictions:
        folder = trained.folder / "predictions" / checked_id(subject.predictions) / "thumbs"
        path, name = folder / f"{subject.image}.jpg", f"The new image {subject.image}"
    else:
        dataset = dataset_of(workspace, trained.run)
        if not 0 <= subject.image < len(dataset.images):
            raise DatasetError(f"The dataset {dataset.name} has no image {subject.image}. Choose one from the list.")
        image = dataset.images[subject.image]
        path, name = dataset.image_path(image), f"The image {image.name!r} of the dataset {dataset.name!r}"
    try:
        return eval_crop(decode(path, rendering=trained.rendering), trained.preprocessing)
    except ImageError as error:
        raise DatasetError(f"{name}: {error}") from error
