"""Tasks: what the jobs beside training do. Each is a generator of progress events that ends with a result event.

Runs in the child. What loads pandas or scikit-learn is imported by the job that needs it: a first run waits for
neither. Not here: who asks, and who is told.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from engine.config import from_json
from engine.data import uploads
from engine.data.imported import ImportChoices
from engine.data.importer import find_source, readable_root, scan
from engine.data.sample import make_sample
from engine.data.tables.table_records import TableChoice
from engine.errors import ConfigError, DatasetError
from engine.events import Event, Progress, Result
from engine.jobs import records
from engine.jobs.forecast import forecast
from engine.jobs.heat_maps import explain
from engine.models import registry
from engine.models.bringing import bring
from engine.models.catalog import write_catalog
from engine.models.loading import outline_of
from engine.models.outline import save_outline
from engine.runs.session import open_session
from engine.training.freezing import validate
from engine.training.lr_range import STEPS, range_test, suggestion
from engine.training.solved.solvable import is_solved
from engine.work.progress import reported
from engine.workspace import Workspace

Events = Iterator[Event]


def import_images(workspace: Workspace, asked: records.ImportImages) -> Events:
    """A draft of a dataset."""
    source = find_source(workspace, asked.source, anywhere=asked.anywhere)
    columns = TableChoice(file_column=asked.file_column, label_column=asked.label_column)
    choices = ImportChoices(classes_at=asked.classes_at, columns=columns, keep_masks=asked.keep_masks)
    within = readable_root(anywhere=asked.anywhere)
    draft = yield from reported(
        lambda report: scan(workspace, source, name=asked.name, choices=choices, within=within, progress=report)
    )
    yield Result.of(records.Draft(draft=draft))


def sample(workspace: Workspace, asked: records.Nothing) -> Events:
    """The sample dataset."""
    dataset = yield from reported(lambda report: make_sample(workspace, report))
    yield Result.of(records.Sample(dataset=dataset.id))


def predict(workspace: Workspace, asked: records.Predict) -> Events:
    """The answers of a run for new images."""
    from engine.jobs.inference import predict_new

    source = find_source(workspace, asked.source, anywhere=asked.anywhere) if asked.source else None
    within = readable_root(anywhere=asked.anywhere)
    try:
        made = yield from predict_new(workspace, asked.run, source, device=asked.device, within=within)
    finally:
        if source and uploads.is_upload(source):
            uploads.discard_upload(workspace, source.name)
    yield Result.of(made)


def catalog(workspace: Workspace, asked: records.Nothing) -> Events:
    """Writes down all backbones that there are."""
    names, described = registry.names(), []
    for name in names:
        described.append(registry.describe(name))
        yield Progress(stage="describing", done=len(described), total=len(names))
    write_catalog(workspace, tuple(described))
    yield Result.of(records.Backbones(backbones=len(described)))


def outline(workspace: Workspace, asked: records.ReadOutline) -> Events:
    """Writes the outline that pages draw and plans are made from."""
    made = outline_of(asked.backbone)
    save_outline(workspace, made)
    yield Result.of(records.Blocks(blocks=len(made.blocks)))


def weights(workspace: Workspace, asked: records.ReadWeights) -> Events:
    """A file of weights, kept. Parsed here, in the child, because files can crash parsers."""
    path, name = _weights_file(workspace, asked)
    try:
        arrival = bring(workspace, path, name, backbone=asked.backbone)
    finally:
        if asked.upload:
            uploads.discard_upload(workspace, asked.upload)
    yield Result.of(records.Weights(weights=arrival.weights, match=arrival.match))


def learning_rates(workspace: Workspace, asked: records.OfConfig) -> Events:
    """A learning-rate range test of that run."""
    config = validate(from_json(asked.config))
    if is_solved(config):
        raise ConfigError(f"{config.strategy} is solved and takes no learning rate. Choose another strategy.")
    session, points = (yield from open_session(config, workspace, config.device)), []
    with session.pixels:
        for point in range_test(session.training, session.source(session.training_images)):
            points.append(point)
            yield Progress(stage="learning rates", done=len(points), total=STEPS)
    rates, losses = tuple(point.rate for point in points), tuple(point.loss for point in points)
    yield Result.of(records.RateRange(rates=rates, losses=losses, suggestion=suggestion(points)))


def export(workspace: Workspace, asked: records.Export) -> Events:
    """The bundle of a run."""
    from engine.jobs.export import export_run, export_zip

    folder, run = asked.folder, asked.run
    yield Result.of((yield from export_run(workspace, run, Path(folder)) if folder else export_zip(workspace, run)))


def embedding(workspace: Workspace, asked: records.OfRun) -> Events:
    """The map of a run's images, with what looks wrong on it."""
    from engine.jobs.embedding import embed

    yield from embed(workspace, asked)


def probing(workspace: Workspace, asked: records.OfConfig) -> Events:
    """How well each block of a backbone separates the classes."""
    from engine.jobs.probe import probe

    yield from probe(workspace, asked)


def ranking(workspace: Workspace, asked: records.RankBackbones) -> Events:
    """Which of several backbones has the features to read these classes from."""
    from engine.jobs.ranking import rank

    yield from rank(workspace, asked)


TASKS: dict[str, tuple[type, Callable[..., Events]]] = {
    "import": (records.ImportImages, import_images),
    "sample": (records.Nothing, sample),
    "predict": (records.Predict, predict),
    "catalog": (records.Nothing, catalog),
    "outline": (records.ReadOutline, outline),
    "weights": (records.ReadWeights, weights),
    "learning_rates": (records.OfConfig, learning_rates),
    "export": (records.Export, export),
    "explain": (records.Explain, explain),
    "embedding": (records.OfRun, embedding),
    "probe": (records.OfConfig, probing),
    "ranking": (records.RankBackbones, ranking),
    "forecast": (records.OfQueue, forecast),
}
"""Kind of job -> what it is asked, and what does it."""


def _weights_file(workspace: Workspace, asked: records.ReadWeights) -> tuple[Path, str]:
    if asked.path:
        return Path(asked.path), Path(asked.path).name
    files = list(uploads.received(workspace.incoming_item(asked.upload)))
    if len(files) != 1:
        raise DatasetError(f"Choose one weights file at a time; {len(files)} arrived.")
    return files[0].path, files[0].name
