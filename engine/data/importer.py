"""Importer: from a source to a draft dataset, that is to verified images, thumbnails and a health card.

Runs in the worker's child, because it meets hostile bytes. Accepting the draft is the dataset's business.
"""

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from engine.data import uploads
from engine.data.archives import stage
from engine.data.dataset_files import write_draft
from engine.data.dataset_records import Draft, Image, Problem
from engine.data.decoder import why_not
from engine.data.drafts import draft_folder
from engine.data.file_names import clean_name, stand_in, system_file
from engine.data.intake import take_in
from engine.data.layout import Layout, recognise
from engine.data.masks import note_on, sort_out
from engine.data.pool import Progress, silent
from engine.data.tables.accounts import is_table, read_tables
from engine.data.zips import Staged, StagedFile
from engine.errors import DatasetError, EngineError
from engine.workspace import Workspace, new_id, sync_folder

IMAGE_SUFFIXES = frozenset(
    (
        *("jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "tif", "tiff", "gif"),
        *("ppm", "pgm", "pbm", "pnm", "avif", "heic", "heif", "hif"),
    )
)


def scan(
    workspace: Workspace,
    source: Path,
    *,
    name: str = "",
    within: Path | None = None,
    keep_masks: bool = False,
    progress: Progress = silent,
    origin: str = "",
) -> str:
    """Read everything at `source` and keep it as a draft, whose id is returned; the sources of drafts are not changed.

    Links are followed to what lies inside `within`, by default the source itself. Masks of other pictures are left out
    unless `keep_masks` says that they are pictures.
    `progress(stage, done, total)` may raise to cancel: then, as after any error, nothing is left behind. An upload is
    used up by a scan that succeeds or is cancelled, and kept when it is refused, so that files can be added to it.
    """
    draft_id = new_id("draft")
    folder, refused = draft_folder(workspace, draft_id), False
    try:
        for part in ("images", "thumbs"):
            (folder / part).mkdir(parents=True)
        staged = stage(source, folder / "staging", within=within, progress=progress)
        layout = _recognise(staged, keep_masks=keep_masks)
        taken = take_in([entry.file for entry in layout.entries], folder, progress)
        title, default_origin = _title_and_origin(source)
        name = clean_name(name) or clean_name(title) or "Images"
        draft = _draft(staged, layout, taken.results, name=name, source=origin or default_origin)
        shutil.rmtree(folder / "staging", ignore_errors=True)
        for part in ("images", "thumbs"):
            sync_folder(folder / part)
        write_draft(folder, replace(draft, rendering=taken.rendering))
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        refused = isinstance(error, EngineError)
        raise
    finally:
        if uploads.is_upload(source) and not refused:
            uploads.discard_upload(workspace, source.name)
    return draft_id


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


def _recognise(staged: Staged, *, keep_masks: bool) -> Layout:
    """Sort the staged files into images, label tables and the rest, and find out what the images are called."""
    images: list[StagedFile] = []
    tables: list[StagedFile] = []
    problems: list[Problem] = []
    for file in staged.files:
        if system_file(file.name):
            problems.append(Problem(name=file.name, reason="system file", kind="system"))
        elif stand_in(file.name):
            problems.append(Problem(name=file.name, reason="It stands in for an image that was not found."))
        elif is_table(file.name):
            tables.append(file)
        elif file.name.rpartition(".")[2].lower() in IMAGE_SUFFIXES or (reason := why_not(file.path)) is None:
            images.append(file)
        else:
            problems.append(Problem(name=file.name, reason=reason))
    if not keep_masks:
        sorting = sort_out(images)
        images = list(sorting.pictures)
        problems += [note_on(sorting.masks)] if sorting.masks else []
    layout = recognise(images, read_tables(tables, images))
    return replace(layout, problems=(*staged.problems, *problems, *layout.problems))


def _draft(staged: Staged, layout: Layout, results: Sequence[Image | Problem], *, name: str, source: str) -> Draft:
    read = [(entry, image) for entry, image in zip(layout.entries, results, strict=True) if isinstance(image, Image)]
    read.sort(key=lambda pair: (pair[0].label, pair[1].name))
    classes = tuple(sorted({entry.label for entry, _ in read}))
    problems = [*layout.problems, *(result for result in results if isinstance(result, Problem))]
    problems += [
        Problem(name=label, reason="This class has no readable image and is left out.", kind="note")
        for label in sorted({entry.label for entry in layout.entries} - set(classes))
    ]
    if len(classes) < 2:
        raise DatasetError(_refusal(staged, Counter(entry.label for entry, _ in read), problems))
    images = (
        replace(image, index=index, label=classes.index(entry.label)) for index, (entry, image) in enumerate(read)
    )
    return Draft(
        name=name,
        source=source,
        layout=layout.sentence,
        classes=classes,
        images=tuple(images),
        given=tuple(entry.given for entry, _ in read),
        problems=tuple(problems),
    )


def _refusal(staged: Staged, counts: Counter[str], problems: Sequence[Problem]) -> str:
    """Why this is no dataset, and what was found instead."""
    suffixes = Counter(file.name.rpartition("/")[2].rpartition(".")[2].lower() for file in staged.files)
    kinds = ", ".join(f"{count} .{suffix[:12]}" for suffix, count in suffixes.most_common(5)) or "no files at all"
    first = " ".join(f"{problem.name[:80]}: {problem.reason.rstrip('.')}." for problem in problems[:3])
    if counts:
        label, count = counts.most_common(1)[0]
        start = f"Only one class was found, {label[:80]!r} with {count} images; it takes at least two."
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
