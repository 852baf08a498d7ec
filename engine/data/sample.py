"""Sample: a dataset that the project draws itself, so that there is something to work on with no network at all.

Six classes of shape and texture, 40 images each; it goes the way of every import. How a picture is drawn is painting's
business.
"""

import io
import shutil
from pathlib import Path

import numpy as np

from engine.data.dataset import commit, list_datasets, open_dataset
from engine.data.dataset_records import Dataset
from engine.data.drafts import discard_draft
from engine.data.importer import scan
from engine.data.painting import PATTERNS, paint
from engine.data.pool import Progress, ordered, silent
from engine.workspace import Workspace, new_id

SOURCE = "sample"
NAME = "sample"
PER_CLASS = 40
SEED = 20


def make_sample(workspace: Workspace, progress: Progress = silent, *, per_class: int = PER_CLASS) -> Dataset:
    """The sample dataset, drawn on the first call and found again afterwards. Takes seconds."""
    if sample := _find(workspace):
        return sample
    folder = workspace.incoming / new_id("sample")
    try:
        _draw(folder, per_class, progress)
        draft = scan(workspace, folder, name=NAME, progress=progress, origin=SOURCE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if sample := _find(workspace):  # another process drew it meanwhile
        discard_draft(workspace, draft)
        return sample
    return commit(workspace, draft)


def _find(workspace: Workspace) -> Dataset | None:
    summary = next((summary for summary in list_datasets(workspace) if summary.source == SOURCE), None)
    return open_dataset(workspace, summary.id) if summary else None


def _draw(folder: Path, per_class: int, progress: Progress) -> None:
    """One JPEG per picture in a folder per class; every picture has a generator of its own and does not depend on the
    others."""
    pictures = [(pattern, kind, number) for kind, pattern in enumerate(PATTERNS) for number in range(per_class)]
    for pattern in PATTERNS:
        (folder / pattern).mkdir(parents=True)

    def draw(picture: tuple[str, int, int]) -> tuple[str, bytes]:
        pattern, kind, number = picture
        buffer = io.BytesIO()
        paint(pattern, np.random.default_rng([SEED, kind, number])).save(buffer, "JPEG", quality=90)
        return f"{pattern}/{pattern}-{number + 1:02d}.jpg", buffer.getvalue()

    drawing = ordered(draw, pictures)
    try:
        for done, (name, content) in enumerate(drawing, start=1):
            (folder / name).write_bytes(content)
            progress("draw", done, len(pictures))
    finally:
        drawing.close()
