"""Importer: from a source to a draft dataset, that is to verified images, thumbnails and a health card.

Runs in the worker's child, because it meets hostile bytes. Accepting the draft is the dataset's business.
"""

import hashlib
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
from engine.data.decoder import decode_as, thumbnail, why_not
from engine.data.drafts import draft_folder
from engine.data.file_names import clean_name, system_file
from engine.data.layout import LabelledFile, Layout, recognise
from engine.data.pool import Progress, ordered, silent
from engine.data.tables.accounts import is_table, read_tables
from engine.data.zips import DEFAULT_LIMITS, Staged, StagedFile
from engine.errors import DatasetError, EngineError, ImageError, disk_error
from engine.workspace import Workspace, new_id, sync_folder

IMAGE_SUFFIXES = frozenset({"jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "tif", "tiff", "gif"})


def scan(workspace: Workspace, source: Path, *, name: str = "", progress: Progress = silent, origin: str = "") -> str:
    """Read everything at `source` and keep it as a draft, whose id is returned; the sources of drafts are not changed.

    `progress(stage, done, total)` may raise to cancel: then, as after any error, nothing is left behind. An upload is
    used up by a scan that succeeds or is cancelled, and kept when it is refused, so that files can be added to it.
    """
    draft_id = new_id("draft")
    folder, refused = draft_folder(workspace, draft_id), False
    try:
        for part in ("images", "thumbs"):
            (folder / part).mkdir(parents=True)
        staged = stage(source, folder / "staging", progress=progress)
        layout = _recognise(staged)
        results = _read(layout.entries, folder, progress)
        title, default_origin = _title_and_origin(source)
        name = clean_name(name) or clean_name(title) or "Images"
        draft = _draft(staged, layout, results, name=name, source=origin or default_origin)
        shutil.rmtree(folder / "staging", ignore_errors=True)
        for part in ("images", "thumbs"):
            sync_folder(folder / part)
        write_draft(folder, draft)
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
    path = Path(source).expanduser().resolve()
    root = Path(os.environ.get("THAW_DATA_ROOT") or Path.home()).expanduser().resolve()
    if not anywhere and not path.is_relative_to(root):
        raise DatasetError(
            f"{path} lies outside {root}. Choose a folder inside it, or start Thaw with THAW_DATA_ROOT set to another."
        )
    if not path.exists():
        raise DatasetError(f"There is nothing at {path}. Check the path.")
    return path


def _recognise(staged: Staged) -> Layout:
    """Sort the staged files into images, label tables and the rest, and find out what the images are called."""
    images: list[StagedFile] = []
    tables: list[StagedFile] = []
    problems: list[Problem] = []
    for file in staged.files:
        if system_file(file.name):
            problems.append(Problem(name=file.name, reason="system file", kind="system"))
        elif is_table(file.name):
            tables.append(file)
        elif file.name.rpartition(".")[2].lower() in IMAGE_SUFFIXES or (reason := why_not(file.path)) is None:
            images.append(file)
        else:
            problems.append(Problem(name=file.name, reason=reason))
    layout = recognise(images, read_tables(tables, images))
    return replace(layout, problems=(*staged.problems, *problems, *layout.problems))


def _read(entries: Sequence[LabelledFile], folder: Path, progress: Progress) -> list[Image | Problem]:
    """Verify, store and thumbnail every image; files that cannot be decoded come back as problems."""
    results: list[Image | Problem] = []
    progress("read", 0, len(entries))
    reading = ordered(lambda entry: _take(entry.file, folder), entries)
    try:
        for result in reading:
            results.append(result)
            progress("read", len(results), len(entries))
    finally:
        reading.close()
    return results


def _take(file: StagedFile, folder: Path) -> Image | Problem:
    """One file, completely decoded so that training meets no surprise, into `images/` and `thumbs/` under its hash."""
    try:
        if file.path.stat().st_size > DEFAULT_LIMITS.file_bytes:
            return Problem(name=file.name, reason=f"It has more than {DEFAULT_LIMITS.file_bytes >> 20} MB.")
        content = file.path.read_bytes()
    except OSError as error:
        return Problem(name=file.name, reason=f"It cannot be read ({error.strerror}).")
    try:
        decoded = decode_as(content)
    except ImageError as error:
        return Problem(name=file.name, reason=str(error))
    sha256 = hashlib.sha256(content).hexdigest()
    stored = f"{sha256[:24]}.{decoded.suffix}"
    try:
        if file.owned:
            file.path.unlink()  # before the copy, so that an import never needs its space twice
        _store(folder / "images" / stored, content)
        _store(folder / "thumbs" / f"{sha256[:24]}.jpg", thumbnail(decoded.image))
    except OSError as error:
        raise disk_error("The import", folder, error) from error
    width, height = decoded.image.size
    return Image(
        index=0,
        name=file.name,
        file=stored,
        label=0,
        split="train",
        width=width,
        height=height,
        sha256=sha256,
        bytes=len(content),
    )


def _store(path: Path, content: bytes) -> None:
    """Written to the disk itself: a dataset that is accepted must survive a power cut. Copies may write the same file
    at once."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


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
