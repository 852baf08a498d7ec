"""Importer: from a source to a draft dataset, that is to verified images, thumbnails and a health card.

Runs in the worker's child, because it meets hostile bytes. Accepting the draft is the dataset's business.
"""

import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

from engine.data import uploads
from engine.data.dataset_files import write_draft, write_import
from engine.data.dataset_records import Image, Problem
from engine.data.drafts import draft_folder
from engine.data.file_names import clean_name
from engine.data.grouping.relations import related
from engine.data.imported import ImportChoices, Imported, draft_of, of_images
from engine.data.pool import Progress, silent
from engine.data.readings.recognised import Recognised, empty_folders, recognise_staged
from engine.data.staging.archives import stage
from engine.data.staging.intake import Intake, take_in
from engine.data.staging.unpacking import Staged
from engine.errors import DatasetError, EngineError
from engine.workspace import Workspace, new_id, sync_folder


def scan(
    workspace: Workspace,
    source: Path,
    *,
    name: str = "",
    choices: ImportChoices | None = None,
    within: Path | None = None,
    progress: Progress = silent,
    origin: str = "",
) -> str:
    """Read everything at `source` and keep it as a draft, whose id is returned; the sources of drafts are not changed.

    Links are followed to what lies inside `within`, by default the source itself.
    `progress(stage, done, total)` may raise to cancel: then, as after any error, nothing is left behind. An upload is
    used up by a scan that succeeds or is cancelled, and kept when it is refused, so that files can be added to it.
    """
    draft_id = new_id("draft")
    folder, refused = draft_folder(workspace, draft_id), False
    try:
        for part in ("images", "thumbs"):
            (folder / part).mkdir(parents=True)
        staged = stage(source, folder / "staging", within=within, progress=progress)
        recognised = recognise_staged(staged, choices or ImportChoices(), empty=empty_folders(source))
        taken = take_in(recognised.images, folder, progress, aside=recognised.masks)
        title, default_origin = _title_and_origin(source)
        name = clean_name(name) or clean_name(title) or "Images"
        imported = _imported(recognised, taken, name=name, source=origin or default_origin)
        if len(imported.readings[0].classes) < 2:
            raise DatasetError(_refusal(staged, imported))
        shutil.rmtree(folder / "staging", ignore_errors=True)
        _keep(folder, _related(imported, folder, progress))
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        refused = isinstance(error, EngineError)
        raise
    finally:
        if uploads.is_upload(source) and not refused:
            uploads.discard_upload(workspace, source.name)
    return draft_id


def _keep(folder: Path, imported: Imported) -> None:
    """The draft is written last: with it the scan is complete."""
    for part in ("images", "thumbs"):
        sync_folder(folder / part)
    write_import(folder, imported)
    write_draft(folder, draft_of(imported, imported.readings[0].key))


def find_source(workspace: Workspace, source: str, *, anywhere: bool = False) -> Path:
    """The path that `source` means: an upload's id, or a path on this computer.

    Unless `anywhere` (the command line), a path must lie inside $THAW_DATA_ROOT, or the home folder when that is not
    set.
    """
    if source.startswith("upload-") and workspace.incoming_item(source).is_dir():
        return workspace.incoming_item(source)
    path, root = Path(source).expanduser().resolve(), readable_root(anywhere=anywhere)
    if not path.is_relative_to(root):
        raise DatasetError(
            f"{path} lies outside {root}. Choose a folder inside it, or start Thaw with THAW_DATA_ROOT set to another."
        )
    if not path.exists():
        raise DatasetError(f"There is nothing at {path}. Check the path.")
    return path


def readable_root(*, anywhere: bool = False) -> Path:
    """Below which files may be read, also through links."""
    if anywhere:
        return Path(Path.home().anchor)
    return Path(os.environ.get("THAW_DATA_ROOT") or Path.home()).expanduser().resolve()


def _imported(recognised: Recognised, taken: Intake, *, name: str, source: str) -> Imported:
    """What was read, under each reading that has two classes of readable images."""
    images = tuple(result for result in taken.results if isinstance(result, Image))
    unreadable = (result for result in taken.results if isinstance(result, Problem))
    best, *others = (
        of_images(reading, images, recognised.bare, masks=recognised.masks) for reading in recognised.readings
    )
    return Imported(
        name=name,
        source=source,
        images=images,
        problems=(*recognised.problems, *unreadable),
        readings=(best, *(reading for reading in others if len(reading.classes) > 1)),
        rendering=taken.rendering,
    )


def _related(imported: Imported, folder: Path, progress: Progress) -> Imported:
    """`imported` with its near-copies and bursts."""
    relations = related(folder, [image.file for image in imported.images], progress)
    return replace(imported, near_copies=relations.near_copies, bursts=relations.bursts)


def _refusal(staged: Staged, imported: Imported) -> str:
    """Why this is no dataset, and what was found instead."""
    suffixes = Counter(file.name.rpartition("/")[2].rpartition(".")[2].lower() for file in staged.files)
    kinds = ", ".join(f"{count} .{suffix[:12]}" for suffix, count in suffixes.most_common(5)) or "no files at all"
    reading = imported.readings[0]
    problems = (*imported.problems, *reading.problems)
    first = " ".join(f"{problem.name[:80]}: {problem.reason.rstrip('.')}." for problem in problems[:3])
    if reading.classes:
        count = sum(label >= 0 for label in reading.labels)
        start = f"Only one class was found, {reading.classes[0][:80]!r} with {count} images; it takes at least two."
    else:
        start = "No readable image in a class was found."
    remedy = "Put the images of each class into a folder of their own, or add a CSV with the columns file and label."
    return f"{start} Found: {kinds}.{f' First problems: {first}' if first else ''} {remedy}"


def _title_and_origin(source: Path) -> tuple[str, str]:
    """What a dataset of `source` may be called, and where it says that it comes from."""
    if not uploads.is_upload(source):
        title = source.stem if source.is_file() else source.name
        return title, f"{'folder' if source.is_dir() else 'file'} {clean_name(source.name) or ascii(source.name)}"
    names = [file.name for file in uploads.received(source)]
    if len(names) != 1:
        return "", f"upload of {len(names)} files"
    return names[0].rpartition("/")[2].rpartition(".")[0], f"upload {clean_name(names[0])}"
