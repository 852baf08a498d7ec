"""Tasks: what the jobs beside training do. Each is a generator of progress events that ends with a result event.

With the pipeline, the only place where the wings meet. Runs in the child; not here: who asks, and who is told.
"""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.config import from_json
from engine.data import uploads
from engine.data.importer import find_source, scan
from engine.data.sample import make_sample
from engine.errors import DatasetError
from engine.jobs.embedding import embed
from engine.jobs.export import ARCHIVE, export_run, export_zip
from engine.jobs.forecast import forecast
from engine.jobs.heat_map_files import Subject
from engine.jobs.heat_maps import explain as explain_image
from engine.jobs.inference import predict_new
from engine.jobs.probe import probe
from engine.models import registry
from engine.models.catalog import write_catalog
from engine.models.loading import match_brought, outline_of
from engine.models.outline import save_outline
from engine.models.weights_reader import bring
from engine.runs.session import open_session
from engine.store.database import Json
from engine.training.freezing import validate
from engine.training.lr_range import STEPS, range_test, suggestion
from engine.work.progress import reported
from engine.workspace import Workspace

Task = Callable[[Workspace, Json], Iterator[Json]]


def import_images(workspace: Workspace, arguments: Json) -> Iterator[Json]:
    """{"source": upload id or path, "name"} -> {"draft": id}"""
    source = find_source(workspace, arguments["source"], anywhere=bool(arguments.get("anywhere")))
    draft = yield from reported(lambda report: scan(workspace, source, name=arguments.get("name", ""), progress=report))
    yield {"event": "result", "draft": draft}


def sample(workspace: Workspace, arguments: Json) -> Iterator[Json]:
    """{} -> {"dataset": id}"""
    dataset = yield from reported(lambda report: make_sample(workspace, report))
    yield {"event": "result", "dataset": dataset.id}


def predict(workspace: Workspace, arguments: Json) -> Iterator[Json]:
    """{"run", "source": upload id or path, "device"?} -> {"predictions": id}. An upload is used up."""
    source = find_source(workspace, arguments["source"], anywhere=bool(arguments.get("anywhere")))
    try:
        made = yield from predict_new(workspace, arguments["run"], source, device=arguments.get("device", "auto"))
    finally:
        if uploads.is_upload(source):
            uploads.discard(workspace, source.name)
    yield {"event": "result", "predictions": made}


def catalog(workspace: Workspace, arguments: Json) -> Iterator[Json]:
    """{} -> {"backbones": count}; writes down all that there are."""
    names = registry.names()
    described = []
    for name in names:
        described.append(registry.describe(name))
        yield {"event": "progress", "stage": "describing", "done": len(described), "total": len(names)}
    write_catalog(workspace, tuple(described))
    yield {"event": "result", "backbones": len(described)}


def outline(workspace: Workspace, arguments: Json) -> Iterator[Json]:
    """{"backbone"} -> {"blocks": count}; writes the outline that pages draw and plans are made from."""
    made = outline_of(arguments["backbone"])
    save_outline(workspace, made)
    yield {"event": "result", "blocks": len(made.blocks)}


def weights(workspace: Workspace, arguments: Json) -> Iterator[Json]:
    """{"upload" or "path", "backbone"} -> {"weights": id, "match"}. Parsed here, in the child, because files can crash
    parsers."""
    path, name = _weights_file(workspace, arguments)
    try:
        brought = bring(workspace, path, name)
    finally:
        if "upload" in arguments:
            uploads.discard(workspace, arguments["upload"])
    match = match_brought(workspace, brought, arguments["backbone"])
    yield {"event": "result", "weights": brought, "match": dataclasses.asdict(match)}


def learning_rates(workspace: Workspace, arguments: Json) -> Iterator[Json]:
    """{"config": a RunConfig as JSON} -> {"rates", "losses", "suggestion"}: a learning-rate range test of that run."""
    config = validate(from_json(arguments["config"]))
    session, points = (yield from open_session(config, workspace, config.device)), []
    with session.pixels:
        for point in range_test(session.training, session.source(session.training_images)):
            points.append(point)
            yield {"event": "progress", "stage": "learning rates", "done": len(points), "total": STEPS}
    rates, losses = [point.rate for point in points], [point.loss for point in points]
    yield {"event": "result", "rates": rates, "losses": losses, "suggestion": suggestion(points)}


def export(workspace: Workspace, arguments: Json) -> Iterator[Json]:
    """{"run", "folder"?: path} -> {"file", "files", "checks", "check"}: its bundle as a zip in the folder of the run,
    or as files there."""
    if "folder" in arguments:
        made = yield from export_run(workspace, arguments["run"], Path(arguments["folder"]))
    else:
        made = yield from export_zip(workspace, arguments["run"])
    yield {
        "event": "result",
        "file": arguments.get("folder", ARCHIVE),
        **dataclasses.asdict(made),
        "check": " ".join(made.checks),
    }


def explain(workspace: Workspace, arguments: Json) -> Iterator[Json]:
    """{"run", "image": index, "predictions"?: id, "class"?: name} -> {"explanation", "class", "pictures"}: what speaks
    for that class."""
    subject = Subject(image=int(arguments["image"]), predictions=str(arguments.get("predictions", "")))
    yield from explain_image(workspace, arguments["run"], subject, arguments.get("class"))


def embedding(workspace: Workspace, arguments: Json) -> Iterator[Json]:
    """{"run", "device"?} -> {"images", "suspects", "twins"}: features of all its images, and what they say of labels
    and copies."""
    yield from embed(workspace, arguments["run"], device=arguments.get("device", "auto"))


TASKS: dict[str, Task] = {
    "import": import_images,
    "sample": sample,
    "predict": predict,
    "catalog": catalog,
    "outline": outline,
    "weights": weights,
    "learning_rates": learning_rates,
    "export": export,
    "explain": explain,
    "embedding": embedding,
    "probe": probe,
    "forecast": forecast,
}


def _weights_file(workspace: Workspace, arguments: Json) -> tuple[Path, str]:
    if "path" in arguments:
        return Path(arguments["path"]), Path(arguments["path"]).name
    files = list(uploads.received(workspace.incoming_item(arguments["upload"])))
    if len(files) != 1:
        raise DatasetError(f"Choose one weights file at a time; {len(files)} arrived.")
    return files[0].path, files[0].name
